#include "reports/atlas/sections.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/head_map.h"
#include "reports/pictures/line_chart.h"
#include "reports/pictures/png.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace kvscope {
namespace {

/// The figure of one step that a curve shows.
using StepFigure = std::function<Interval(const ReplayStep&)>;

/// Mean over all heads; the ends of a head's interval are averaged likewise.
Interval mean_output_error(const ReplayStep& step) {
  Interval sum;
  for (const Interval& error : step.output_error.values()) {
    sum.mean += error.mean;
    sum.low += error.low;
    sum.high += error.high;
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(step.output_error.size(), 1));
  return {sum.mean / n, sum.low / n, sum.high / n};
}

struct Curve {
  std::string name;  ///< of its files
  std::string title;
  std::string label;  ///< of the y axis
  std::string caption;
  bool teacher_forced = true;
  bool from_zero_to_one = false;
  StepFigure figure;
};

const std::optional<ReplayMode>& mode_of(const ReplayResult& result, bool teacher_forced,
                                         std::optional<ReplayMode>& storage) {
  if (teacher_forced) return result.teacher_forced;
  if (result.free_running) storage = *result.free_running;
  return storage;
}

std::string curve_figure(const ReportInputs& inputs, const Curve& curve, ReportFolder& folder) {
  const std::vector<NamedReplay>& replays = inputs.replays;
  const StepTable& steps = replays.front().result.steps;
  LineChart chart;
  chart.title = curve.title;
  Table data("", {{"plan", ""}, {"step", ""}, {"mean", ""}, {"low", ""}, {"high", ""}});
  std::vector<double> all;
  for (const NamedReplay& replay : replays) {
    std::optional<ReplayMode> storage;
    const auto& mode = mode_of(replay.result, curve.teacher_forced, storage);
    if (!mode || replay.result.steps != steps) continue;
    Series series{replay.name, {}, {}};
    series.style = inputs.style_of(replay.name);
    for (const ReplayStep& step : mode->steps) {
      const Interval value = curve.figure(step);
      series.x.push_back(step.step);
      series.y.push_back(value.mean);
      series.low.push_back(value.low);
      series.high.push_back(value.high);
      data.add_row({replay.name, step.step, value.mean, value.low, value.high});
      all.insert(all.end(), {value.mean, value.low, value.high});
    }
    chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return {};
  chart.x = {"Scale", ValueScale::linear(-0.3, steps.size() - 0.7), step_ticks(steps)};
  chart.y = {curve.label, curve.from_zero_to_one ? ValueScale::linear(0.0, 1.0) : round_linear_scale(all, true)};
  return figure_html(folder, curve.name, line_chart(chart), {escaped(curve.caption), "", &data});
}

/// Smaller is better to the left; one point per plan.
std::string scatter_figure(const ReportInputs& inputs, bool psnr, ReportFolder& folder) {
  ScatterChart chart;
  chart.title = psnr ? "PSNR against bytes of cache" : "KL divergence against bytes of cache";
  chart.better_y = psnr ? ScatterChart::Better::kHigher : ScatterChart::Better::kLower;
  std::vector<double> bytes;
  std::vector<double> values;
  Table data("", {{"plan", ""}, {"allocated_bytes", ""}, {psnr ? "psnr" : "kl", ""}, {"low", ""}, {"high", ""}});
  for (const NamedReplay& replay : inputs.replays) {
    const ReplayResult& result = replay.result;
    std::optional<Interval> value;
    if (psnr && result.free_running) value = result.free_running->psnr;
    if (!psnr && result.teacher_forced) value = result.teacher_forced->kl;
    if (!value) continue;
    data.add_row({replay.name, result.cache.allocated_bytes, value->mean, value->low, value->high});
    if (!std::isfinite(value->mean)) continue;
    // The share of the lossless cache makes runs with different batches comparable.
    const double share = static_cast<double>(result.cache.allocated_bytes) /
                         static_cast<double>(std::max<std::int64_t>(result.cache.lossless_bytes, 1));
    chart.points.push_back(
        {replay.name, 100.0 * share, value->mean, inputs.style_of(replay.name), value->low, value->high});
    bytes.push_back(100.0 * share);
    values.insert(values.end(), {value->mean, value->low, value->high});
  }
  if (chart.points.empty()) return {};
  chart.x = {"Cache, % of lossless", round_linear_scale(bytes, true)};
  chart.y = {psnr ? "PSNR, dB" : "KL, nats per token", round_linear_scale(values, !psnr)};
  const char* caption =
      psnr ? "PSNR of free-running images against the size of the cache. Upper left is better; images that agree in "
             "every byte have no finite PSNR and are left out."
           : "Divergence of the teacher-forced run against the size of the cache. Lower left is better.";
  return figure_html(folder, psnr ? "psnr_against_bytes" : "kl_against_bytes", scatter_chart(chart),
                     {caption, "", &data});
}

Table replay_table(const std::vector<NamedReplay>& replays) {
  Table table("Replays", {{"plan", "Plan"},
                          {"samples", "Samples"},
                          {"predicted_bytes", "Predicted", CellFormat::kBytes},
                          {"allocated_bytes", "Allocated", CellFormat::kBytes},
                          {"peak_bytes", "Peak", CellFormat::kBytes},
                          {"kl_teacher_forced", "KL forced", CellFormat::kPlain, 3},
                          {"agreement_teacher_forced", "Agree forced", CellFormat::kPercent, 1},
                          {"agreement_free_running", "Agree free", CellFormat::kPercent, 1},
                          {"psnr", "PSNR, dB", CellFormat::kFixed, 2},
                          {"identical_images", "Identical"},
                          {"ssim", "SSIM", CellFormat::kFixed, 4},
                          {"seconds_full", "Full, s", CellFormat::kFixed, 2},
                          {"seconds_compressed", "Compressed, s", CellFormat::kFixed, 2}});
  for (const NamedReplay& replay : replays) {
    const ReplayResult& result = replay.result;
    const auto& forced = result.teacher_forced;
    const auto& free = result.free_running;
    table.add_row({replay.name, result.n_sample(), result.cache.predicted_bytes, result.cache.allocated_bytes,
                   result.cache.peak_bytes, forced ? Cell(forced->kl.mean) : Cell(),
                   forced ? Cell(forced->token_agreement.mean) : Cell(),
                   free ? Cell(free->token_agreement.mean) : Cell(),
                   free && std::isfinite(free->psnr.mean) ? Cell(free->psnr.mean) : Cell(),
                   free ? Cell(free->identical_images) : Cell(), free ? Cell(free->ssim.mean) : Cell(),
                   result.seconds.generation_full, result.seconds.generation_compressed});
  }
  return table;
}

/// Every figure of every replay with its interval.
Table interval_table(const std::vector<NamedReplay>& replays) {
  Table table("Figures with 95 % bootstrap intervals over samples", {{"plan", "Plan"},
                                                                     {"figure", "Figure"},
                                                                     {"mean", "Mean", CellFormat::kPlain, 4},
                                                                     {"low", "Low", CellFormat::kPlain, 4},
                                                                     {"high", "High", CellFormat::kPlain, 4}});
  for (const NamedReplay& replay : replays) {
    const auto add = [&](const char* figure, const Interval& value) {
      table.add_row({replay.name, std::string(figure), value.mean, value.low, value.high});
    };
    if (const auto& forced = replay.result.teacher_forced) {
      add("KL, teacher-forced", forced->kl);
      add("token agreement, teacher-forced", forced->token_agreement);
    }
    const auto& free = replay.result.free_running;
    if (!free) continue;
    add("KL, free-running", free->kl);
    add("token agreement, free-running", free->token_agreement);
    if (std::isfinite(free->psnr.mean)) add("PSNR of images that differ, dB", free->psnr);
    add("SSIM", free->ssim);
    if (!free->evaluator) continue;
    add("right class, full", free->evaluator->class_accuracy_full);
    add("right class, compressed", free->evaluator->class_accuracy_compressed);
    add("same class in both", free->evaluator->class_agreement);
    if (free->evaluator->frechet_full) add("Fréchet distance, full", *free->evaluator->frechet_full);
    if (free->evaluator->frechet_compressed) add("Fréchet distance, compressed", *free->evaluator->frechet_compressed);
  }
  return table;
}

Table evaluator_table(const std::vector<NamedReplay>& replays) {
  Table table("What the evaluator sees", {{"plan", "Plan"},
                                          {"accuracy_full", "Right class, full", CellFormat::kPercent, 1},
                                          {"accuracy_compressed", "Right class, compressed", CellFormat::kPercent, 1},
                                          {"agreement", "Same class in both", CellFormat::kPercent, 1},
                                          {"frechet_full", "Fréchet, full", CellFormat::kFixed, 2},
                                          {"frechet_compressed", "Fréchet, compressed", CellFormat::kFixed, 2}});
  for (const NamedReplay& replay : replays) {
    if (!replay.result.free_running || !replay.result.free_running->evaluator) continue;
    const EvaluatorVerdict& verdict = *replay.result.free_running->evaluator;
    table.add_row({replay.name, verdict.class_accuracy_full.mean, verdict.class_accuracy_compressed.mean,
                   verdict.class_agreement.mean, verdict.frechet_full ? Cell(verdict.frechet_full->mean) : Cell(),
                   verdict.frechet_compressed ? Cell(verdict.frechet_compressed->mean) : Cell()});
  }
  return table;
}

/// Output error of every head, mean over steps.
std::string error_map(const NamedReplay& replay, const ReportOptions& options, ReportFolder& folder) {
  const auto& forced = replay.result.teacher_forced;
  if (!forced || forced->steps.empty()) return {};
  const ModelInfo& model = replay.result.model;
  HeadValues values{fmt::format("Output error of every head under {}", replay.name),
                    "Relative output error, mean over scales (0 to 1)",
                    model.layers,
                    model.heads,
                    std::vector<double>(static_cast<std::size_t>(model.layers * model.heads)),
                    ValueScale::linear(0.0, 1.0)};
  for (const ReplayStep& step : forced->steps) {
    require(step.output_error.size() == static_cast<std::int64_t>(values.values.size()),
            "error_map: one output error per head");
    for (std::size_t i = 0; i < values.values.size(); ++i) {
      values.values[i] += step.output_error.values()[i].mean / static_cast<double>(forced->steps.size());
    }
  }
  const ColorMap colors = color_map(options.color_map);
  return figure_html(
      folder, "output_error_" + replay.name, head_heat_map(values, colors),
      {fmt::format("{}: teacher-forced error of every head's output.", escaped(replay.name)),
       folder.add_png("output_error_" + replay.name + "_pixels", png_bytes(head_image(values, colors))), nullptr});
}

std::string requirements_html(const std::vector<NamedReplay>& replays, ReportFolder& folder) {
  Table table(
      "Requirements",
      {{"plan", "Plan"}, {"requirement", "Demanded"}, {"value", "Found", CellFormat::kPlain, 4}, {"holds", "Holds"}});
  for (const NamedReplay& replay : replays) {
    for (const ReplayRequirement& requirement : replay.result.requirements) {
      table.add_row({replay.name, fmt::format("{} {} {}", requirement.figure, requirement.relation, requirement.bound),
                     requirement.value, std::string(requirement.holds ? "yes" : "no")});
    }
  }
  return table.empty() ? std::string() : table_html(folder, "requirements", table);
}

}  // namespace

Section replay_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder) {
  Section section{"replay", "Replay", {}, true};
  if (inputs.replays.empty()) {
    section.complete = false;
    section.html = missing_html(
        "No replay was given: kvscope replay makes one, and --replay names it (as often as there are plans).");
    return section;
  }
  const auto& replays = inputs.replays;
  section.html =
      "<p>The same seeds, generated again with the compressed cache. <em>Teacher-forced</em>: the full run's tokens "
      "are fed, so that each "
      "scale's error is seen alone. <em>Free-running</em>: the compressed run feeds on its own tokens. Bands are 95 % "
      "bootstrap "
      "intervals over samples. Bytes are those of the largest batch.</p>\n";
  section.html += table_html(folder, "replays", replay_table(replays));
  if (const Table verdicts = evaluator_table(replays); !verdicts.empty())
    section.html += table_html(folder, "evaluator", verdicts);
  section.html += requirements_html(replays, folder);
  section.html += "<details><summary>Intervals of all figures</summary>\n" +
                  table_html(folder, "intervals", interval_table(replays)) + "</details>\n";

  const auto agreement = [](const ReplayStep& step) { return step.token_agreement; };
  const Curve curves[] = {
      {"kl_by_scale", "KL divergence by scale", "KL, nats per token",
       "Teacher-forced divergence of the sampling distribution.", true, false,
       [](const ReplayStep& step) { return step.kl; }},
      {"output_error_by_scale", "Output error by scale", "Relative output error",
       "Teacher-forced error of the heads' outputs, mean over heads.", true, false, mean_output_error},
      {"agreement_forced_by_scale", "Teacher-forced token agreement by scale", "Share of equal tokens",
       "Tokens that agree when teacher-forced.", true, true, agreement},
      {"agreement_free_by_scale", "Free-running token agreement by scale", "Share of equal tokens",
       "Tokens that agree when running freely.", false, true, agreement},
  };
  section.html += "<h3>By scale</h3>\n<div class=\"pair\">\n";
  for (const Curve& curve : curves) section.html += curve_figure(inputs, curve, folder);
  section.html += "</div>\n<h3>Quality against size</h3>\n<div class=\"pair\">\n" +
                  scatter_figure(inputs, false, folder) + scatter_figure(inputs, true, folder) + "</div>\n";
  section.html += "<details><summary>Output error of every head</summary>\n<div class=\"pair\">\n";
  for (const NamedReplay& replay : replays) section.html += error_map(replay, options, folder);
  section.html += "</div>\n</details>\n";
  return section;
}

}  // namespace kvscope
