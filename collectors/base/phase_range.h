#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvscope {

/// What a stretch of a generation does. The numbers stand in files: they are kept, new phases come at the end.
enum class Phase : std::uint8_t {
  kPass = 0,         ///< one batch from its labels to its images; what no other phase covers
  kConditions = 1,   ///< what labels determine once for a whole generation
  kStep = 2,         ///< one step (scale); what no other phase covers
  kProjection = 3,   ///< normalisation, queries, keys and values of a layer
  kAttention = 4,    ///< attention over the cache
  kSelection = 5,    ///< which tokens a compressed cache attends to and keeps
  kCacheUpdate = 6,  ///< appending, compacting and merging keys and values
  kFeedForward = 7,  ///< output projection and feed-forward part of a layer
  kHead = 8,         ///< logits, with guidance
  kSampling = 9,     ///< drawing tokens
  kEmbedding = 10,   ///< tokens to code map, and the next step's input from it
  kDecoding = 11,    ///< code map to image
  kWaiting = 12,     ///< a thread that waits for others to finish a parallel loop
};
inline constexpr int kPhases = 13;

/// "feed_forward"; the name in tables, traces and NVTX ranges.
[[nodiscard]] std::string_view phase_name(Phase phase) noexcept;

/// Where in a generation something happens. What is absent does not apply, or is many at once: an attention
/// call serves all samples of a batch.
struct RangeTag {
  Phase phase = Phase::kPass;
  std::optional<std::int32_t> step = std::nullopt;
  std::optional<std::int32_t> layer = std::nullopt;
  std::optional<std::int64_t> sample = std::nullopt;  ///< number of the sample in the whole run
  std::optional<std::int32_t> branch = std::nullopt;  ///< 0 conditional, 1 unconditional

  bool operator==(const RangeTag&) const = default;
};

/// "attention step 3 layer 2": one name for a range wherever it is shown.
[[nodiscard]] std::string range_label(const RangeTag& tag);

/// Hears when ranges begin and end, on the thread that they run on; from several threads at once.
class RangeListener {
 public:
  virtual ~RangeListener() = default;
  virtual void begin_range(const RangeTag& tag) noexcept = 0;
  /// Ends the range of this thread that began last.
  virtual void end_range() noexcept = 0;
};

namespace phase_range_detail {
inline std::atomic<RangeListener*> listener{nullptr};
}

/// From now on `listener` hears of ranges; nullptr: nobody does. Not while a range is open.
inline void set_range_listener(RangeListener* listener) noexcept {
  phase_range_detail::listener.store(listener, std::memory_order_release);
}

/// Says for its life that this thread works on `tag`. Ranges of a thread nest; what a tag leaves open is
/// that of the range around it. parallel_for() hands the caller's range to the threads that help, and marks
/// the caller's own waiting. Costs a load and a branch while nobody listens.
class PhaseRange {
 public:
  explicit PhaseRange(const RangeTag& tag) noexcept : PhaseRange(&tag) {}
  /// With nullptr it does nothing.
  explicit PhaseRange(const RangeTag* tag) noexcept
      : listener_(tag == nullptr ? nullptr : phase_range_detail::listener.load(std::memory_order_acquire)) {
    if (listener_ != nullptr) begin(*tag);
  }
  ~PhaseRange() {
    if (listener_ != nullptr) end();
  }
  PhaseRange(const PhaseRange&) = delete;
  PhaseRange& operator=(const PhaseRange&) = delete;

 private:
  void begin(const RangeTag& tag) noexcept;
  void end() noexcept;

  RangeListener* listener_;
  const RangeTag* outer_ = nullptr;
  RangeTag tag_;
};

/// The innermost range of this thread; nullptr where there is none or nobody listens.
[[nodiscard]] const RangeTag* current_range() noexcept;

}  // namespace kvscope
