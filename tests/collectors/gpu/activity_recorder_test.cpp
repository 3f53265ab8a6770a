#include "collectors/gpu/activity_recorder.h"

#include "collectors/gpu/cuda_devices.h"

#include <doctest/doctest.h>

using namespace kvscope;

TEST_SUITE("collectors.gpu.activity_recorder") {
  TEST_CASE("without a GPU it says why in one line and the program goes on") {
    ActivityRecorder recorder;
    const std::string problem = recorder.start();
    if (!cuda_devices().devices.empty() && problem.empty()) {
      CHECK(recorder.is_recording());
      CHECK(recorder.stop().losses.malformed == 0);
      return;
    }
    CAPTURE(problem);
    CHECK_FALSE(problem.empty());
    CHECK(problem.find('\n') == std::string::npos);
    CHECK_FALSE(recorder.is_recording());
    recorder.follower().enter(1, {.phase = Phase::kHead});
    recorder.follower().leave();
    recorder.clear();
    const ActivityLog log = recorder.stop();
    CHECK(log.work.empty());
    CHECK(log.range_of_call.empty());
  }

  TEST_CASE("it may be started again after it failed") {
    ActivityRecorder first;
    (void)first.start();
    (void)first.stop();
    ActivityRecorder second;
    const std::string problem = second.start();
    CHECK(problem.find("under way") == std::string::npos);
  }
}
