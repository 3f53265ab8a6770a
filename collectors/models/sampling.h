#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Which entries of a vocabulary may be drawn.
struct SamplingSettings {
  int top_k = 900;      ///< keep the k largest logits and what ties with the k-th; 0: all
  double top_p = 0.95;  ///< then keep the most probable entries that together exceed p; 0 or 1: all
};

/// Where a draw belongs. Equal keys get equal noise, whatever the batch, the device or the threads, so a
/// full and a compressed run of the same samples share their noise (common random numbers).
struct NoiseKey {
  std::uint64_t seed = 0;
  std::int64_t sample = 0;  ///< number of the sample in the whole run
  std::int64_t step = 0;
  std::int64_t token = 0;  ///< position within the step; of bit j of a token of d bits position * d + j
};

/// Standard Gumbel noise -log(-log u) of one vocabulary entry. u is uniform on (0, 1) with 52 bits from
/// Philox-4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with key
/// (seed, 0) and counter (entry / 4, token, step, sample). Finite for every key.
[[nodiscard]] double gumbel_noise(const NoiseKey& key, std::int64_t entry);

/// Draws tokens from logits: argmax over the surviving entries of logit + Gumbel noise, which is a draw
/// from their softmax (Gumbel 1954; Maddison et al. 2014, arXiv 1411.0030). Equal sums: lower entry.
///
/// Holds scratch memory; use one object per thread.
class TokenSampler {
 public:
  /// @throws Error  kUsage if top_k < 0 or top_p is outside [0, 1].
  explicit TokenSampler(const SamplingSettings& settings);

  /// @param logits  [vocabulary], finite
  /// @throws Error  kBadInput if a logit is not finite: the weights are broken or overflow.
  [[nodiscard]] std::int64_t draw(std::span<const float> logits, const NoiseKey& key);

  /// The entries that may be drawn, ascending, as the published code masks them: (1) remove logits
  /// strictly below the k-th largest; (2) sort the rest by logit ascending (ties: by entry), take the
  /// cumulative sum of their softmax and remove where it is <= 1 - p; the last one always stays.
  /// Valid until the next call.
  [[nodiscard]] std::span<const std::int32_t> survivors(std::span<const float> logits);

 private:
  void keep_top_k(std::span<const float> logits);
  void keep_top_p(std::span<const float> logits);

  SamplingSettings settings_;
  std::vector<std::int32_t> kept_;
  std::vector<float> scratch_;
};

}  // namespace kvscope
