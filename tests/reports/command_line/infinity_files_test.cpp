// Files of weights and of text that do not fit a text-to-image model: each is refused in one line.
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "collectors/text/text_features.h"
#include "reports/command_line/command_run.h"
#include "support/paths.h"
#include "support/random_infinity.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

using namespace kvscope;
using testing::repository_file;
using testing::run_command;
using testing::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

/// A small model in shards, prompts for it, and the calls that use them.
class Files {
 public:
  Files() : model_(testing::write_random_infinity(folder_.path(), {.heads = 1}, std::nullopt, 100'000)) {
    TextFeatures text;
    text.features = Array<float>({2, 128});
    text.lengths = {2};
    write_text_features(folder_ / "text.h5", text);
  }

  [[nodiscard]] const fs::path& shards() const { return model_.transformer; }
  [[nodiscard]] fs::path file(const char* name) const { return folder_ / name; }
  /// The last of the shards.
  [[nodiscard]] fs::path last_shard() const {
    fs::path last;
    for (const auto& entry : fs::directory_iterator(shards())) {
      if (entry.path().extension() == ".safetensors") last = std::max(last, entry.path());
    }
    return last;
  }
  [[nodiscard]] testing::CommandOutcome collect(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"collect",
                                      "--checkpoint",
                                      shards().string(),
                                      "--tokenizer",
                                      model_.tokenizer.string(),
                                      "--text-features",
                                      file("text.h5").string(),
                                      "--pn",
                                      "0.06M",
                                      "-o",
                                      file("capture.h5").string()};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }
  void check_refused(const testing::CommandOutcome& outcome, ErrorCode code,
                     const std::vector<std::string>& words) const {
    for (const std::string& word : words) testing::check_failure(outcome, code, word);
    CHECK(std::ranges::count(outcome.err, '\n') == 1);
    CHECK_FALSE(fs::exists(file("capture.h5")));
  }

 private:
  TemporaryFolder folder_;
  testing::InfinityFiles model_;
};

}  // namespace

TEST_SUITE("reports.command_line.infinity_files") {
  TEST_CASE("a model in shards generates from its folder") {
    const Files files;
    const auto outcome = files.collect({"--estimate"});
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
  }

  TEST_CASE("a shard that is missing is named") {
    const Files files;
    const fs::path shard = files.last_shard();
    fs::remove(shard);
    files.check_refused(files.collect(), ErrorCode::kBadInput, {shard.filename().string(), "is missing"});
  }

  TEST_CASE("a shard that is cut is named") {
    const Files files;
    const fs::path shard = files.last_shard();
    fs::resize_file(shard, fs::file_size(shard) - 1);
    files.check_refused(files.collect(), ErrorCode::kBadInput, {shard.filename().string(), "cut short"});
  }

  TEST_CASE("an index that names tensors which are not there is refused by tensor and shard") {
    const Files files;
    const fs::path index = files.shards() / "model.safetensors.index.json";
    Json json = Json::parse(read_text_file(index));
    json["weight_map"]["block_chunks.7.module.0.ada_gss"] = files.last_shard().filename().string();
    write_file(index, json.dump());
    files.check_refused(files.collect(), ErrorCode::kBadInput,
                        {"'block_chunks.7.module.0.ada_gss' is missing", files.last_shard().filename().string()});
  }

  TEST_CASE("a tensor of the model that no shard has is named") {
    const Files files;
    const fs::path index = files.shards() / "model.safetensors.index.json";
    Json json = Json::parse(read_text_file(index));
    json["weight_map"].erase("pos_start");
    write_file(index, json.dump());
    files.check_refused(files.collect(), ErrorCode::kBadInput, {"pos_start"});
  }

  TEST_CASE("a tokenizer of other bits is refused by the names of both files") {
    const Files files;
    const std::string tokenizer = repository_file("tests/data/infinity_patchify/vae.pth").string();
    files.check_refused(files.collect({"--tokenizer", tokenizer}), ErrorCode::kUsage, {"cannot be specified"});
    const auto outcome =
        run_command({"collect", "--checkpoint", files.shards().string(), "--tokenizer", tokenizer, "--text-features",
                     files.file("text.h5").string(), "--pn", "0.06M", "-o", files.file("capture.h5").string()});
    files.check_refused(outcome, ErrorCode::kBadInput,
                        {files.shards().string(), tokenizer, "16 bits per token", "14 per cell"});
  }

  TEST_CASE("features of another width are refused by the name of their file") {
    const Files files;
    TextFeatures narrow;
    narrow.features = Array<float>({1, 64});
    narrow.lengths = {1};
    write_text_features(files.file("text.h5"), narrow);
    files.check_refused(files.collect(), ErrorCode::kBadInput,
                        {files.file("text.h5").string(), "width 64, but the model reads text of width 128"});
  }

  TEST_CASE("features of more tokens than the model reads are refused by their prompt") {
    const Files files;
    TextFeatures longer;
    longer.features = Array<float>({18, 128});
    longer.lengths = {1, 17};
    write_text_features(files.file("text.h5"), longer);
    files.check_refused(files.collect(), ErrorCode::kUsage, {"prompt 1 has 17 tokens, but the model reads up to 16"});
  }

  TEST_CASE("an unknown aspect ratio or size is refused with those that are known") {
    const Files files;
    files.check_refused(files.collect({"--h-div-w", "2.25"}), ErrorCode::kUsage,
                        {"height / width = 2.25", "0.333, 0.4, 0.5", "1.75, 2, 2.5, 3"});
    const auto outcome =
        run_command({"collect", "--checkpoint", files.shards().string(), "--tokenizer",
                     files.file("tokenizer.safetensors").string(), "--text-features", files.file("text.h5").string(),
                     "--pn", "4M", "-o", files.file("capture.h5").string()});
    files.check_refused(outcome, ErrorCode::kUsage, {"'4M'", "0.06M, 0.25M, 0.60M, 1M"});
  }
}
