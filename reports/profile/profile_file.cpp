#include "reports/profile/profile_file.h"

#include "collectors/base/error.h"
#include "collectors/hdf5/hdf5_document.h"
#include "reports/profile/kernel_name.h"
#include "reports/profile/profile_json.h"
#include "reports/profile/profile_tables.h"

#include <string>
#include <utility>

namespace kvscope {
namespace {

// In columns of numbers: the field does not apply.
constexpr std::int64_t kNone = -1;

constexpr DatasetLayout kCompressed{.checksum = true, .deflate = 4};

template <typename T>
std::int64_t or_none(const std::optional<T>& value) {
  return value ? static_cast<std::int64_t>(*value) : kNone;
}

/// Writes one column per field of a list of records, named GROUP/FIELD.
template <typename Record>
class Columns {
 public:
  Columns(Hdf5File& file, std::string group, const std::vector<Record>& records)
      : file_(file), group_(std::move(group)), records_(records) {
    file_.make_group(group_);
  }

  template <typename Field>
  void number(const char* name, const char* units, const Field& field) {
    std::vector<std::int64_t> values;
    values.reserve(records_.size());
    for (const Record& record : records_) values.push_back(static_cast<std::int64_t>(field(record)));
    const std::string dataset = group_ + '/' + name;
    const Shape shape = {static_cast<std::int64_t>(values.size())};
    file_.write(dataset, Array<std::int64_t>(shape, std::move(values)),
                records_.empty() ? DatasetLayout{} : kCompressed);
    file_.set_attribute(dataset, "units", units);
  }

  template <typename Field>
  void text(const char* name, const Field& field) {
    std::vector<std::string> values;
    values.reserve(records_.size());
    for (const Record& record : records_) values.push_back(field(record));
    file_.write_strings(group_ + '/' + name, values);
  }

