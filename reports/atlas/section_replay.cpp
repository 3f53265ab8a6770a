#include "reports/atlas/sections.h"
#include "reports/figures/head_figures.h"
#include "reports/figures/replay_figures.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

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
  HeadValues values = output_error_values(replay);
  values.label += range_words(values.scale);
  if (!any_finite(values.values)) return {};
  return figure_html(folder, head_values_figure("output_error_" + replay.name,
                                                replay.name + ": teacher-forced error of every head's output.", values,
                                                color_map(options.color_map)));
}

/// The figure if there is one.
std::string optional_figure_html(ReportFolder& folder, const std::optional<Figure>& figure) {
  return figure ? figure_html(folder, *figure) : std::string();
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

  section.html += "<h3>By scale</h3>\n<div class=\"pair\">\n";
  for (const ReplayCurve& curve : replay_curves()) {
    section.html += optional_figure_html(folder, replay_curve_figure(inputs, curve));
  }
  section.html += "</div>\n<h3>Quality against size</h3>\n<div class=\"pair\">\n" +
                  optional_figure_html(folder, pareto_figure(inputs, QualityFigure::kKl)) +
                  optional_figure_html(folder, pareto_figure(inputs, QualityFigure::kPsnr)) + "</div>\n";
  section.html += "<details><summary>Output error of every head</summary>\n<div class=\"pair\">\n";
  for (const NamedReplay& replay : replays) section.html += error_map(replay, options, folder);
  section.html += "</div>\n</details>\n";
  return section;
}

}  // namespace kvscope
