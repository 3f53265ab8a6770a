#include "collectors/checkpoint/checkpoint_index.h"

#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "collectors/checkpoint/checkpoint.h"
#include "support/checkpoint_files.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

using namespace kvscope;
using testing::check_error;
using testing::Pickle;
using testing::TemporaryFolder;

namespace {

using Named = std::pair<std::string, std::vector<float>>;

std::string safetensors_of(const std::vector<Named>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const auto& [name, values] : tensors) {
    const std::size_t begin = data.size();
    data += testing::raw(values);
    header[name] = {{"dtype", "F32"}, {"shape", {values.size()}}, {"data_offsets", {begin, data.size()}}};
  }
  return testing::safetensors_bytes(header.dump(), data);
}

std::string torch_save_of(const std::vector<Named>& tensors) {
  Pickle pickle;
  pickle.op("}(");
  std::vector<std::string> storages;
  for (const auto& [name, values] : tensors) {
    const auto count = static_cast<std::int64_t>(values.size());
    pickle.text(name).tensor("FloatStorage", std::to_string(storages.size()), count, 0, {count}, {1});
    storages.push_back(testing::raw(values));
  }
  return testing::torch_archive(pickle.op("u").stop(), storages).bytes();
}

std::string index_of(const std::vector<std::pair<std::string, std::string>>& shard_of_tensor) {
  Json map = Json::object();
  for (const auto& [tensor, shard] : shard_of_tensor) map[tensor] = shard;
  return Json({{"metadata", {{"total_size", 24}}}, {"weight_map", map}}).dump();
}

std::vector<float> floats(const CheckpointTensor& tensor) {
  const auto bytes = contiguous_bytes(tensor);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::string fingerprint_of(const Checkpoint& checkpoint) {
  const std::array<const Checkpoint*, 1> one = {&checkpoint};
  return fingerprint(one);
}

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

/// A folder with a, c in the first shard and b in the second; tests then spoil one of its files.
void write_shards(const TemporaryFolder& folder) {
  write_file(folder / kFirst, safetensors_of({{"a", {1, 2}}, {"c", {3}}}));
  write_file(folder / kSecond, safetensors_of({{"b", {4, 5, 6}}}));
  write_file(folder / kIndex, index_of({{"a", kFirst}, {"b", kSecond}, {"c", kFirst}}));
}

template <typename... Words>
void refused(const TemporaryFolder& folder, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { (void)Checkpoint::open(folder.path()); }, words...);
}

}  // namespace

