#pragma once

#include "kernels/cuda/call_site.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace kvscope::gpu::interpreter {

/// The latest access to a few bytes in 64 bits: time, thread, kind, and the source line, so that two marks are equal
/// when the accesses are the same.
struct AccessMark {
  enum Flag : std::uint64_t {
    kPlain = 0,
    kPendingCopy = 1,  ///< target of a copy that was not waited for
    kAtomic = 2,
    kSeveral = 4,    ///< several threads did this, unordered among themselves
    kManyWarps = 8,  ///< thread and site are an index of an entry with a mark for each warp
  };
  static constexpr int kSiteBits = 22;
  static constexpr int kFlagBits = 4;
  static constexpr int kThreadBits = 10;
  static constexpr std::uint64_t kTimeLimit = 1ULL << (64 - kSiteBits - kFlagBits - kThreadBits);

  std::uint64_t bits = 0;

  [[nodiscard]] static AccessMark of(std::uint64_t time, int thread, std::uint64_t flags, std::uint64_t site) {
    return {time << (kSiteBits + kFlagBits + kThreadBits) |
            static_cast<std::uint64_t>(thread) << (kSiteBits + kFlagBits) | flags << kSiteBits | site};
  }
  [[nodiscard]] AccessMark with(Flag flag) const { return {bits | static_cast<std::uint64_t>(flag) << kSiteBits}; }
  [[nodiscard]] std::uint64_t time() const { return bits >> (kSiteBits + kFlagBits + kThreadBits); }
  [[nodiscard]] int thread() const {
    return static_cast<int>(bits >> (kSiteBits + kFlagBits)) & ((1 << kThreadBits) - 1);
  }
  [[nodiscard]] bool is(Flag flag) const { return (bits >> kSiteBits & flag) != 0; }
  [[nodiscard]] std::uint64_t site() const { return bits & ((1ULL << kSiteBits) - 1); }
  /// No larger than the bits of every mark of this time or later.
  [[nodiscard]] static std::uint64_t first_bits(std::uint64_t time) {
    return time << (kSiteBits + kFlagBits + kThreadBits);
  }
  bool operator==(const AccessMark&) const = default;
};

/// Source lines as numbers of AccessMark::kSiteBits bits.
class SiteNumbers {
 public:
  [[nodiscard]] std::uint64_t number(const CallSite& site) {
    if (site.file != last_file_) look_up(site.file);
    return last_number_ | (static_cast<std::uint64_t>(site.line) & kLineMask);
  }
  [[nodiscard]] CallSite site(std::uint64_t number) const;

 private:
  static constexpr int kLineBits = 16;
  static constexpr std::uint64_t kLineMask = (1ULL << kLineBits) - 1;
  static constexpr std::size_t kMaxFiles = 1U << (AccessMark::kSiteBits - kLineBits);

  void look_up(const char* file);

  std::vector<const char*> files_;
  const char* last_file_ = nullptr;
  std::uint64_t last_number_ = 0;
};

}  // namespace kvscope::gpu::interpreter
