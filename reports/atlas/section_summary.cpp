#include "reports/atlas/sections.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/svg.h"
#include "reports/pictures/value_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

std::string fact(const std::string& name, const std::string& value, const std::string& note = {}) {
  return fmt::format("<div><dt>{}</dt><dd>{}{}</dd></div>\n", escaped(name), escaped(value),
                     note.empty() ? std::string() : fmt::format("<small>{}</small>", escaped(note)));
}

std::string scales_text(const StepTable& steps) {
  std::string text;
  for (int step = 0; step < steps.size(); ++step) {
    if (step > 0) text += ", ";
    text += step_name(steps[step]);
  }
  return text;
}

/// The largest fidelity figure of the capture: how far its statistics are from what the model computed.
std::optional<double> worst_fidelity(const Capture& capture) {
  double worst = -1.0;
  for (int step = 0; step < capture.steps().size(); ++step) {
    if (!capture.has(statistic::kFidelity, step)) return std::nullopt;
    const Array<float> errors = capture.read(statistic::kFidelity, step);
    for (const float error : errors.values()) worst = std::max(worst, static_cast<double>(error));
  }
  return worst < 0.0 ? std::nullopt : std::optional<double>(worst);
}

std::string facts_html(const ReportInputs& inputs) {
  std::string html = "<dl class=\"facts\">\n";
  if (inputs.heads && !inputs.heads->heads.empty()) {
    const int contextual = inputs.heads->count(HeadClass::kContextual);
    html +=
        fact("Contextual heads", fmt::format("{} of {}", contextual, inputs.heads->heads.size()),
             fmt::format("{:.0f} %, method {}", 100.0 * contextual / static_cast<double>(inputs.heads->heads.size()),
                         inputs.heads->method));
  }
  if (inputs.capture) {
    html += fact("Samples captured", fmt::format("{}", inputs.capture->samples()),
                 inputs.capture->complete() ? "" : "incomplete: the run was cut short");
    if (const auto fidelity = worst_fidelity(*inputs.capture)) {
      html +=
          fact("Capture fidelity", number_label(*fidelity, 2), "largest relative error against the model's own output");
    }
  }
  if (const StepTable* steps = inputs.steps(); steps != nullptr && steps->size() > 0) {
    html += fact("Scales", fmt::format("{}, {} tokens", steps->size(), steps->total_tokens()), scales_text(*steps));
  }
  if (!inputs.plans.empty()) {
    const PlanTotals& totals = inputs.plans.front().totals;
    html += fact("Cache per sample", bytes_text(static_cast<double>(totals.published_bytes)),
                 fmt::format("as published; lossless {}", bytes_text(static_cast<double>(totals.lossless_bytes))));
  }
  return html + "</dl>\n";
}

/// One row for each plan: its size, and what its replay found.
Table overview_table(const ReportInputs& inputs) {
  Table table("Plans: what they save and what they cost",
              {{"plan", "Plan"},
               {"allocated_bytes", "Cache per sample", CellFormat::kBytes},
               {"share_of_published", "of published", CellFormat::kPercent, 1},
               {"share_of_lossless", "of lossless", CellFormat::kPercent, 1},
               {"kl", "KL, nats", CellFormat::kPlain, 2},
               {"token_agreement", "Tokens agree", CellFormat::kPercent, 1},
               {"psnr", "PSNR"},
               {"class_accuracy", "Right class"},
               {"class_agreement", "Same class", CellFormat::kPercent, 0}});
  const auto add = [&table](const std::string& name, const NamedPlan* plan, const NamedReplay* replay) {
    std::vector<Cell> row = {name, {}, {}, {}, {}, {}, {}, {}, {}};
    if (plan != nullptr) {
      const auto bytes = static_cast<double>(plan->totals.allocated_bytes);
      row[1] = plan->totals.allocated_bytes;
      row[2] = bytes / static_cast<double>(plan->totals.published_bytes);
      row[3] = bytes / static_cast<double>(plan->totals.lossless_bytes);
    } else if (replay != nullptr && replay->result.cache.rows > 0) {
      const ReplayCacheBytes& cache = replay->result.cache;
      row[2] = static_cast<double>(cache.allocated_bytes) / static_cast<double>(cache.published_bytes);
      row[3] = static_cast<double>(cache.allocated_bytes) / static_cast<double>(cache.lossless_bytes);
    }
    if (replay != nullptr && replay->result.teacher_forced) row[4] = replay->result.teacher_forced->kl.mean;
    if (replay != nullptr && replay->result.free_running) {
      const FreeRunningReplay& free = *replay->result.free_running;
      row[5] = free.token_agreement.mean;
      row[6] = std::isfinite(free.psnr.mean) ? fmt::format("{:.1f} dB", free.psnr.mean) : std::string("identical");
      if (free.evaluator) {
        row[7] = fmt::format("{:.0f} % (full {:.0f} %)", 100.0 * free.evaluator->class_accuracy_compressed.mean,
                             100.0 * free.evaluator->class_accuracy_full.mean);
        row[8] = free.evaluator->class_agreement.mean;
      }
    }
    table.add_row(std::move(row));
  };
  for (const NamedPlan& plan : inputs.plans) {
    const auto replay = std::ranges::find(inputs.replays, plan.name, &NamedReplay::name);
    add(plan.name, &plan, replay == inputs.replays.end() ? nullptr : &*replay);
  }
  for (const NamedReplay& replay : inputs.replays) {
    if (plan_of(inputs, replay) == nullptr) add(replay.name, nullptr, &replay);
  }
  return table;
}

}  // namespace

Section summary_section(const ReportInputs& inputs, ReportFolder& folder) {
  Section section{"summary", "Summary", facts_html(inputs), true};
  const Table overview = overview_table(inputs);
  if (overview.empty()) {
    section.html +=
        missing_html("No plan or replay was given, so nothing is said here about what compression saves and costs.");
  } else {
    section.html += table_html(folder, "overview", overview);
    section.html +=
        "<p class=\"note\">KL: teacher-forced, full relative to compressed. Tokens, PSNR and classes: free-running. "
        "Figures are means over samples; <a href=\"#replay\">Replay</a> has their intervals.</p>\n";
  }
  return section;
}

}  // namespace kvscope
