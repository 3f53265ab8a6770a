#include "kernels/replay/output_probe.h"

#include "support/aten.h"
#include "support/errors.h"

#include <limits>

using namespace kvscope;

namespace {

/// Answers every attend() with q plus a constant.
class ShiftedCache : public KvCache {
 public:
  explicit ShiftedCache(double shift) : shift_(shift) {}
  void begin(std::int64_t rows) override { rows_ = rows; }
  at::Tensor attend(const AttentionSite&, const Step&, const at::Tensor& q, const at::Tensor&,
                    const at::Tensor&) override {
    return q.add(shift_);
  }
  [[nodiscard]] std::int64_t held_bytes() const override { return 10 * rows_; }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return 20 * rows_; }

 private:
  double shift_;
  std::int64_t rows_ = 0;
};

at::Tensor ones(at::IntArrayRef shape) {
  return at::full(shape, 1.0, at::TensorOptions(at::kFloat));
}

}  // namespace

TEST_SUITE("kernels.replay.output_probe") {
  TEST_CASE("the error is relative to the reference and taken over both branches of a sample") {
    // Two samples, two branches: rows 0 and 2 are sample 0, rows 1 and 3 are sample 1.
    const at::Tensor reference = ones({4, 3, 5, 2});
    at::Tensor output = reference.clone();
    output[0][1] += 0.5;  // conditional row of sample 0, head 1
    output[3][2] -= 1.0;  // unconditional row of sample 1, head 2
    const Array<double> errors = output_errors(output, reference, 2);
    const Array<double> by_library = library_output_errors(output, reference, 2);
    for (std::size_t i = 0; i < errors.values().size(); ++i) {
      CHECK(by_library.values()[i] == doctest::Approx(errors.values()[i]).epsilon(1e-12));
    }
    REQUIRE(errors.shape() == Shape{3, 2});
    // |difference|^2 = 10 * 0.25 of |reference|^2 = 20.
    CHECK(errors(1, 0) == doctest::Approx(std::sqrt(2.5 / 20)));
    CHECK(errors(2, 1) == doctest::Approx(std::sqrt(10.0 / 20)));
    CHECK(errors(0, 0) == 0.0);
    CHECK(errors(1, 1) == 0.0);
    CHECK(errors(2, 0) == 0.0);
  }

  TEST_CASE("a vanishing reference makes any difference infinite") {
    const at::Tensor zero = at::zeros({1, 1, 2, 2}, at::TensorOptions(at::kFloat));
    CHECK(output_errors(zero, zero, 1)(0, 0) == 0.0);
    CHECK(output_errors(ones({1, 1, 2, 2}), zero, 1)(0, 0) == std::numeric_limits<double>::infinity());
  }

  TEST_CASE("half precision and strided outputs are compared by value") {
    const at::Tensor reference = ones({2, 4, 3, 2}).to(at::kBFloat16);
    const at::Tensor strided = ones({2, 3, 4, 2}).to(at::kBFloat16).transpose(1, 2);
    CHECK(output_errors(strided.mul(2), reference, 1)(3, 0) == doctest::Approx(1.0));
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)output_errors(ones({2, 3, 4, 2}), reference, 1);
        },
        "shape");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)output_errors(reference, reference, 3); }, "samples");
  }

  TEST_CASE("probes change nothing and compare layer by layer") {
    ShiftedCache exact(0.0);
    ShiftedCache shifted(0.25);
    OutputRecorder recorder(exact, 2);
    OutputComparison comparison(shifted, recorder, 2, 2);
    recorder.begin(2);
    comparison.begin(2);
    CHECK(comparison.held_bytes() == 20);
    CHECK(comparison.allocated_bytes() == 40);
    const at::Tensor q = ones({2, 3, 4, 2});
    for (int layer = 0; layer < 2; ++layer) {
      (void)recorder.attend({.layer = layer}, {}, q.mul(layer + 1), q, q);
      const at::Tensor output = comparison.attend({.layer = layer}, {}, q.mul(layer + 1), q, q);
      CHECK(output.equal(q.mul(layer + 1).add(0.25)));
    }
    CHECK(recorder.output(1).equal(q.mul(2)));
    CHECK(comparison.errors(0)(2, 0) == doctest::Approx(0.25));
    CHECK(comparison.errors(1)(2, 0) == doctest::Approx(0.125));
    CHECK(comparison.comparison_seconds() > 0.0);
  }

  TEST_CASE("copied outputs stay where they are from step to step and batch to batch") {
    const StepTable table = StepTable::square(std::vector<int>{1, 2});
    ShiftedCache cache(0.5);
    OutputRecorder recorder(cache, 1, OutputKeeping::kCopied);
    CHECK(recorder.capturable_memory() == nullptr);  // as the cache's
    const void* place = nullptr;
    for (int batch = 0; batch < 2; ++batch) {
      recorder.begin(2);
      for (int step = 0; step < 2; ++step) {
        const at::Tensor q = ones({2, 3, table.n_query(step), 2}).mul(10 * batch + step);
        const at::Tensor output = recorder.attend({.layer = 0}, {.index = step, .table = &table}, q, q, q);
        CHECK(recorder.output(0).equal(output));
        CHECK(recorder.output(0).data_ptr() != output.data_ptr());
        if (place == nullptr) place = recorder.output(0).data_ptr();
        CHECK(recorder.output(0).data_ptr() == place);
      }
    }
    // A replay of step 0 writes to the same place, and its shape is that of step 0.
    recorder.replay_on_host({.index = 0, .table = &table});
    CHECK((recorder.output(0).sizes() == at::IntArrayRef{2, 3, 1, 2}));
    CHECK(recorder.output(0).data_ptr() == place);
  }

  TEST_CASE("the identity of copies changes with their memory and with the cache's") {
    const StepTable table = StepTable::square(std::vector<int>{1, 2});
    const at::Tensor output = ones({2, 1, 1, 2});
    const auto one = std::make_shared<char>();
    const auto other = std::make_shared<char>();
    KeptOutputs kept(OutputKeeping::kCopied, 1);
    kept.begin(2);
    CHECK(kept.memory_with(nullptr) == nullptr);
    const auto before = kept.memory_with(one);
    kept.keep(0, {.index = 0, .table = &table}, output);  // makes the memory
    const auto first = kept.memory_with(one);
    CHECK(first != before);
    kept.keep(0, {.index = 0, .table = &table}, output);
    kept.begin(2);
    CHECK(kept.memory_with(one) == first);
    const auto second = kept.memory_with(other);
    CHECK(second != first);
    CHECK(kept.memory_with(other) == second);
    kept.begin(4);
    CHECK(kept.memory_with(other) != second);
    CHECK(KeptOutputs(OutputKeeping::kAsReturned, 1).memory_with(one) == nullptr);
  }
}
