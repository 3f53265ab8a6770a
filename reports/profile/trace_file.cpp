#include "reports/profile/trace_file.h"

#include "reports/profile/gzip_writer.h"
#include "reports/profile/kernel_name.h"
#include "reports/profile/profile_json.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

namespace kvscope {
namespace {

// Process numbers of the trace: the host, then one per GPU.
constexpr int kHost = 1;
constexpr int kFirstDevice = 100;

std::string quoted(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Writes events one after the other, as the elements of "traceEvents".
class TraceWriter {
 public:
  TraceWriter(const std::filesystem::path& path, std::int64_t origin_ns) : file_(path), origin_ns_(origin_ns) {}

  void begin(const Json& about) {
    file_.write(fmt::format("{{\"displayTimeUnit\":\"ms\",\"otherData\":{},\"traceEvents\":[\n", about.dump()));
  }

  void name(const char* what, int process, std::int64_t thread, std::string_view text) {
    event(fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})", what, process, thread,
                      quoted(text)));
  }

  void complete(int process, std::int64_t thread, std::string_view label, std::string_view category,
                std::int64_t start_ns, std::int64_t end_ns, std::string_view arguments) {
    event(fmt::format(R"({{"ph":"X","name":{},"cat":"{}","pid":{},"tid":{},"ts":{},"dur":{},"args":{{{}}}}})",
                      quoted(label), category, process, thread, microseconds(start_ns - origin_ns_),
                      microseconds(end_ns - start_ns), arguments));
  }

  void counter(std::string_view label, std::int64_t time_ns, std::string_view arguments) {
    event(fmt::format(R"({{"ph":"C","name":{},"pid":{},"ts":{},"args":{{{}}}}})", quoted(label), kHost,
                      microseconds(time_ns - origin_ns_), arguments));
  }

  void finish() {
    file_.write("\n]}\n");
    file_.commit();
  }

 private:
  /// Exact: a nanosecond is the third place.
  static std::string microseconds(std::int64_t ns) {
    const char* sign = ns < 0 ? "-" : "";
    const std::int64_t size = ns < 0 ? -ns : ns;
    return fmt::format("{}{}.{:03}", sign, size / 1000, size % 1000);
  }

  void event(const std::string& text) {
    if (!is_first_) file_.write(",\n");
    is_first_ = false;
    file_.write(text);
  }

  GzipWriter file_;
  std::int64_t origin_ns_;
  bool is_first_ = true;
};

std::string tag_arguments(const RangeTag& tag, std::int32_t pass) {
  std::string text = fmt::format(R"("phase":"{}","pass":{})", phase_name(tag.phase), pass);
  const auto add = [&](const char* name, const auto& part) {
    if (part) text += fmt::format(",\"{}\":{}", name, *part);
  };
  add("step", tag.step);
  add("layer", tag.layer);
  add("sample", tag.sample);
  add("branch", tag.branch);
  return text;
}

void write_host(TraceWriter& trace, const GenerationTimeline& timeline) {
  trace.name("process_name", kHost, 0, "kvscope, host clock");
  for (std::int32_t thread = 0; thread < timeline.host.threads; ++thread) {
    trace.name("thread_name", kHost, thread, thread == 0 ? "main" : fmt::format("worker {}", thread));
  }
  for (const RangeRecord& range : timeline.host.ranges) {
    trace.complete(kHost, range.thread, range_label(range.tag), phase_name(range.tag.phase), range.start_ns,
                   range.end_ns, tag_arguments(range.tag, range.pass));
  }
  for (const CacheMoment& moment : timeline.cache) {
    trace.counter("KV cache", moment.time_ns,
                  fmt::format(R"("held bytes":{},"allocated bytes":{})", moment.held_bytes, moment.allocated_bytes));
  }
}

/// Rows of the display for a device's work. Work of one stream may overlap (branches of a graph); what overlaps goes
/// to another row, since events of one row must nest.
class DeviceRows {
 public:
  /// The row for work of a stream that comes in order of its start.
  std::int64_t row(std::uint32_t device, std::uint32_t stream, std::int64_t start_ns, std::int64_t end_ns) {
    auto& lanes = lanes_[{device, stream}];
    std::size_t lane = 0;
    while (lane < lanes.size() && lanes[lane].busy_until_ns > start_ns) ++lane;
    if (lane == lanes.size()) lanes.push_back({next_row_++, 0});
    lanes[lane].busy_until_ns = end_ns;
    return lanes[lane].row;
  }

  template <typename Body>
  void for_each(const Body& body) const {
    for (const auto& [stream, lanes] : lanes_) {
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        body(stream.first, lanes[lane].row,
             lane == 0 ? fmt::format("stream {}", stream.second)
                       : fmt::format("stream {}, lane {}", stream.second, lane));
      }
    }
  }

 private:
  struct Lane {
    std::int64_t row;
    std::int64_t busy_until_ns;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<Lane>> lanes_;
  std::int64_t next_row_ = 1;
};

int process_of(std::uint32_t device) {
  return kFirstDevice + static_cast<int>(device);
}

void write_device(TraceWriter& trace, const ProfileResult& result) {
  DeviceRows rows;
  for (const DeviceWork& work : result.device.work) {
    std::string arguments = fmt::format(R"("correlation":{},"bytes":{})", work.correlation, work.bytes);
    if (work.kind == DeviceWorkKind::kKernel) {
      arguments = fmt::format(
          R"("correlation":{},"grid":[{}],"block":[{}],"registers":{},"shared_memory_bytes":{},"local_memory_bytes":{})",
          work.correlation, fmt::join(work.grid, ","), fmt::join(work.block, ","), work.registers,
          work.shared_memory_bytes, work.local_memory_bytes);
    }
    if (work.range) {
      const auto& ranges = result.timeline.host.ranges;
      const RangeRecord& range = ranges[*work.range];
      const std::int32_t pass = work.launched_in ? ranges[*work.launched_in].pass : range.pass;
      arguments += ',' + tag_arguments(range.tag, pass);
    }
    trace.complete(process_of(work.device), rows.row(work.device, work.stream, work.start_ns, work.end_ns),
                   shown_name(work), device_work_name(work.kind), work.start_ns, work.end_ns, arguments);
  }
  std::map<std::uint32_t, bool> named;
  rows.for_each([&](std::uint32_t device, std::int64_t row, const std::string& label) {
    if (!named.contains(device)) trace.name("process_name", process_of(device), 0, fmt::format("GPU {}", device));
    named[device] = true;
    trace.name("thread_name", process_of(device), row, label);
  });
}

}  // namespace

void write_trace(const std::filesystem::path& path, const ProfileResult& result) {
  const auto& passes = result.timeline.passes;
  TraceWriter trace(path, passes.empty() ? 0 : passes.front().start_ns);
  trace.begin(profile_header(result));
  write_host(trace, result.timeline);
  write_device(trace, result);
  trace.finish();
}

}  // namespace kvscope
