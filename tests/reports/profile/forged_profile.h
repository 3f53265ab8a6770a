#pragma once

#include "kernels/profile/profile_result.h"

namespace kvscope::testing {

/// A run of one layer with two steps on two host threads and a GPU, with what a real one may have: overlapping
/// kernels of one stream, work outside all ranges, a copy, an allocation, overhead, dropped records.
[[nodiscard]] inline ProfileResult forged_profile() {
  ProfileResult result;
  result.model = {.family = "var",
                  .fingerprint = "forged",
                  .layers = 1,
                  .heads = 2,
                  .kv_heads = 2,
                  .head_dim = 64,
                  .branches = {"conditional", "unconditional"}};
  const int sides[] = {1, 2};
  result.steps = StepTable::square(sides);
  result.method = "full";
  result.run = Json{{"seed", 0}};
  result.made_from = Json::object();
  result.rows = 2;
  result.timeline.passes = {{.first_sample = 0, .samples = 1, .start_ns = 1'000, .end_ns = 11'000, .complete = true}};
  result.timeline.host.threads = 2;
  const auto range = [](RangeTag tag, std::int64_t start, std::int64_t end, std::int32_t thread, std::int32_t depth,
                        std::uint64_t id) {
    return RangeRecord{
        .tag = tag, .start_ns = start, .end_ns = end, .thread = thread, .depth = depth, .pass = 0, .id = id};
  };
  result.timeline.host.ranges = {
      range({.phase = Phase::kPass}, 1'000, 11'000, 0, 0, 1),
      range({.phase = Phase::kStep, .step = 0}, 1'500, 4'000, 0, 1, 2),
      range({.phase = Phase::kAttention, .step = 0, .layer = 0}, 2'000, 3'000, 0, 2, 3),
      range({.phase = Phase::kStep, .step = 1}, 4'000, 10'500, 0, 1, 4),
      range({.phase = Phase::kAttention, .step = 1, .layer = 0}, 5'000, 8'001, 0, 2, 5),
      range({.phase = Phase::kProjection, .step = 1, .layer = 0, .sample = 0, .branch = 1}, 5'000, 7'000, 1, 0, 6)};
  result.timeline.cache = {{.time_ns = 4'000, .step = 0, .held_bytes = 100, .allocated_bytes = 300},
                           {.time_ns = 10'500, .step = 1, .held_bytes = 250, .allocated_bytes = 300}};
  result.cache_bytes = 300;
  const auto kernel = [](const char* name, std::int64_t start, std::int64_t end, std::uint32_t correlation) {
    DeviceWork work;
    work.name = name;
    work.start_ns = start;
    work.end_ns = end;
    work.stream = 7;
    work.correlation = correlation;
    work.grid = {4, 2, 1};
    work.block = {128, 1, 1};
    work.registers = 96;
    return work;
  };
  // _Z6attendPKfi is attend(float const*, int).
  result.device.work = {kernel("_Z6attendPKfi", 6'000, 9'000, 2), kernel("_Z6attendPKfi", 2'500, 3'500, 1),
                        kernel("overlapping \"quoted\"", 7'000, 8'000, 2), kernel("lost", 9'500, 9'600, 0)};
  DeviceWork copy = kernel("host to device", 3'600, 3'700, 1);
  copy.kind = DeviceWorkKind::kCopy;
  copy.bytes = 4096;
  result.device.work.push_back(copy);
  result.device.memory = {{.memory = "device", .time_ns = 2'600, .bytes = 512, .correlation = 1}};
  result.device.overhead = {{"buffer flush", 9'000, 9'400}};
  result.device.range_of_call = {{1, 3}, {2, 5}};
  result.device.losses = {.dropped = 3, .unknown_kind = 1};
  result.has_device_records = true;
  result.attribution = attribute(result.device, result.timeline.host.ranges);
  result.heads = HeadTimes{.mode = HeadTimeMode::kModel, .seconds = Array<double>({2, 1, 2}, 0.25), .sum_seconds = 1.0};
  return result;
}

}  // namespace kvscope::testing
