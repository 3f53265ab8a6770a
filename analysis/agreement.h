#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kvscope {

/// How two yes/no verdicts on the same things agree, as counts.
struct Agreement {
  std::int64_t both = 0;         ///< first yes, second yes
  std::int64_t only_first = 0;   ///< first yes, second no
  std::int64_t only_second = 0;  ///< first no, second yes
  std::int64_t neither = 0;      ///< first no, second no

  [[nodiscard]] std::int64_t total() const noexcept { return both + only_first + only_second + neither; }
  [[nodiscard]] std::int64_t differing() const noexcept { return only_first + only_second; }
  bool operator==(const Agreement&) const = default;
};

/// Counts over two sets given as one flag (0 or not) for each element. Requires equal lengths.
[[nodiscard]] Agreement agreement(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second);

/// |A and B| / |A or B| (Jaccard 1901), in [0, 1]; 1 for two empty sets, which are equal.
[[nodiscard]] double jaccard(const Agreement& counts);

/// Cohen's kappa (Cohen 1960): (p_o - p_e) / (1 - p_e), with p_o the share of equal verdicts and p_e its
/// expectation if both sides kept their shares of yes but were independent. In [-1, 1]; 0 is chance.
/// Empty where both sides give one and the same verdict throughout (p_e = 1), or there is nothing to judge.
[[nodiscard]] std::optional<double> cohen_kappa(const Agreement& counts);

/// Flags of the `count` smallest values; ties go to the lower index. Requires finite values, 0 <= count <= n.
[[nodiscard]] std::vector<std::uint8_t> smallest(std::span<const double> values, std::int64_t count);

}  // namespace kvscope
