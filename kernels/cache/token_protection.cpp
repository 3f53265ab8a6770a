#include "kernels/cache/token_protection.h"

namespace kvscope {
namespace {

constexpr std::uint8_t bit_of(ProtectedSet set) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(set));
}

/// Bit set of the protected sets that hold each candidate.
std::vector<std::uint8_t> memberships(const ProtectSlot& slot, std::span<const std::int32_t> source_step, int step) {
  const auto n = static_cast<std::int64_t>(source_step.size());
  std::vector<std::uint8_t> sets(source_step.size(), 0);
  for (std::int64_t j = 0; j < n; ++j) {
    auto& set = sets[static_cast<std::size_t>(j)];
    const std::int32_t source = source_step[static_cast<std::size_t>(j)];
    if (source < slot.first_steps) set |= bit_of(ProtectedSet::kFirstSteps);
    if (slot.current_step && source == step) set |= bit_of(ProtectedSet::kCurrentStep);
    if (n - j <= slot.recent_tokens) set |= bit_of(ProtectedSet::kRecentTokens);
  }
  return sets;
}

}  // namespace

std::vector<std::uint8_t> protected_tokens(const ProtectSlot& slot, std::span<const std::int32_t> source_step, int step,
                                           std::int64_t budget) {
  std::vector<std::uint8_t> sets = memberships(slot, source_step, step);
  std::int64_t count = 0;
  for (const std::uint8_t set : sets) count += set != 0 ? 1 : 0;
  for (const ProtectedSet yielding : slot.gives_way) {
    for (std::uint8_t& set : sets) {
      if (count <= budget) break;
      if ((set & bit_of(yielding)) == 0) continue;
      set = static_cast<std::uint8_t>(set & ~bit_of(yielding));
      if (set == 0) --count;
    }
  }
  for (std::uint8_t& set : sets) set = set != 0 ? 1 : 0;
  return sets;
}

}  // namespace kvscope
