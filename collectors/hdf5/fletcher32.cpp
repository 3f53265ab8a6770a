#include "collectors/hdf5/fletcher32.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace kvscope {
namespace {

static_assert(std::endian::native == std::endian::little, "words are taken apart as little-endian ones");

constexpr std::uint64_t kModulus = 65535;
constexpr std::size_t kLanes = 16;  // pairs of words side by side, for the compiler to vectorise
constexpr std::size_t kStepBytes = kLanes * sizeof(std::uint32_t);
/// Steps after which a lane's second sum is below 2^32: 131070 n (n + 1) / 2.
constexpr std::size_t kSteps = 255;

/// Of little-endian words: `first` is the sum of the words, `second` that of the first sums after every word,
/// modulo 65535.
struct Sums {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

/// Sums of whole steps. With E pairs (lo, hi) of words, pair e has the weights 2 (E - e) and 2 (E - e) - 1;
/// lane l of step v of M is pair e = v * kLanes + l, so E - e = kLanes (M - v) - l.
Sums sums_of_steps(const std::byte* bytes, std::size_t steps) {
  std::array<std::uint32_t, kLanes> first{};   // sum over v of lo + hi
  std::array<std::uint32_t, kLanes> second{};  // sum over v of (M - v) (lo + hi)
  std::array<std::uint32_t, kLanes> upper{};   // sum over v of hi
  for (std::size_t v = 0; v < steps; ++v) {
    std::array<std::uint32_t, kLanes> pairs;
    std::memcpy(pairs.data(), bytes + v * kStepBytes, kStepBytes);
    for (std::size_t l = 0; l < kLanes; ++l) {
      const std::uint32_t high = pairs[l] >> 16U;
      first[l] += (pairs[l] & 0xFFFFU) + high;
      second[l] += first[l];
      upper[l] += high;
    }
  }
  std::uint64_t sum = 0;
  std::uint64_t weighted = 0;
  std::uint64_t high = 0;
  for (std::size_t l = 0; l < kLanes; ++l) {
    sum += first[l];
    weighted += kLanes * std::uint64_t{second[l]} - l * std::uint64_t{first[l]};
    high += upper[l];
  }
  return {sum, (2 * weighted - high) % kModulus};
}

/// The value HDF5 has in place of x modulo 65535: its sums are folded, so they become 0 only for zeros.
std::uint32_t folded(std::uint64_t x, bool all_zero) {
  const std::uint64_t value = x % kModulus;
  return static_cast<std::uint32_t>(value == 0 && !all_zero ? kModulus : value);
}

}  // namespace

std::uint32_t fletcher32(std::span<const std::byte> bytes) noexcept {
  Sums total;
  bool all_zero = true;
  const auto append = [&](const Sums& part, std::uint64_t words) {
    all_zero = all_zero && part.first == 0;
    total.second = (total.second + total.first * (words % kModulus) + part.second) % kModulus;
    total.first = (total.first + part.first) % kModulus;
  };
  while (bytes.size() >= kStepBytes) {
    const std::size_t steps = std::min(bytes.size() / kStepBytes, kSteps);
    const Sums part = sums_of_steps(bytes.data(), steps);
    append(part, steps * kStepBytes / 2);
    bytes = bytes.subspan(steps * kStepBytes);
  }
  for (; !bytes.empty(); bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), 2))) {
    const auto low = std::to_integer<std::uint64_t>(bytes[0]);
    const std::uint64_t word = bytes.size() > 1 ? low | std::to_integer<std::uint64_t>(bytes[1]) << 8U : low;
    append({word, word}, 1);
  }
  // A word with its bytes swapped is 256 times the word, modulo 65535.
  return folded(256 * total.second, all_zero) << 16U | folded(256 * total.first, all_zero);
}

}  // namespace kvscope
