#include "collectors/base/phase_range.h"

#include <fmt/format.h>

#include <array>

namespace kvscope {
namespace {

constexpr std::array<std::string_view, kPhases> kNames = {
    "pass",         "conditions", "step",     "projection", "attention", "selection", "cache_update",
    "feed_forward", "head",       "sampling", "embedding",  "decoding",  "waiting"};

thread_local const RangeTag* innermost = nullptr;

template <typename T>
void fill(std::optional<T>& part, const std::optional<T>& otherwise) noexcept {
  if (!part) part = otherwise;
}

}  // namespace

std::string_view phase_name(Phase phase) noexcept {
  return kNames[static_cast<std::size_t>(phase)];
}

std::string range_label(const RangeTag& tag) {
  std::string label(phase_name(tag.phase));
  const auto add = [&](const char* what, const auto& part) {
    if (part) label += fmt::format(" {} {}", what, *part);
  };
  // A step is no phase with a step: "step 3".
  if (tag.phase == Phase::kStep && tag.step) return fmt::format("step {}", *tag.step);
  add("step", tag.step);
  add("layer", tag.layer);
  add("sample", tag.sample);
  add("branch", tag.branch);
  return label;
}

void PhaseRange::begin(const RangeTag& tag) noexcept {
  tag_ = tag;
  outer_ = innermost;
  if (outer_ != nullptr) {
    fill(tag_.step, outer_->step);
    fill(tag_.layer, outer_->layer);
    fill(tag_.sample, outer_->sample);
    fill(tag_.branch, outer_->branch);
  }
  innermost = &tag_;
  listener_->begin_range(tag_);
}

void PhaseRange::end() noexcept {
  listener_->end_range();
  innermost = outer_;
}

const RangeTag* current_range() noexcept {
  return innermost;
}

}  // namespace kvscope
