#include "collectors/models/sampling.h"

#include "collectors/base/error.h"

#include <Random123/philox.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace kvscope {
namespace {

// One Philox call yields four words: four neighbouring entries of the vocabulary.
constexpr std::int64_t kWordsPerCall = 4;

void check_finite(std::span<const float> logits) {
  for (std::size_t entry = 0; entry < logits.size(); ++entry) {
    if (!std::isfinite(logits[entry]))
      throw bad_input("sampling: the logit of entry {} is {}, not a number to draw from", entry, logits[entry]);
  }
}

}  // namespace

double gumbel_noise(const NoiseKey& key, std::int64_t entry) {
  r123::Philox4x64 philox;
  const r123::Philox4x64::ctr_type counter = {
      {static_cast<std::uint64_t>(entry / kWordsPerCall), static_cast<std::uint64_t>(key.token),
       static_cast<std::uint64_t>(key.step), static_cast<std::uint64_t>(key.sample)}};
  const r123::Philox4x64::key_type seed = {{key.seed, 0}};
  const std::uint64_t word = philox(counter, seed)[static_cast<std::size_t>(entry % kWordsPerCall)];
  // 52 bits and a half: exact in double and never 0 or 1, so that both logarithms are finite.
  const double uniform = (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
  return -std::log(-std::log(uniform));
}

TokenSampler::TokenSampler(const SamplingSettings& settings) : settings_(settings) {
  if (settings.top_k < 0) throw usage_error("top-k is {}, expected 0 (all) or more", settings.top_k);
  if (!(settings.top_p >= 0.0 && settings.top_p <= 1.0))
    throw usage_error("top-p is {}, expected 0 to 1", settings.top_p);
}

std::int64_t TokenSampler::draw(std::span<const float> logits, const NoiseKey& key) {
  check_finite(logits);
  const auto entries = survivors(logits);
  if (entries.size() == 1) return entries.front();
  std::int64_t best = 0;
  double best_sum = -HUGE_VAL;
  for (const std::int32_t entry : entries) {
    const double sum = static_cast<double>(logits[static_cast<std::size_t>(entry)]) + gumbel_noise(key, entry);
    if (sum > best_sum) {
      best_sum = sum;
      best = entry;
    }
  }
  return best;
}

std::span<const std::int32_t> TokenSampler::survivors(std::span<const float> logits) {
  keep_top_k(logits);
  if (settings_.top_p > 0.0 && settings_.top_p < 1.0) keep_top_p(logits);
  return kept_;
}

void TokenSampler::keep_top_k(std::span<const float> logits) {
  const auto count = static_cast<std::size_t>(settings_.top_k);
  if (count == 0 || count >= logits.size()) {
    kept_.resize(logits.size());
    std::iota(kept_.begin(), kept_.end(), 0);
    return;
  }
  scratch_.assign(logits.begin(), logits.end());
  const auto kth = scratch_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(scratch_.begin(), kth, scratch_.end(), std::greater<>());
  const float threshold = *kth;
  kept_.clear();
  for (std::size_t entry = 0; entry < logits.size(); ++entry) {
    if (logits[entry] >= threshold) kept_.push_back(static_cast<std::int32_t>(entry));
  }
}

void TokenSampler::keep_top_p(std::span<const float> logits) {
  const auto logit = [&](std::int32_t entry) { return logits[static_cast<std::size_t>(entry)]; };
  std::stable_sort(kept_.begin(), kept_.end(), [&](std::int32_t a, std::int32_t b) { return logit(a) < logit(b); });
  const double largest = logit(kept_.back());
  const auto weight = [&](std::int32_t entry) { return std::exp(static_cast<double>(logit(entry)) - largest); };
  double total = 0.0;
  for (const std::int32_t entry : kept_) total += weight(entry);
  const double removed_mass = (1.0 - settings_.top_p) * total;
  std::size_t first = 0;
  for (double sum = 0.0; first + 1 < kept_.size(); ++first) {
    sum += weight(kept_[first]);
    if (sum > removed_mass) break;
  }
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(first));
  std::sort(kept_.begin(), kept_.end());
}

}  // namespace kvscope
