#include "kernels/attention/observation_scores.h"

#include "collectors/base/error.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/row_kernels.h"

#include <algorithm>

namespace kvscope {
namespace {

// Queries per strip: with 10 521 keys, the largest scale of Infinity, 1.3 MiB.
constexpr std::int64_t kStripQueries = 32;

}  // namespace

std::vector<std::int64_t> observation_queries(std::int64_t n_query, std::int64_t n_observation) {
  require(n_query >= 0 && n_observation >= 0, "observation_queries: negative number of queries");
  const bool takes_all = n_observation == 0 || n_query <= n_observation;
  std::vector<std::int64_t> queries(static_cast<std::size_t>(takes_all ? n_query : n_observation));
  for (std::int64_t m = 0; m < static_cast<std::int64_t>(queries.size()); ++m) {
    // floor((m + 1/2) n / N) without rounding.
    queries[static_cast<std::size_t>(m)] = takes_all ? m : (2 * m + 1) * n_query / (2 * n_observation);
  }
  return queries;
}

void add_observation_scores(const PackedHead& head, const QueryBlock& block, std::span<float> scores) {
  require(static_cast<std::int64_t>(scores.size()) == head.n_key(), "add_observation_scores: one score per key");
  if (head.n_key() == 0) return;
  thread_local AlignedBuffer strip_buffer;
  thread_local AlignedBuffer sum_buffer;
  const RowKernels& kernels = row_kernels();
  const std::int64_t stride = strip_stride(head.n_key());
  float* strip = strip_buffer.reserve(kStripQueries * stride);
  float* sums = sum_buffer.reserve(stride);
  std::ranges::copy(scores, sums);
  std::fill(sums + head.n_key(), sums + stride, 0.0F);
  const std::int64_t count = round_up(head.n_key(), kPanelKeys);
  for (std::int64_t first = 0; first < block.n_query; first += kStripQueries) {
    QueryBlock part = block;
    part.queries = block.queries + first * block.stride;
    part.n_query = std::min(kStripQueries, block.n_query - first);
    softmax_strip(head, part, StripScaling::kNormalised, strip, nullptr);
    for (std::int64_t i = 0; i < part.n_query; ++i) kernels.add(strip + i * stride, count, sums);
  }
  std::copy_n(sums, head.n_key(), scores.begin());
}

}  // namespace kvscope
