#include "collectors/gpu/activity_recorder.h"

namespace kvscope {

struct ActivityRecorder::Implementation : RangeFollower {
  void enter(std::uint64_t, const RangeTag&) noexcept override {}
  void leave() noexcept override {}
};

ActivityRecorder::ActivityRecorder() : implementation_(std::make_unique<Implementation>()) {}
ActivityRecorder::~ActivityRecorder() = default;

std::string ActivityRecorder::start() {
  return "this build has no CUPTI (its headers were not found when it was configured)";
}
bool ActivityRecorder::is_recording() const noexcept {
  return false;
}
RangeFollower& ActivityRecorder::follower() noexcept {
  return *implementation_;
}
void ActivityRecorder::clear() {}
ActivityLog ActivityRecorder::stop() {
  return {};
}

}  // namespace kvscope
