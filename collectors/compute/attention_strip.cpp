#include "collectors/compute/attention_strip.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/query_products.h"

namespace kvscope {

std::int64_t strip_stride(std::int64_t n_key) {
  constexpr std::int64_t kPageFloats = 1024;
  const std::int64_t stride = round_up(n_key, kPanelKeys);
  return stride % kPageFloats == 0 ? stride + kPanelKeys : stride;
}

void logit_strip(const PackedHead& head, const QueryBlock& block, float* strip) {
  const std::int64_t stride = strip_stride(head.n_key());
  const std::int64_t head_dim = head.head_dim();
  const float* queries = scaled_queries(block, head_dim, block.scale);
  const QueryProducts logits{head, queries, head_dim, block.n_query, 0, head.n_key(), strip, stride};
  const ProductKernels& products = product_kernels();
  for_each_panel(logits, [&](const Product& product) { products.multiply(product); });
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    std::fill(strip + i * stride + head.n_key(), strip + i * stride + round_up(head.n_key(), kPanelKeys),
              -std::numeric_limits<float>::infinity());
  }
}

void softmax_strip(const PackedHead& head, const QueryBlock& block, StripScaling scaling, float* strip,
                   float* row_sums) {
  if (head.n_key() == 0) {
    if (row_sums != nullptr) std::fill_n(row_sums, block.n_query, 0.0F);
    return;
  }
  const RowKernels& rows = row_kernels();
  const std::int64_t stride = strip_stride(head.n_key());
  const std::int64_t count = round_up(head.n_key(), kVectorFloats);
  // Lanes, maxima and sums of the rows.
  thread_local AlignedBuffer buffer;
  float* lanes = buffer.reserve(block.n_query * (kVectorFloats + 2));
  float* maxima = lanes + block.n_query * kVectorFloats;
  float* sums = maxima + block.n_query;
  std::fill_n(sums, block.n_query, 0.0F);
  const Base2Queries queries = base2_queries(block, head.head_dim());
  products_and_maxima({head, queries.queries, queries.stride, block.n_query, 0, head.n_key(), strip, stride}, lanes,
                      maxima);
  rows.exponentials2({strip, stride, block.n_query, count}, queries.factor, maxima, sums);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float* row = strip + i * stride;
    std::fill(row + count, row + round_up(head.n_key(), kPanelKeys), 0.0F);
    if (scaling == StripScaling::kNormalised) rows.scale(row, count, 1.0F / sums[i], row);
  }
  if (row_sums != nullptr) std::copy_n(sums, block.n_query, row_sums);
}

void strip_output(const PackedHead& head, const float* strip, std::int64_t n_query, float* output,
                  std::int64_t output_stride) {
  thread_local AlignedBuffer buffer;
  float* sums = buffer.reserve(n_query * head.padded_head_dim());
  std::fill_n(sums, n_query * head.padded_head_dim(), 0.0F);
  multiply_values(head, strip, strip_stride(head.n_key()), n_query, 0, head.n_key(), true, sums);
  for (std::int64_t i = 0; i < n_query; ++i) {
    std::copy_n(sums + i * head.padded_head_dim(), head.head_dim(), output + i * output_stride);
  }
}

}  // namespace kvscope
