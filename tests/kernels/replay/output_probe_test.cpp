#include "kernels/replay/output_probe.h"

#include "support/errors.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <doctest/doctest.h>

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
    OutputComparison comparison(shifted, recorder, 2, 1);
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
}
