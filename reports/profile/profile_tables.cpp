#include "reports/profile/profile_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace kvscope {
namespace {

constexpr double kMicrosecond = 1e-6;

/// Sums of some of the times.
struct Sum {
  double wall = 0.0;
  double thread = 0.0;
  double device = 0.0;
};

template <typename Condition>
Sum sum_where(const ProfileSummary& summary, const Condition& holds) {
  Sum sum;
  for (const SummaryTime& time : summary.times) {
    if (!holds(time)) continue;
    sum.wall += time.wall_seconds;
    sum.thread += time.thread_seconds;
    sum.device += time.device_seconds;
  }
  return sum;
}

std::vector<Phase> all_phases() {
  std::vector<Phase> phases;
  for (int i = 0; i < kPhases; ++i) phases.push_back(static_cast<Phase>(i));
  return phases;
}

/// Phases that occur where `holds`, in their own order.
template <typename Condition>
std::vector<Phase> phases_where(const ProfileSummary& summary, const Condition& holds) {
  std::vector<Phase> phases;
  for (const Phase phase : all_phases()) {
    const bool occurs =
        std::ranges::any_of(summary.times, [&](const SummaryTime& time) { return time.phase == phase && holds(time); });
    if (occurs) phases.push_back(phase);
  }
  return phases;
}

/// What tables call what is left of a step or pass.
std::string column_label(Phase phase) {
  if (phase == Phase::kStep || phase == Phase::kPass) return "rest of " + std::string(phase_name(phase));
  std::string label(phase_name(phase));
  std::ranges::replace(label, '_', ' ');
  return label;
}

Cell share(double part, double whole) {
  return whole > 0.0 ? Cell(part / whole) : Cell();
}

std::string grid_text(const StepShape& step) {
  return step.t > 1 ? fmt::format("{}x{}x{}", step.t, step.h, step.w) : fmt::format("{}x{}", step.h, step.w);
}

/// The last moment of a step within the biggest batch: the most that the cache held after it.
std::int64_t held_after(const GenerationTimeline& timeline, int step) {
  std::int64_t most = 0;
  for (const CacheMoment& moment : timeline.cache) {
    if (moment.step == step) most = std::max(most, moment.held_bytes);
  }
  return most;
}

std::vector<Column> seconds_columns(const std::vector<Phase>& phases) {
  std::vector<Column> columns;
  for (const Phase phase : phases) {
    columns.push_back({std::string(phase_name(phase)) + "_seconds", column_label(phase), CellFormat::kFixed, 4});
  }
  return columns;
}

void append(std::vector<Column>& columns, std::vector<Column> more) {
  columns.insert(columns.end(), more.begin(), more.end());
}

}  // namespace

Table profile_phase_table(const ProfileResult& result, const ProfileSummary& summary) {
  std::vector<Column> columns = {{"phase"},
                                 {"wall_seconds", "wall s", CellFormat::kFixed, 4},
                                 {"wall_share", "of wall", CellFormat::kPercent, 1},
                                 {"thread_seconds", "thread s", CellFormat::kFixed, 4}};
  if (result.has_device_records) columns.push_back({"device_seconds", "GPU s", CellFormat::kFixed, 4});
  Table table("Phases", columns);
  const double wall = summary.coverage.wall_seconds;
  for (const Phase phase : phases_where(summary, [](const SummaryTime&) { return true; })) {
    const Sum sum = sum_where(summary, [&](const SummaryTime& time) { return time.phase == phase; });
    std::vector<Cell> row = {column_label(phase), sum.wall, share(sum.wall, wall), sum.thread};
    if (result.has_device_records) row.emplace_back(sum.device);
    table.add_row(std::move(row));
  }
  return table;
}

Table profile_step_table(const ProfileResult& result, const ProfileSummary& summary) {
  const std::vector<Phase> phases =
      phases_where(summary, [](const SummaryTime& time) { return time.step.has_value(); });
  std::vector<Column> columns = {{"step"},
                                 {"grid"},
                                 {"wall_seconds", "wall s", CellFormat::kFixed, 4},
                                 {"wall_share", "of wall", CellFormat::kPercent, 1}};
  append(columns, seconds_columns(phases));
  if (result.has_device_records) columns.push_back({"device_seconds", "GPU s", CellFormat::kFixed, 4});
  columns.push_back({"held_bytes", "cache after", CellFormat::kBytes});
  Table table("Steps, wall s", columns);
  for (int step = 0; step < result.steps.size(); ++step) {
    const Sum all = sum_where(summary, [&](const SummaryTime& time) { return time.step == step; });
    std::vector<Cell> row = {std::int64_t{step}, grid_text(result.steps[step]), all.wall,
                             share(all.wall, summary.coverage.wall_seconds)};
    for (const Phase phase : phases) {
      row.emplace_back(
          sum_where(summary, [&](const SummaryTime& time) { return time.step == step && time.phase == phase; }).wall);
    }
    if (result.has_device_records) row.emplace_back(all.device);
    row.emplace_back(held_after(result.timeline, step));
    table.add_row(std::move(row));
  }
  return table;
}