TEST_SUITE("collectors.checkpoint.checkpoint_index") {
  TEST_CASE("shards are one checkpoint with the fingerprint of the same tensors in one file") {
    const TemporaryFolder folder;
    write_shards(folder);
    const auto sharded = Checkpoint::open(folder.path());
    CHECK(sharded.file_count() == 2);
    CHECK(sharded.container() == "safetensors");
    CHECK(sharded.path() == folder.path());
    REQUIRE(sharded.tensors().size() == 3);
    CHECK(floats(sharded.at("a")) == std::vector<float>{1, 2});
    CHECK(floats(sharded.at("b")) == std::vector<float>{4, 5, 6});
    CHECK(floats(sharded.at("c")) == std::vector<float>{3});
    CHECK(Checkpoint::open(folder / kIndex).tensors().size() == 3);

    write_file(folder / "flat.safetensors", safetensors_of({{"c", {3}}, {"b", {4, 5, 6}}, {"a", {1, 2}}}));
    const auto flat = Checkpoint::open(folder / "flat.safetensors");
    CHECK(flat.file_count() == 1);
    CHECK(fingerprint_of(flat) == fingerprint_of(sharded));
  }

  TEST_CASE("shards of torch.save are read and their subtrees share them") {
    const TemporaryFolder folder;
    const std::string first = "pytorch_model-00001-of-00002.bin";
    const std::string second = "pytorch_model-00002-of-00002.bin";
    write_file(folder / first, torch_save_of({{"x.a", {1}}}));
    write_file(folder / second, torch_save_of({{"x.b", {2, 3}}, {"y", {4}}}));
    write_file(folder / "pytorch_model.bin.index.json", index_of({{"x.a", first}, {"x.b", second}, {"y", second}}));
    const auto checkpoint = Checkpoint::open(folder.path());
    CHECK(checkpoint.container() == "torch.save");
    CHECK(checkpoint.file_count() == 2);
    const auto below = checkpoint.subtree("x");
    REQUIRE(below.tensors().size() == 2);
    CHECK(below.at("b").storage.data() == checkpoint.at("x.b").storage.data());
    CHECK(floats(below.at("a")) == std::vector<float>{1});
    CHECK(checkpoint.check_checksums() == 0);
  }

  TEST_CASE("checksums of every shard are compared") {
    const TemporaryFolder folder;
    auto archive =
        testing::torch_archive(Pickle().op("}").text("b").tensor("FloatStorage", "0", 1, 0, {1}, {1}).op("s").stop(),
                               {testing::raw(std::vector<float>{7})});
    archive.records.back().crc32 = 1;
    write_file(folder / "one.bin", torch_save_of({{"a", {1}}}));
    write_file(folder / "two.bin", archive.bytes());
    write_file(folder / "pytorch_model.bin.index.json", index_of({{"a", "one.bin"}, {"b", "two.bin"}}));
    const auto checkpoint = Checkpoint::open(folder.path());
    check_error(
        ErrorCode::kBadInput, [&] { (void)checkpoint.check_checksums(); }, "two.bin", "checksum");
  }

  TEST_CASE("a folder's weights are looked for under their usual names") {
    const TemporaryFolder folder;
    refused(folder, folder.path().string(), "without weights", "model.safetensors.index.json");
    write_file(folder / "pytorch_model.bin", torch_save_of({{"old", {1}}}));
    CHECK(Checkpoint::open(folder.path()).find("old") != nullptr);
    write_shards(folder);
    CHECK(Checkpoint::open(folder.path()).find("b") != nullptr);
    write_file(folder / "model.safetensors", safetensors_of({{"whole", {1}}}));
    CHECK(Checkpoint::open(folder.path()).find("whole") != nullptr);
  }

  TEST_CASE("a shard that is missing or cut is named") {
    const TemporaryFolder folder;
    write_shards(folder);
    const std::string whole = read_text_file(folder / kSecond);
    write_file(folder / kSecond, whole.substr(0, whole.size() - 1));
    refused(folder, kSecond, "cut short");
    write_file(folder / kSecond, "");
    refused(folder, kSecond, "neither");
    write_file(folder / kSecond, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    refused(folder, kSecond, "git lfs pull");
    std::filesystem::remove(folder / kSecond);
    refused(folder, kIndex, kSecond, "is missing");
  }

  TEST_CASE("index and shards must agree on every tensor") {
    const TemporaryFolder folder;
    write_shards(folder);
    write_file(folder / kIndex, index_of({{"a", kFirst}, {"b", kSecond}, {"c", kFirst}, {"d", kSecond}}));
    refused(folder, kSecond, "tensor 'd' is missing", kIndex);
    write_file(folder / kIndex, index_of({{"a", kFirst}, {"b", kFirst}, {"c", kFirst}}));
    refused(folder, kFirst, "tensor 'b' is missing");
    write_file(folder / kIndex, index_of({{"a", kFirst}, {"b", kSecond}}));
    refused(folder, kFirst, "tensor 'c'", kIndex);
    write_file(folder / kIndex, index_of({{"a", kFirst}, {"b", kSecond}, {"c", kFirst}}));
    write_file(folder / kSecond, safetensors_of({{"b", {4}}, {"a", {9}}}));
    refused(folder, kSecond, "tensor 'a'");
  }

  TEST_CASE("shards lie beside the index and nowhere else") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "inner");
    write_file(folder / "outside.safetensors", safetensors_of({{"a", {1}}}));
    write_file(folder / "inner/below.safetensors", safetensors_of({{"a", {1}}}));
    for (const std::string& name :
         {std::string("../outside.safetensors"), (folder / "outside.safetensors").string(), std::string(".."),
          std::string("."), std::string(), std::string("deeper/x.safetensors"), std::string("..\\outside.safetensors"),
          std::string("a\nb"), std::string("nul\0", 4), std::string(300, 'x')}) {
      CAPTURE(name);
      write_file(folder / "inner/model.safetensors.index.json", index_of({{"a", name}}));
      check_error(
          ErrorCode::kBadInput, [&] { (void)Checkpoint::open(folder / "inner"); }, "tensor 'a'",
          "not the name of a file beside the index");
    }
  }

  TEST_CASE("an index is no shard") {
    const TemporaryFolder folder;
    write_file(folder / kIndex, index_of({{"a", kIndex}}));
    refused(folder, kIndex, "neither");
  }

  TEST_CASE("what is no index is refused in one line") {
    const auto read = [](const std::string& text) {
      return [=] { (void)read_checkpoint_index(text, "x.index.json"); };
    };
    check_error(ErrorCode::kBadInput, read("{"), "x.index.json", "not valid JSON");
    check_error(ErrorCode::kBadInput, read("[]"), "expected a JSON object");
    check_error(ErrorCode::kBadInput, read("{}"), "'weight_map' is missing");
    check_error(ErrorCode::kBadInput, read(R"({"weight_map": ["a"]})"), "no JSON object");
    check_error(ErrorCode::kBadInput, read(R"({"weight_map": {}})"), "names no tensors");
    check_error(ErrorCode::kBadInput, read(R"({"weight_map": {"a": 1}})"), "tensor 'a'", "no name of a file");
    check_error(ErrorCode::kBadInput, read(R"({"weight_map": {"": "a.bin"}})"), "no name for a tensor");
    check_error(ErrorCode::kBadInput, read(R"({"weight_map": {"a\nb": "a.bin"}})"), "no name for a tensor");
    CHECK(is_checkpoint_index(" \n{\"weight_map\": 1"));
    CHECK_FALSE(is_checkpoint_index("{\"format\": \"kvscope-plan\"}"));
    CHECK_FALSE(is_checkpoint_index("\"weight_map\""));
    CHECK_FALSE(is_checkpoint_index(""));
  }

  TEST_CASE("an index lists the tensors of each shard") {
    const CheckpointIndex index =
        read_checkpoint_index(index_of({{"b", "2.bin"}, {"a", "1.bin"}, {"c", "2.bin"}}), "x");
    CHECK(index == CheckpointIndex{{"1.bin", {"a"}}, {"2.bin", {"b", "c"}}});
  }
}
