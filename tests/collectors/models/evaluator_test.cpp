#include "collectors/models/evaluator.h"

#include "collectors/base/file.h"
#include "collectors/base/parallel.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace kvscope;
using testing::repository_file;

namespace {

const std::filesystem::path kGolden = repository_file("tests/data/evaluator/golden.h5");
const std::filesystem::path kTiny = repository_file("tests/data/evaluator/tiny.safetensors");

std::vector<int> largest(const Array<double>& logits) {
  std::vector<int> classes;
  for (std::int64_t i = 0; i < logits.extent(0); ++i) {
    const auto row = logits.slice(i);
    classes.push_back(static_cast<int>(std::ranges::max_element(row) - row.begin()));
  }
  return classes;
}

double largest_difference(const Array<float>& a, const Array<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double difference = 0.0;
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a.values()[i]) - b.values()[i]));
  }
  return difference;
}

/// A safetensors file with the given header and `payload` bytes of zeros.
void write_safetensors(const std::filesystem::path& path, const std::string& header, std::size_t payload) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((header.size() >> (8 * i)) & 0xFF);
  write_file(path, bytes + header + std::string(payload, '\0'));
}

}  // namespace

TEST_SUITE("collectors.models.evaluator") {
  TEST_CASE("features and classes agree with a computation in double precision") {
    const Hdf5File golden = Hdf5File::open(kGolden);
    const Evaluator evaluator = Evaluator::open(kTiny);
    CHECK(evaluator.classes() == 4);
    CHECK(evaluator.feature_size() == 8);
    const Evaluation seen = evaluator.evaluate(golden.read<std::uint8_t>("/tiny/images"));
    // Five layers of at most 63 products of order 1 in float32: well below 1e-5.
    CHECK(largest_difference(seen.features, golden.read<double>("/tiny/features")) < 1e-5);
    CHECK(seen.classes == largest(golden.read<double>("/tiny/logits")));
  }

  TEST_CASE("the bundled evaluator recognises test images of Fashion-MNIST") {
    const Hdf5File golden = Hdf5File::open(kGolden);
    const Evaluator evaluator = Evaluator::open(repository_file("datasets/sample_model/evaluator.safetensors"));
    const Evaluation seen = evaluator.evaluate(golden.read<std::uint8_t>("/bundled/images"));
    // Six layers in float32 against double precision; features are of order 1.
    CHECK(largest_difference(seen.features, golden.read<double>("/bundled/features")) < 1e-4);
    const Array<std::int64_t> labels = golden.read<std::int64_t>("/bundled/labels");
    CHECK(std::ranges::equal(seen.classes, labels.values()));
  }

  TEST_CASE("a verdict depends neither on the other images nor on the number of threads") {
    const Hdf5File golden = Hdf5File::open(kGolden);
    const Evaluator evaluator = Evaluator::open(kTiny);
    const Array<std::uint8_t> images = golden.read<std::uint8_t>("/tiny/images");
    set_thread_count(1);
    const Evaluation one = evaluator.evaluate(images);
    set_thread_count(3);
    const Evaluation three = evaluator.evaluate(images);
    CHECK(std::ranges::equal(one.features.values(), three.features.values()));
    const auto last = images.slice(4);
    const Evaluation alone = evaluator.evaluate(Array<std::uint8_t>({1, 9, 6, 3}, {last.begin(), last.end()}));
    CHECK(std::ranges::equal(alone.features.values(), one.features.slice(4)));
    set_thread_count(0);
  }

  TEST_CASE("no images are no verdicts") {
    const Evaluation nothing = Evaluator::open(kTiny).evaluate(Array<std::uint8_t>({0, 8, 8, 3}));
    CHECK(nothing.classes.empty());
    CHECK(nothing.features.shape() == Shape{0, 8});
  }

  TEST_CASE("images of another shape are a usage error") {
    const Evaluator evaluator = Evaluator::open(kTiny);
    for (const Shape& shape : {Shape{1, 8, 8, 1}, Shape{8, 8, 3}, Shape{1, 3, 8, 3}}) {
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)evaluator.evaluate(Array<std::uint8_t>(shape)); }, "images");
    }
  }

  TEST_CASE("a file that is no evaluator is refused with the tensor by name") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "e.safetensors";
    const auto open = [&] { (void)Evaluator::open(path); };
    testing::check_error(ErrorCode::kBadInput, open, "e.safetensors");
    write_safetensors(path, R"({"head.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
    testing::check_error(ErrorCode::kBadInput, open, "e.safetensors", "conv1.weight");
    // One input channel where pictures have three.
    write_safetensors(path,
                      R"({"conv1.weight":{"dtype":"F32","shape":[2,1,3,3],"data_offsets":[0,72]},)"
                      R"("conv1.bias":{"dtype":"F32","shape":[2],"data_offsets":[72,80]},)"
                      R"("fc.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[80,112]},)"
                      R"("fc.bias":{"dtype":"F32","shape":[4],"data_offsets":[112,128]}})",
                      128);
    testing::check_error(ErrorCode::kBadInput, open, "conv1.weight", "[2, 1, 3, 3]");
    write_safetensors(path,
                      R"({"conv1.weight":{"dtype":"F32","shape":[2,3,3,3],"data_offsets":[0,216]},)"
                      R"("conv1.bias":{"dtype":"F32","shape":[2],"data_offsets":[216,224]},)"
                      R"("fc.weight":{"dtype":"F32","shape":[4,5],"data_offsets":[224,304]},)"
                      R"("fc.bias":{"dtype":"F32","shape":[4],"data_offsets":[304,320]}})",
                      320);
    testing::check_error(ErrorCode::kBadInput, open, "fc.weight", "[4, 5]");
  }

  TEST_CASE("reference statistics must have the evaluator's number of features") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "features.h5";
    {
      Hdf5File file = Hdf5File::create(path);
      file.write("/mean", Array<double>({2}, std::vector<double>{1.0, 2.0}));
      file.write("/covariance", Array<double>({2, 2}, std::vector<double>{1.0, 0.5, 0.5, 3.0}));
      file.close();
    }
    const FeatureStatistics statistics = read_feature_statistics(path, 2);
    CHECK(statistics.mean(1) == 2.0);
    CHECK(statistics.covariance(1, 1) == 3.0);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_feature_statistics(path, 3); }, "features.h5", "mean", "[2]",
        "3 features");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_feature_statistics(kTiny, 3); }, "tiny.safetensors");
  }
}
