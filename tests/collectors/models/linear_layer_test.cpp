#include "collectors/models/linear_layer.h"

#include "support/aten.h"

#include <ATen/CPUGeneratorImpl.h>

using namespace kvscope;

namespace {

at::Tensor random_values(at::IntArrayRef shape, std::uint64_t seed, at::ScalarType type) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(type);
}

/// |a - b| in units of the gap between bfloat16 numbers near b.
double largest_gap(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = b.to(at::kDouble);
  // 8 significant bits; sums of 300 numbers of size 1 that cancel are held against their size.
  const at::Tensor gap = exact.abs().clamp_min(1.0) / 128;
  return ((a.to(at::kDouble) - exact).abs() / gap).max().item<double>();
}

}  // namespace

TEST_SUITE("collectors.models.linear_layer") {
  TEST_CASE("widened products are those of double precision to half a bfloat16 gap") {
    for (const std::int64_t out : {1, 255, 256, 257, 700}) {
      CAPTURE(out);
      const at::Tensor x = random_values({2, 5, 300}, 1, at::kBFloat16);
      const at::Tensor weight = random_values({out, 300}, 2, at::kBFloat16);
      const at::Tensor bias = random_values({out}, 3, at::kBFloat16);
      const at::Tensor found = widened_product(x, weight, bias);
      CHECK((found.scalar_type() == at::kBFloat16));
      CHECK((found.sizes() == at::IntArrayRef{2, 5, out}));
      const at::Tensor exact = at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
      CHECK(largest_gap(found, exact) < 0.51);
      CHECK(largest_gap(widened_product(x, weight), exact - bias.to(at::kDouble)) < 0.51);
      CHECK(largest_gap(linear_product(x, weight, bias), exact) < 1.01);
    }
  }

  TEST_CASE("sums of small whole numbers are exact") {
    const at::Tensor x = at::full({3, 64}, 2, at::kBFloat16);
    const at::Tensor weight = at::full({600, 64}, -1, at::kBFloat16);
    const at::Tensor bias = at::full({600}, 64, at::kBFloat16);
    CHECK(widened_product(x, weight, bias).eq(-64).all().item<bool>());
  }

  TEST_CASE("derivatives go through the widened product") {
    const at::Tensor x = random_values({4, 300}, 6, at::kBFloat16).set_requires_grad(true);
    const at::Tensor weight = random_values({300, 300}, 7, at::kBFloat16);
    widened_product(x, weight).sum().backward();
    const at::Tensor expected = weight.to(at::kDouble).sum(0).expand({4, 300});
    CHECK(largest_gap(x.grad(), expected) < 1.5);
  }

  TEST_CASE("other types are multiplied in their own") {
    const at::Tensor x = random_values({4, 30}, 8, at::kFloat);
    const at::Tensor weight = random_values({30, 30}, 9, at::kFloat);
    CHECK(at::equal(linear_product(x, weight), at::linear(x, weight)));
    CHECK((linear_product(x.to(at::kDouble), weight.to(at::kDouble)).scalar_type() == at::kDouble));
  }
}
