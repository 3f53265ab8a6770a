#include "kernels/attention/merge.h"

#include "collectors/base/error.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/packed_head.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::int64_t kStripQueries = 32;

void check_kept(std::span<const std::int32_t> kept, std::int64_t n_token) {
  require(!kept.empty() && kept.front() >= 0 && kept.back() < n_token,
          "merge_tokens: kept tokens must be some of the tokens");
  require(std::ranges::adjacent_find(kept, std::ranges::greater_equal{}) == kept.end(),
          "merge_tokens: kept tokens must ascend");
}

/// Tokens [0, n_token) that are not in `kept`.
std::vector<std::int32_t> losers_of(std::span<const std::int32_t> kept, std::int64_t n_token) {
  std::vector<std::int32_t> losers;
  losers.reserve(static_cast<std::size_t>(n_token) - kept.size());
  std::size_t next = 0;
  for (std::int32_t token = 0; token < n_token; ++token) {
    if (next < kept.size() && kept[next] == token) {
      ++next;
    } else {
      losers.push_back(token);
    }
  }
  return losers;
}

/// The named rows, each divided by its length; rows of length 0 stay 0. [tokens, head_dim]
std::vector<float> directions(std::span<const float> keys, std::int64_t head_dim,
                              std::span<const std::int32_t> tokens) {
  const auto width = static_cast<std::size_t>(head_dim);
  std::vector<float> result(tokens.size() * width);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto key = keys.subspan(static_cast<std::size_t>(tokens[i]) * width, width);
    double square = 0.0;
    for (const float x : key) square += double{x} * double{x};
    const double inverse = square > 0.0 ? 1.0 / std::sqrt(square) : 0.0;
    float* direction = result.data() + i * width;
    for (std::size_t d = 0; d < width; ++d) direction[d] = static_cast<float>(double{key[d]} * inverse);
  }
  return result;
}

/// In memory of this thread that the next call uses again.
const PackedHead& packed_keys(const std::vector<float>& keys, std::int64_t head_dim) {
  const KeyValueSegment segment{
      .keys = keys.data(), .key_stride = head_dim, .n_token = static_cast<std::int64_t>(keys.size()) / head_dim};
  thread_local PackedHead head;
  head.pack({&segment, 1}, head_dim, PackedParts::kKeys);
  return head;
}

}  // namespace

std::vector<std::int32_t> nearest_kept_tokens(std::span<const float> keys, std::int64_t head_dim,
                                              std::span<const std::int32_t> kept) {
  require(head_dim >= 1, "merge_tokens: head_dim must be at least 1");
  const std::int64_t n_token = static_cast<std::int64_t>(keys.size()) / head_dim;
  check_kept(kept, n_token);
  const std::vector<std::int32_t> losers = losers_of(kept, n_token);
  const PackedHead& targets = packed_keys(directions(keys, head_dim, kept), head_dim);
  const std::vector<float> queries = directions(keys, head_dim, losers);
  const std::int64_t stride = strip_stride(targets.n_key());
  thread_local AlignedBuffer buffer;
  float* similarity = buffer.reserve(kStripQueries * stride);
  std::vector<std::int32_t> nearest;
  nearest.reserve(losers.size());
  const auto n_loser = static_cast<std::int64_t>(losers.size());
  for (std::int64_t first = 0; first < n_loser; first += kStripQueries) {
    const std::int64_t count = std::min(kStripQueries, n_loser - first);
    logit_strip(targets, {.queries = queries.data() + first * head_dim, .stride = head_dim, .n_query = count},
                similarity);
    for (std::int64_t i = 0; i < count; ++i) {
      const float* row = similarity + i * stride;
      nearest.push_back(static_cast<std::int32_t>(std::max_element(row, row + targets.n_key()) - row));
    }
  }
  return nearest;
}

MergedTokens merge_tokens(std::span<const float> keys, std::span<const float> values, std::int64_t head_dim,
                          std::span<const std::int32_t> kept) {
  require(keys.size() == values.size(), "merge_tokens: keys and values differ in shape");
  const std::vector<std::int32_t> nearest = nearest_kept_tokens(keys, head_dim, kept);
  const auto width = static_cast<std::size_t>(head_dim);
  const std::vector<std::int32_t> losers = losers_of(kept, static_cast<std::int64_t>(keys.size() / width));
  std::vector<std::int64_t> members(kept.size(), 1);
  for (const std::int32_t place : nearest) ++members[static_cast<std::size_t>(place)];

  const auto averaged = [&](std::span<const float> rows) {
    std::vector<double> sums(kept.size() * width);
    const auto add = [&](std::size_t place, std::int32_t token) {
      double* sum = sums.data() + place * width;
      const float* row = rows.data() + static_cast<std::size_t>(token) * width;
      for (std::size_t d = 0; d < width; ++d) sum[d] += double{row[d]};
    };
    for (std::size_t place = 0; place < kept.size(); ++place) add(place, kept[place]);
    for (std::size_t i = 0; i < losers.size(); ++i) add(static_cast<std::size_t>(nearest[i]), losers[i]);
    std::vector<float> means(sums.size());
    for (std::size_t place = 0; place < kept.size(); ++place) {
      const auto count = static_cast<double>(members[place]);
      for (std::size_t i = place * width; i < (place + 1) * width; ++i) means[i] = static_cast<float>(sums[i] / count);
    }
    return means;
  };
  return {.keys = averaged(keys), .values = averaged(values)};
}

}  // namespace kvscope
