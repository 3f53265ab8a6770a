#include "collectors/compute/query_products.h"

#include "collectors/compute/aligned_buffer.h"

namespace kvscope {
namespace {

// Values of so many keys are multiplied with all queries before the next: 128 x 64 channels = 32 KiB.
constexpr std::int64_t kValueKeys = 128;
constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

}  // namespace

const float* scaled_queries(const QueryBlock& block, std::int64_t head_dim, float factor) {
  thread_local AlignedBuffer buffer;
  float* scaled = buffer.reserve(block.n_query * head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    row_kernels().scale(block.queries + i * block.stride, head_dim, factor, scaled + i * head_dim);
  }
  return scaled;
}

Base2Queries base2_queries(const QueryBlock& block, std::int64_t head_dim) {
  if (block.scale > 0.0F) return {block.queries, block.stride, block.scale * kLog2E};
  return {scaled_queries(block, head_dim, block.scale), head_dim, kLog2E};
}

RowBlock rest_of(const QueryProducts& block, std::int64_t rest) {
  return {block.strip + rest, block.stride, block.n_query, round_up(block.n_key - rest, kVectorFloats)};
}

void products_and_maxima(const QueryProducts& block, float* lanes, float* maxima) {
  std::fill_n(lanes, block.n_query * kVectorFloats, kNegativeInfinity);
  std::fill_n(maxima, block.n_query, kNegativeInfinity);
  const ProductKernels& products = product_kernels();
  const std::int64_t rest =
      for_each_panel(block, [&](const Product& product) { products.multiply_maximum(product, lanes); });
  row_kernels().fold_maxima({lanes, kVectorFloats, block.n_query, kVectorFloats}, maxima);
  row_kernels().fold_maxima(rest_of(block, rest), maxima);
}

void multiply_values(const PackedHead& head, const float* strip, std::int64_t stride, std::int64_t n_query,
                     std::int64_t first_key, std::int64_t n_key, bool accumulate, float* output) {
  const ProductKernels& kernels = product_kernels();
  std::int64_t run_begin = 0;
  for (const ValueRun& run : head.value_runs()) {
    const std::int64_t begin = std::max(first_key, run_begin);
    const std::int64_t end = std::min(first_key + n_key, run_begin + run.n_token);
    for (std::int64_t key = begin; key < end; key += kValueKeys) {
      for (std::int64_t channel = 0; channel < head.padded_head_dim(); channel += kPanelKeys) {
        kernels.multiply({.rows = n_query,
                          .columns = std::min(kPanelKeys, head.padded_head_dim() - channel),
                          .depth = std::min(kValueKeys, end - key),
                          .a = strip + key - first_key,
                          .a_stride = stride,
                          .b = run.values + (key - run_begin) * run.stride + channel,
                          .b_stride = run.stride,
                          .c = output + channel,
                          .c_stride = head.padded_head_dim(),
                          .accumulate = accumulate || key > first_key});
      }
    }
    run_begin += run.n_token;
  }
}

}  // namespace kvscope