 private:
  Hdf5File& file_;
  std::string group_;
  const std::vector<Record>& records_;
};

void write_passes(Hdf5File& file, const GenerationTimeline& timeline) {
  Columns columns(file, "passes", timeline.passes);
  columns.number("repetition", "1", [](const ProfiledPass& pass) { return pass.repetition; });
  columns.number("first_sample", "1", [](const ProfiledPass& pass) { return pass.first_sample; });
  columns.number("samples", "1", [](const ProfiledPass& pass) { return pass.samples; });
  columns.number("start", "ns", [](const ProfiledPass& pass) { return pass.start_ns; });
  columns.number("end", "ns", [](const ProfiledPass& pass) { return pass.end_ns; });
  columns.number("complete", "1", [](const ProfiledPass& pass) { return pass.complete ? 1 : 0; });
}

void write_ranges(Hdf5File& file, const HostRanges& host) {
  Columns columns(file, "ranges", host.ranges);
  columns.number("phase", "1", [](const RangeRecord& range) { return static_cast<int>(range.tag.phase); });
  columns.number("step", "1", [](const RangeRecord& range) { return or_none(range.tag.step); });
  columns.number("layer", "1", [](const RangeRecord& range) { return or_none(range.tag.layer); });
  columns.number("sample", "1", [](const RangeRecord& range) { return or_none(range.tag.sample); });
  columns.number("branch", "1", [](const RangeRecord& range) { return or_none(range.tag.branch); });
  columns.number("pass", "1", [](const RangeRecord& range) { return range.pass; });
  columns.number("thread", "1", [](const RangeRecord& range) { return range.thread; });
  columns.number("depth", "1", [](const RangeRecord& range) { return range.depth; });
  columns.number("start", "ns", [](const RangeRecord& range) { return range.start_ns; });
  columns.number("end", "ns", [](const RangeRecord& range) { return range.end_ns; });
  std::vector<std::string> names;
  for (int phase = 0; phase < kPhases; ++phase) names.emplace_back(phase_name(static_cast<Phase>(phase)));
  file.set_attribute("ranges/phase", "names", std::span<const std::string>(names));
}

void write_cache(Hdf5File& file, const GenerationTimeline& timeline) {
  Columns columns(file, "cache", timeline.cache);
  columns.number("time", "ns", [](const CacheMoment& moment) { return moment.time_ns; });
  columns.number("pass", "1", [](const CacheMoment& moment) { return moment.pass; });
  columns.number("step", "1", [](const CacheMoment& moment) { return moment.step; });
  columns.number("held", "byte", [](const CacheMoment& moment) { return moment.held_bytes; });
  columns.number("allocated", "byte", [](const CacheMoment& moment) { return moment.allocated_bytes; });
}

void write_device_work(Hdf5File& file, const ActivityLog& log) {
  Columns columns(file, "device/work", log.work);
  columns.text("name", shown_name);
  columns.number("kind", "1", [](const DeviceWork& work) { return static_cast<int>(work.kind); });
  columns.number("start", "ns", [](const DeviceWork& work) { return work.start_ns; });
  columns.number("end", "ns", [](const DeviceWork& work) { return work.end_ns; });
  columns.number("device", "1", [](const DeviceWork& work) { return work.device; });
  columns.number("stream", "1", [](const DeviceWork& work) { return work.stream; });
  columns.number("correlation", "1", [](const DeviceWork& work) { return work.correlation; });
  columns.number("bytes", "byte", [](const DeviceWork& work) { return work.bytes; });
  columns.number("registers", "1", [](const DeviceWork& work) { return work.registers; });
  columns.number("shared_memory", "byte", [](const DeviceWork& work) { return work.shared_memory_bytes; });
  columns.number("local_memory", "byte", [](const DeviceWork& work) { return work.local_memory_bytes; });
  columns.number("range", "1", [](const DeviceWork& work) { return or_none(work.range); });
  columns.number("launched_in", "1", [](const DeviceWork& work) { return or_none(work.launched_in); });
}

void write_device_memory(Hdf5File& file, const ActivityLog& log) {
  Columns columns(file, "device/memory", log.memory);
  columns.text("memory", [](const DeviceMemoryEvent& event) { return event.memory; });
  columns.number("is_release", "1", [](const DeviceMemoryEvent& event) { return event.is_release ? 1 : 0; });
  columns.number("time", "ns", [](const DeviceMemoryEvent& event) { return event.time_ns; });
  columns.number("bytes", "byte", [](const DeviceMemoryEvent& event) { return event.bytes; });
  columns.number("device", "1", [](const DeviceMemoryEvent& event) { return event.device; });
  columns.number("range", "1", [](const DeviceMemoryEvent& event) { return or_none(event.range); });
}

void write_device_overhead(Hdf5File& file, const ActivityLog& log) {
  Columns columns(file, "device/overhead", log.overhead);
  columns.text("name", [](const DeviceOverhead& overhead) { return overhead.name; });
  columns.number("start", "ns", [](const DeviceOverhead& overhead) { return overhead.start_ns; });
  columns.number("end", "ns", [](const DeviceOverhead& overhead) { return overhead.end_ns; });
}

void write_all(Hdf5File& file, const ProfileResult& result, const ProfileSummary& summary) {
  file.set_attribute("/", "format", "kvscope-profile");
  file.set_attribute("/", "version", 1);
  file.write_strings("document", std::vector<std::string>{profile_document(result, summary).dump()});
  write_passes(file, result.timeline);
  write_ranges(file, result.timeline.host);
  write_cache(file, result.timeline);
  if (result.has_device_records) {
    write_device_work(file, result.device);
    write_device_memory(file, result.device);
    write_device_overhead(file, result.device);
  }
  if (!result.heads) return;
  file.write("heads/seconds", result.heads->seconds);
  file.set_attribute("heads/seconds", "units", "s");
  file.set_attribute("heads/seconds", "mode", result.heads->mode == HeadTimeMode::kModel ? "model" : "isolated");
}

}  // namespace

void write_profile(const std::filesystem::path& path, const ProfileResult& result, const ProfileSummary& summary) {
  replace_hdf5_file(path, [&](Hdf5File& file) { write_all(file, result, summary); });
}

}  // namespace kvscope
