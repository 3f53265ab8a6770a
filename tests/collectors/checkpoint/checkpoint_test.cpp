#include "collectors/checkpoint/checkpoint.h"

#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "support/checkpoint_files.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <array>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

using namespace kvscope;
using testing::check_error;
using testing::Pickle;
using testing::TemporaryFolder;

namespace {

std::string fingerprint_of(const Checkpoint& checkpoint) {
  const std::array<const Checkpoint*, 1> one = {&checkpoint};
  return fingerprint(one);
}

std::vector<float> floats(const CheckpointTensor& tensor) {
  const auto bytes = contiguous_bytes(tensor);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// {"a": 0..5 as [2, 3], "b": its transpose}, both in one storage.
std::string shared_pickle() {
  return Pickle()
      .op("}(")
      .text("a")
      .tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1})
      .text("b")
      .tensor("FloatStorage", "0", 6, 0, {3, 2}, {1, 3})
      .op("u")
      .stop();
}

const std::vector<float> kCounting = {0, 1, 2, 3, 4, 5};

Checkpoint opened(const TemporaryFolder& folder, const std::string& name, const std::string& bytes) {
  write_file(folder / name, bytes);
  return Checkpoint::open(folder / name);
}

}  // namespace

TEST_SUITE("collectors.checkpoint.checkpoint") {
  TEST_CASE("every tensor of a file of PyTorch is what Python's standard library reads from it") {
    // var_basic.txt is the output of list_tensors.py.
    const auto checkpoint = Checkpoint::open(testing::repository_file("tests/data/var_basic/var.pth"));
    CHECK(checkpoint.container() == "torch.save");
    std::string list;
    for (const auto& tensor : checkpoint.tensors()) {
      Sha256 hash;
      hash.update(contiguous_bytes(tensor));
      list += fmt::format("{} {} {} {}\n", tensor.name, element_name(tensor.type), fmt::join(tensor.shape, ","),
                          hash.hex_digest());
    }
    CHECK(list == read_text_file(testing::repository_file("tests/collectors/checkpoint/var_basic.txt")));
    CHECK(checkpoint.check_checksums() == static_cast<std::int64_t>(checkpoint.tensors().size()) + 2);
  }

  TEST_CASE("tensors are found by name and the missing one is named") {
    const auto checkpoint = Checkpoint::open(testing::repository_file("tests/data/var_vae.pth"));
    CHECK(checkpoint.at("quantize.embedding.weight").shape == Shape{256, 8});
    CHECK(checkpoint.find("quantize.embedding") == nullptr);
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(checkpoint.at("decoder.none")); }, "var_vae.pth", "decoder.none",
        "missing");
  }

  TEST_CASE("views that share a storage are read by their own strides") {
    const TemporaryFolder folder;
    const auto archive = testing::torch_archive(shared_pickle(), {testing::raw(kCounting)});
    const auto checkpoint = opened(folder, "shared.pth", archive.bytes());
    REQUIRE(checkpoint.tensors().size() == 2);
    CHECK(checkpoint.at("a").is_contiguous());
    CHECK_FALSE(checkpoint.at("b").is_contiguous());
    CHECK(checkpoint.at("a").storage.data() == checkpoint.at("b").storage.data());
    CHECK(floats(checkpoint.at("a")) == kCounting);
    CHECK(floats(checkpoint.at("b")) == std::vector<float>{0, 3, 1, 4, 2, 5});
  }

  TEST_CASE("the fingerprint is that of the tensors and not of the container or their order") {
    const TemporaryFolder folder;
    const auto pth =
        opened(folder, "a.pth", testing::torch_archive(shared_pickle(), {testing::raw(kCounting)}).bytes());
    const std::string transposed = testing::raw(std::vector<float>{0, 3, 1, 4, 2, 5});
    const auto safetensors = opened(
        folder, "a.safetensors",
        testing::safetensors_bytes(
            R"({"b":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[24,48]}})",
            transposed + testing::raw(kCounting)));
    CHECK(safetensors.container() == "safetensors");
    CHECK(safetensors.check_checksums() == 0);
    CHECK(fingerprint_of(pth) == fingerprint_of(safetensors));
    const std::string by_hand = "a\nfloat32\n[2,3]\n" + testing::raw(kCounting) + "b\nfloat32\n[3,2]\n" + transposed;
    Sha256 hash;
    hash.update(by_hand);
    CHECK(fingerprint_of(pth) == hash.hex_digest());
    const auto other = opened(
        folder, "b.safetensors",
        testing::safetensors_bytes(
            R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[24,48]}})",
            transposed + testing::raw(kCounting)));
    CHECK(fingerprint_of(other) != fingerprint_of(pth));
  }

  TEST_CASE("strided tensors larger than a block are copied whole") {
    const TemporaryFolder folder;
    std::vector<float> values(1000 * 700);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const auto pickle =
        Pickle().op("}").text("t").tensor("FloatStorage", "0", 700000, 0, {700, 1000}, {1, 700}).op("s");
    const auto checkpoint =
        opened(folder, "t.pth", testing::torch_archive(pickle.stop(), {testing::raw(values)}).bytes());
    const auto transposed = floats(checkpoint.at("t"));
    REQUIRE(transposed.size() == values.size());
    CHECK(transposed[1] == 700.0F);
    CHECK(transposed[1000] == 1.0F);
    CHECK(transposed[699 * 1000 + 998] == 998.0F * 700 + 699);
  }

  TEST_CASE("a subtree is a checkpoint of its own") {
    const TemporaryFolder folder;
    const auto pickle = Pickle()
                            .op("}(")
                            .text("epoch")
                            .integer(3)
                            .text("trainer")
                            .op("}(")
                            .text("var_wo_ddp")
                            .op("}")
                            .text("head.bias")
                            .tensor("FloatStorage", "0", 6, 1, {2}, {1})
                            .op("s")
                            .text("scale")
                            .op("Nu")
                            .text("trainer2")
                            .op("]")
                            .tensor("FloatStorage", "0", 6, 0, {}, {})
                            .op("au");
    const auto whole =
        opened(folder, "ckpt.pth", testing::torch_archive(pickle.stop(), {testing::raw(kCounting)}).bytes());
    CHECK(whole.tensors()[0].name == "trainer.var_wo_ddp.head.bias");
    CHECK(whole.tensors()[1].name == "trainer2.0");
    CHECK(whole.has_subtree("trainer.var_wo_ddp"));
    CHECK_FALSE(whole.has_subtree("trainer.var_wo_ddp.head.bias"));
    CHECK_FALSE(whole.has_subtree("train"));
    const auto model = whole.subtree("trainer.var_wo_ddp");
    REQUIRE(model.tensors().size() == 1);
    CHECK(floats(model.at("head.bias")) == std::vector<float>{1, 2});
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(whole.subtree("vae")); }, "ckpt.pth", "'vae'");
  }

  TEST_CASE("what is no checkpoint is refused with a hint") {
    const TemporaryFolder folder;
    const std::string legacy("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02", 17);
    const auto refused = [&](const std::string& bytes, const char* hint) {
      check_error(
          ErrorCode::kBadInput, [&] { static_cast<void>(opened(folder, "model.pth", bytes)); }, "model.pth", hint);
    };
    refused(legacy, "torch.save(torch.load(");
    refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull");
    refused("\x89HDF\r\n\x1a\n", "HDF5");
    refused("", "neither");
    refused("PK\x05\x06", "neither");
    refused("<html>not found</html>", "neither");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(Checkpoint::open(folder / "none")); }, "none");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(Checkpoint::open("/dev/null")); }, "not a regular file");
  }
}
