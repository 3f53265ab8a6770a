#include "reports/inspection/inspection.h"

#include "collectors/base/file.h"
#include "collectors/checkpoint/crc32.h"
#include "collectors/hdf5/hdf5_file.h"
#include "kernels/compare/sample_compare.h"
#include "reports/command_line/command.h"
#include "support/checkpoint_files.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

using namespace kvscope;
using testing::check_error;
using testing::repository_file;
using testing::TemporaryFolder;

namespace {

struct Outcome {
  int status = 0;
  std::string out;
  std::string err;
};

Outcome run(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int status = run_command_line(arguments, out, err);
  return {status, out.str(), err.str()};
}

Json inspected(const std::filesystem::path& path, bool check) {
  std::vector<std::string> arguments = {"inspect", path.string(), "--json"};
  if (check) arguments.emplace_back("--check");
  const auto outcome = run(arguments);
  CAPTURE(outcome.err);
  REQUIRE(outcome.status == 0);
  return parse_json(outcome.out, "output");
}

}  // namespace

TEST_SUITE("reports.inspection.inspection") {
  TEST_CASE("a checkpoint shows its tensors and the model they make") {
    const Json json = inspected(repository_file("tests/data/var_basic/var.pth"), true);
    CHECK(json["kind"] == "checkpoint");
    CHECK(json["container"] == "torch.save");
    CHECK(json["tensor_count"] == 51);
    CHECK(json["checksums_compared"] == 53);
    CHECK(json["transformer"].get<std::string>().find("depth 3, width 128, 2 heads of 64") != std::string::npos);
    CHECK(json["tensors"].size() == 51);
    CHECK(json["tensors"][1]["name"] == "pos_1LC");
    CHECK(json["tensors"][1]["bytes"] == 66560);
    const auto text = run({"inspect", repository_file("tests/data/var_vae.pth").string()});
    CHECK(text.status == 0);
    CHECK(text.out.find("VAR tokenizer, 32 base channels") != std::string::npos);
    CHECK(text.out.find("quantize.embedding.weight") != std::string::npos);
  }

  TEST_CASE("weights that make no model are a finding and with check an error") {
    const TemporaryFolder folder;
    const auto pickle =
        testing::Pickle().op("}").text("pos_1LC").tensor("FloatStorage", "0", 6, 0, {1, 2, 3}, {6, 3, 1}).op("s");
    const std::string floats = testing::raw(std::vector<float>{0, 1, 2, 3, 4, 5});
    write_file(folder / "part.pth", testing::torch_archive(pickle.stop(), {floats}).bytes());
    CHECK(inspected(folder / "part.pth", false)["transformer"].get<std::string>().find("not usable") == 0);
    const auto checked = run({"inspect", (folder / "part.pth").string(), "--check"});
    CHECK(checked.status == 3);
    CHECK(checked.out.empty());
    CHECK(checked.err.find("part.pth") != std::string::npos);
  }

  TEST_CASE("damaged weights are found with check") {
    const TemporaryFolder folder;
    const auto pickle = testing::Pickle().op("}").text("x").tensor("FloatStorage", "0", 6, 0, {6}, {1}).op("s");
    const std::string floats = testing::raw(std::vector<float>{0, 1, 2, 3, 4, 5});
    auto archive = testing::torch_archive(pickle.stop(), {floats});
    for (auto& record : archive.records) record.crc32 = crc32(testing::bytes_of(record.content));
    std::string bytes = archive.bytes();
    bytes[bytes.find(floats) + 5] ^= 4;
    write_file(folder / "damaged.pth", bytes);
    CHECK(run({"inspect", (folder / "damaged.pth").string()}).status == 0);
    const auto checked = run({"inspect", (folder / "damaged.pth").string(), "--check"});
    CHECK(checked.status == 3);
    CHECK(checked.err.find("archive/data/0") != std::string::npos);
  }

  TEST_CASE("a capture shows geometry and what is stored") {
    const TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "capture.h5", {.maps = true});
    const Json json = inspected(folder / "capture.h5", true);
    CHECK(json["kind"] == "capture");
    CHECK(json["samples"] == 3);
    CHECK(json["layers"] == 2);
    CHECK(json["heads"] == 4);
    CHECK(json["steps"] == "1x1 2x2 3x3 4x4");
    CHECK(json["maps"] == 2 * 4 * 4);
    CHECK(json["check"] == "passed");
    const auto& quantities = json["quantities"];
    const auto entropy = std::find_if(quantities.begin(), quantities.end(),
                                      [](const Json& row) { return row["quantity"] == "statistics/entropy"; });
    REQUIRE(entropy != quantities.end());
    CHECK((*entropy)["steps"] == 4);
    // [sample, branch, layer, head] of float32 at each of four steps; chunks may be larger.
    CHECK((*entropy)["stored_bytes"].get<int>() >= 4 * 3 * 2 * 2 * 4 * 4);
  }

  TEST_CASE("published head maps and broken results are told apart") {
    const TemporaryFolder folder;
    const auto map = repository_file("datasets/published_heads/var_d30_100.json");
    const Json json = inspected(map, true);
    CHECK(json["kind"] == "head classification");
    CHECK(json["contextual"] == 315);
    CHECK(json["structural"] == 585);
    write_file(folder / "plan.json", R"({"format": "kvscope-plan", "version": 1, "method": "hack"})");
    CHECK(inspected(folder / "plan.json", false)["method"] == "hack");
    const auto checked = run({"inspect", (folder / "plan.json").string(), "--check"});
    CHECK(checked.status == 3);
    CHECK(checked.err.find("plan.json") != std::string::npos);
  }

  TEST_CASE("a comparison shows how far it is and what nothing beats") {
    const TemporaryFolder folder;
    CompareResult result = testing::sample_compare();
    result.complete = false;
    write_compare(folder / "compare.json", result);
    const Json json = inspected(folder / "compare.json", true);
    CHECK(json["kind"] == "comparison");
    CHECK(json["cells"] == 4);
    CHECK(json["samples"] == 4);
    CHECK(json["complete"].get<std::string>().starts_with("no"));
    CHECK(json["pareto"].size() == result.pareto.size());
  }

  TEST_CASE("files of other programs are refused by what they are") {
    const TemporaryFolder folder;
    const auto refused = [&](const std::string& content, const char* word) {
      write_file(folder / "file", content);
      const auto outcome = run({"inspect", (folder / "file").string()});
      CHECK(outcome.status == 3);
      CAPTURE(outcome.err);
      CHECK(outcome.err.find(word) != std::string::npos);
    };
    refused(R"({"format": "something else"})", "'something else'");
    refused(R"({"no": "format"})", "'format' is missing");
    refused(R"({"format": )", "file");
    refused("", "neither");
    refused("hello", "neither");
    refused("\x89HDF\r\n\x1a\n", "file");
    Hdf5File::create(folder / "plain.h5").close();
    const auto plain = run({"inspect", (folder / "plain.h5").string()});
    CHECK(plain.status == 3);
    CHECK(plain.err.find("without the attribute 'format'") != std::string::npos);
    CHECK(run({"inspect", (folder / "none").string()}).status == 3);
    CHECK(run({"inspect"}).status == 2);
  }

  TEST_CASE("convert writes what inspect then reads with the same fingerprint") {
    const TemporaryFolder folder;
    const std::string original = repository_file("tests/data/var_basic/var.pth").string();
    const std::string copy = (folder / "var.safetensors").string();
    CHECK(run({"convert", original, "-o", copy}).status == 0);
    CHECK(inspected(copy, true)["fingerprint"] == inspected(original, false)["fingerprint"]);

    const std::string half = (folder / "half.safetensors").string();
    CHECK(run({"convert", original, "-o", half, "--dtype", "bfloat16", "--drop", "attn_bias_for_masking"}).status == 0);
    const Json json = inspected(half, true);
    CHECK(json["tensor_count"] == 50);
    CHECK(json["transformer"].get<std::string>().find("bfloat16") != std::string::npos);
  }

  TEST_CASE("convert names what it cannot do") {
    const TemporaryFolder folder;
    const std::string original = repository_file("tests/data/var_basic/var.pth").string();
    const std::string copy = (folder / "out.safetensors").string();
    CHECK(run({"convert", original}).status == 2);
    CHECK(run({"convert", "-o", copy}).status == 2);
    CHECK(run({"convert", original, "-o", copy, "--dtype", "int8"}).status == 2);
    const auto missing = run({"convert", original, "-o", copy, "--drop", "nothing"});
    CHECK(missing.status == 3);
    CHECK(missing.err.find("nothing") != std::string::npos);
    CHECK(run({"convert", original, "-o", copy, "--subtree", "trainer"}).status == 3);
    CHECK(run({"convert", original, "-o", "/proc/kvscope/out"}).status == 4);
    CHECK(std::filesystem::is_empty(folder.path()));
  }
}