Table profile_layer_table(const ProfileResult& result, const ProfileSummary& summary) {
  const std::vector<Phase> phases =
      phases_where(summary, [](const SummaryTime& time) { return time.layer.has_value(); });
  std::vector<Column> columns = {
      {"layer"}, {"wall_seconds", "wall s", CellFormat::kFixed, 4}, {"wall_share", "of wall", CellFormat::kPercent, 1}};
  append(columns, seconds_columns(phases));
  if (result.has_device_records) columns.push_back({"device_seconds", "GPU s", CellFormat::kFixed, 4});
  Table table("Layers, wall s", columns);
  for (int layer = 0; layer < result.model.layers; ++layer) {
    const Sum all = sum_where(summary, [&](const SummaryTime& time) { return time.layer == layer; });
    std::vector<Cell> row = {std::int64_t{layer}, all.wall, share(all.wall, summary.coverage.wall_seconds)};
    for (const Phase phase : phases) {
      row.emplace_back(
          sum_where(summary, [&](const SummaryTime& time) { return time.layer == layer && time.phase == phase; }).wall);
    }
    if (result.has_device_records) row.emplace_back(all.device);
    table.add_row(std::move(row));
  }
  return table;
}

Table profile_kernel_table(const ProfileSummary& summary) {
  Table table("GPU work", {{"name"},
                           {"kind"},
                           {"calls"},
                           {"seconds", "s", CellFormat::kFixed, 4},
                           {"share", "of GPU time", CellFormat::kPercent, 1},
                           {"mean_microseconds", "mean us", CellFormat::kFixed, 1},
                           {"longest_microseconds", "longest us", CellFormat::kFixed, 1},
                           {"bytes", "moved", CellFormat::kBytes},
                           {"registers"},
                           {"shared_memory_bytes", "shared memory", CellFormat::kBytes},
                           {"local_memory_bytes", "spilt per thread", CellFormat::kBytes}});
  double all = 0.0;
  for (const KernelSummary& kernel : summary.kernels) all += kernel.seconds;
  for (const KernelSummary& kernel : summary.kernels) {
    const bool is_kernel = kernel.kind == DeviceWorkKind::kKernel;
    const auto of_kernel = [&](std::int64_t value) { return is_kernel ? Cell(value) : Cell(); };
    table.add_row({kernel.name, std::string(device_work_name(kernel.kind)), kernel.calls, kernel.seconds,
                   share(kernel.seconds, all), kernel.seconds / static_cast<double>(kernel.calls) / kMicrosecond,
                   kernel.longest_seconds / kMicrosecond, is_kernel ? Cell() : Cell(kernel.bytes),
                   of_kernel(kernel.registers), of_kernel(kernel.shared_memory_bytes),
                   of_kernel(kernel.local_memory_bytes)});
  }
  return table;
}

Table profile_thread_table(const ProfileSummary& summary) {
  Table table("Host threads", {{"thread"},
                               {"working_seconds", "working s", CellFormat::kFixed, 4},
                               {"waiting_seconds", "waiting s", CellFormat::kFixed, 4},
                               {"working_share", "working, of wall", CellFormat::kPercent, 1}});
  for (const ThreadSummary& thread : summary.threads) {
    table.add_row({thread.thread == 0 ? std::string("main") : fmt::format("worker {}", thread.thread),
                   thread.working_seconds, thread.waiting_seconds,
                   share(thread.working_seconds, summary.coverage.wall_seconds)});
  }
  return table;
}

Table profile_layer_head_table(const HeadTimes& heads) {
  const bool is_model = heads.mode == HeadTimeMode::kModel;
  Table table(is_model ? "Attention of heads, modelled: the layer's time split by each head's work"
                       : "Attention of heads, measured one head at a time",
              {{"layer"},
               {"sum_seconds", "sum s", CellFormat::kFixed, 5},
               {"least_seconds", "least s", CellFormat::kFixed, 5},
               {"mean_seconds", "mean s", CellFormat::kFixed, 5},
               {"most_seconds", "most s", CellFormat::kFixed, 5},
               {"most_head", "head with most"}});
  const std::int64_t n_step = heads.seconds.extent(0);
  const std::int64_t n_head = heads.seconds.extent(2);
  for (std::int64_t layer = 0; layer < heads.seconds.extent(1); ++layer) {
    std::vector<double> of_head(static_cast<std::size_t>(n_head));
    for (std::int64_t step = 0; step < n_step; ++step) {
      for (std::int64_t head = 0; head < n_head; ++head) {
        of_head[static_cast<std::size_t>(head)] += heads.seconds(step, layer, head);
      }
    }
    double sum = 0.0;
    for (const double seconds : of_head) sum += seconds;
    const auto [least, most] = std::ranges::minmax_element(of_head);
    std::vector<Cell> row = {layer, sum, *least, sum / static_cast<double>(n_head), *most};
    row.emplace_back();
    if (*least < *most) row.back() = static_cast<std::int64_t>(most - of_head.begin());
    table.add_row(std::move(row));
  }
  return table;
}

