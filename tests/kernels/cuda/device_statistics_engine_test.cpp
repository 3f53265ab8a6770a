#include "support/aten.h"
// aten.h comes first.
#include "collectors/capture/capture.h"
#include "collectors/capture/capture_check.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/collect.h"
#include "collectors/models/engine_factory.h"
#include "kernels/cuda/statistics/device_statistics_engine.h"
#include "kernels/cuda/statistics/statistics_launch.h"
#include "kernels/interpreter/interpreted_launch.h"
#include "support/errors.h"
#include "support/noise_engine.h"
#include "support/paths.h"
#include "support/random_var.h"

#include <algorithm>
#include <cmath>

using namespace kvscope;

namespace {

/// The kernels on the CPU, on tensors of LibTorch.
void interpret_statistics(const gpu::DeviceStatistics& problem, gpu::DeviceStream) {
  gpu::check_statistics(problem);
  gpu::DeviceMemory memory;
  memory.allow_unregistered();
  const gpu::InterpretedLaunch launch(memory);
  switch (problem.type) {
    case ElementType::kFloat32:
      return gpu::launch_statistics<float>(problem, launch);
    case ElementType::kFloat16:
      return gpu::launch_statistics<gpu::Float16>(problem, launch);
    default:
      return gpu::launch_statistics<gpu::BFloat16>(problem, launch);
  }
}

std::shared_ptr<StatisticsEngine> interpreted_engine(std::int64_t workspace_bytes = 1 << 20) {
  return std::make_shared<DeviceStatisticsEngine>("interpreted", interpret_statistics, workspace_bytes);
}

/// Largest difference of a quantity at a step, relative to its largest value.
double difference(const Capture& a, const Capture& b, const CaptureQuantity& quantity, int step) {
  const auto x = a.read(quantity, step);
  const auto y = b.read(quantity, step);
  REQUIRE(x.shape() == y.shape());
  double largest = 0;
  double scale = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(x.data()[i]) - static_cast<double>(y.data()[i])));
    scale = std::max(scale, std::abs(static_cast<double>(y.data()[i])));
  }
  return scale > 0 ? largest / scale : largest;
}

/// Every quantity of both captures agrees.
/// @param fidelity  no larger one is found
void check_captures(const Capture& found, const Capture& expected, double tolerance, double fidelity) {
  CHECK(std::ranges::equal(found.tokens().values(), expected.tokens().values()));
  int compared = 0;
  const auto compare = [&](const CaptureQuantity& quantity) {
    CAPTURE(quantity.name);
    for (int step = 0; step < expected.steps().size(); ++step) {
      CAPTURE(step);
      if (quantity.name == statistic::kFidelity.name) {
        const auto errors = found.read(quantity, step);
        for (const float error : errors.values()) CHECK(error < fidelity);
        continue;
      }
      ++compared;
      if (quantity.name == statistic::kColumnVariance.name) {
        // A difference of square sums, to which errors are relative.
        const auto x = found.read(quantity, step);
        const auto y = expected.read(quantity, step);
        const auto squares = expected.read(statistic::kSquareSum, step);
        for (std::int64_t i = 0; i < x.size(); ++i)
          CHECK(std::abs(x.data()[i] - y.data()[i]) <= tolerance * squares.data()[i]);
      } else {
        CHECK(difference(found, expected, quantity, step) < tolerance);
      }
    }
  };
  for (const CaptureQuantity& quantity : statistic_quantities()) compare(quantity);
  for (const CaptureQuantity& quantity : mean_quantities()) compare(quantity);
  CHECK(compared > 0);
}

CollectRequest request_for(const std::filesystem::path& output, std::vector<std::int64_t> labels) {
  CollectRequest request;
  request.output = output;
  request.labels = std::move(labels);
  request.seed = 3;
  request.batch = 2;
  request.keep_column_mean = true;
  return request;
}

}  // namespace

TEST_SUITE("kernels.cuda.device_statistics_engine") {
  TEST_CASE("a capture of a VAR model has the same statistics by interpreted kernels as by the CPU") {
    const testing::TemporaryFolder folder;
    const testing::VarFiles files = testing::write_random_var(
        folder.path(),
        {.depth = 2, .heads = 2, .head_dim = 32, .sides = {1, 2, 3, 5}, .vocabulary = 32, .classes = 10});
    const auto engine = load_engine({.transformer = files.transformer, .tokenizer = files.tokenizer});
    CollectRequest request = request_for(folder / "expected.h5", {1, 7, 4});
    request.maps = "layers=1,heads=0,steps=3";
    (void)collect(*engine, request);
    request.output = folder / "found.h5";
    request.statistics = interpreted_engine();
    (void)collect(*engine, request);
    const Capture expected = Capture::open(folder / "expected.h5");
    const Capture found = Capture::open(folder / "found.h5");
    check_captures(found, expected, 2e-5, 1e-5);
    CHECK(check_capture(folder / "found.h5").empty());
    const auto map = expected.read_map(1, 0, 3, 2, 1);
    const auto same = found.read_map(1, 0, 3, 2, 1);
    CHECK(std::ranges::equal(same.values(), map.values()));
  }

  TEST_CASE("heads that share keys and have sizes of their own are filled up") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();  // heads of 16 channels
    CollectRequest request = request_for(folder / "expected.h5", {3, 1, 4, 1, 5});
    (void)collect(engine, request);
    request.output = folder / "found.h5";
    request.statistics = interpreted_engine(1);  // one head at a time
    (void)collect(engine, request);
    check_captures(Capture::open(folder / "found.h5"), Capture::open(folder / "expected.h5"), 2e-5, 1e-5);
  }

  TEST_CASE("a run that another engine began is not gone on with") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    CollectRequest request = request_for(folder / "c.h5", {3, 1, 4});
    int batches = 1;
    request.stop = [&] { return batches-- == 0; };
    testing::check_error(
        ErrorCode::kInterrupted, [&] { (void)collect(engine, request); }, "2 of 3");
    request.earlier_run = EarlierRun::kResume;
    request.statistics = interpreted_engine();
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)collect(engine, request); }, "statistics");
  }

  TEST_CASE("the CPU needs no engine of a device") {
    CHECK(statistics_engine_for({}) == nullptr);
  }
}