Table profile_head_table(const HeadTimes& heads) {
  Table table(heads.mode == HeadTimeMode::kModel ? "Heads, modelled" : "Heads, measured in isolation",
              {{"step"}, {"layer"}, {"head"}, {"seconds", "s", CellFormat::kPlain, 4}});
  for (std::int64_t step = 0; step < heads.seconds.extent(0); ++step) {
    for (std::int64_t layer = 0; layer < heads.seconds.extent(1); ++layer) {
      for (std::int64_t head = 0; head < heads.seconds.extent(2); ++head) {
        table.add_row({step, layer, head, heads.seconds(step, layer, head)});
      }
    }
  }
  return table;
}

namespace {

void add_losses(const ProfileResult& result, std::vector<std::string>& remarks) {
  const ActivityLosses& losses = result.device.losses;
  if (result.timeline.host.dropped > 0) {
    remarks.push_back(fmt::format("{} host ranges had no room and are missing", result.timeline.host.dropped));
  }
  if (losses.dropped + losses.malformed + losses.refused_buffers > 0) {
    remarks.push_back(
        fmt::format("GPU records: {} dropped, {} malformed, {} requests for buffers refused: times are "
                    "too small",
                    losses.dropped, losses.malformed, losses.refused_buffers));
  }
  if (losses.unknown_kind > 0) remarks.push_back(fmt::format("{} GPU records of other kinds", losses.unknown_kind));
}

void add_device(const ProfileResult& result, const ProfileSummary& summary, std::vector<std::string>& remarks) {
  if (!result.has_device_records) {
    remarks.push_back("no GPU records: " + result.device_note);
    return;
  }
  double overhead = 0.0;
  for (const DeviceOverhead& one : result.device.overhead) overhead += one.seconds();
  remarks.push_back(fmt::format(
      "GPU: busy {:.4f} s ({:.1f} % of the wall clock); {} records attributed, {} without a call, {} outside all "
      "ranges ({:.4f} s); the recorder's own overhead {:.4f} s",
      summary.device_busy_seconds, 100.0 * summary.device_busy_seconds / summary.coverage.wall_seconds,
      result.attribution.attributed, result.attribution.without_correlation, result.attribution.without_range,
      summary.unattributed_device_seconds, overhead));
}

void add_overhead(const ProfileOverhead& overhead, std::vector<std::string>& remarks) {
  if (overhead.recorded_seconds.empty()) return;
  remarks.push_back(fmt::format(
      "recording costs {:+.2f} % (median of {} repetitions with against without; quartiles {:+.2f} and {:+.2f} %); {} "
      "ranges of {:.0f} ns make {:.2f} %",
      100.0 * overhead.share(), overhead.recorded_seconds.size(), 100.0 * overhead.share(0.25),
      100.0 * overhead.share(0.75), overhead.ranges, overhead.range_seconds * 1e9, 100.0 * overhead.predicted_share()));
}

}  // namespace

std::vector<std::string> profile_remarks(const ProfileResult& result, const ProfileSummary& summary) {
  std::vector<std::string> remarks;
  const TimeCoverage& coverage = summary.coverage;
  const auto percent = [&](double seconds) {
    return coverage.wall_seconds > 0.0 ? 100.0 * seconds / coverage.wall_seconds : 0.0;
  };
  std::int64_t generated = 0;
  for (const ProfiledPass& pass : result.timeline.passes) generated += pass.complete ? pass.samples : 0;
  remarks.push_back(fmt::format(
      "{} samples in {} passes, {:.4f} s: {:.1f} % of it in phases with a name, {:.1f} % rest "
      "of steps and passes, {:.1f} % all threads waited, {:.1f} % in no range",
      generated, result.timeline.passes.size(), coverage.wall_seconds, percent(coverage.named_seconds),
      percent(coverage.unnamed_seconds), percent(coverage.waiting_seconds), percent(coverage.outside_seconds)));
  if (result.heads && result.heads->mode == HeadTimeMode::kIsolated) {
    remarks.push_back(fmt::format("heads one at a time sum to {:.4f} s, attention of the run took {:.4f} s",
                                  result.heads->sum_seconds, result.heads->attention_seconds));
  }
  add_device(result, summary, remarks);
  add_losses(result, remarks);
  if (result.overhead) add_overhead(*result.overhead, remarks);
  if (result.interrupted) remarks.push_back("interrupted: this is what was done until then");
  return remarks;
}

std::vector<std::pair<std::string, Table>> profile_tables(const ProfileResult& result, const ProfileSummary& summary) {
  std::vector<std::pair<std::string, Table>> tables = {{"phases", profile_phase_table(result, summary)},
                                                       {"scales", profile_step_table(result, summary)},
                                                       {"layers", profile_layer_table(result, summary)},
                                                       {"threads", profile_thread_table(summary)},
                                                       {"kernels", profile_kernel_table(summary)}};
  if (result.heads) {
    tables.emplace_back("layer_heads", profile_layer_head_table(*result.heads));
    tables.emplace_back("heads", profile_head_table(*result.heads));
  }
  std::erase_if(tables, [](const auto& entry) { return entry.second.empty(); });
  return tables;
}

}  // namespace kvscope
