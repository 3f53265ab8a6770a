#include "reports/figures/replay_figures.h"

#include "reports/pictures/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

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

const std::optional<ReplayMode>& mode_of(const ReplayResult& result, bool teacher_forced,
                                         std::optional<ReplayMode>& storage) {
  if (teacher_forced) return result.teacher_forced;
  if (result.free_running) storage = *result.free_running;
  return storage;
}

}  // namespace

std::span<const ReplayCurve> replay_curves() {
  const auto agreement = [](const ReplayStep& step) { return step.token_agreement; };
  static const std::vector<ReplayCurve> curves = {
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
  return curves;
}

std::optional<Figure> replay_curve_figure(const ReportInputs& inputs, const ReplayCurve& curve) {
  const std::vector<NamedReplay>& replays = inputs.replays;
  if (replays.empty()) return std::nullopt;
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
      const Interval value = curve.value(step);
      series.x.push_back(step.step);
      series.y.push_back(value.mean);
      series.low.push_back(value.low);
      series.high.push_back(value.high);
      data.add_row({replay.name, step.step, value.mean, value.low, value.high});
      all.insert(all.end(), {value.mean, value.low, value.high});
    }
    chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return std::nullopt;
  chart.x = {"Scale", ValueScale::linear(-0.3, steps.size() - 0.7), step_ticks(steps)};
  chart.y = {curve.label, curve.from_zero_to_one ? ValueScale::linear(0.0, 1.0) : round_linear_scale(all, true)};
  return Figure{curve.name, curve.caption, line_chart(chart), std::move(data)};
}

std::optional<Figure> pareto_figure(const ReportInputs& inputs, QualityFigure quality) {
  const bool psnr = quality == QualityFigure::kPsnr;
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
  if (chart.points.empty()) return std::nullopt;
  chart.x = {"Cache, % of lossless", round_linear_scale(bytes, true)};
  chart.y = {psnr ? "PSNR, dB" : "KL, nats per token", round_linear_scale(values, !psnr)};
  const char* caption =
      psnr ? "PSNR of free-running images against the size of the cache. Upper left is better; images that agree in "
             "every byte have no finite PSNR and are left out."
           : "Divergence of the teacher-forced run against the size of the cache. Lower left is better.";
  return Figure{psnr ? "psnr_against_bytes" : "kl_against_bytes", caption, scatter_chart(chart), std::move(data)};
}

HeadValues output_error_values(const NamedReplay& replay) {
  const ModelInfo& model = replay.result.model;
  HeadValues values{fmt::format("Output error of every head under {}", replay.name),
                    "Relative output error, mean over scales",
                    model.layers,
                    model.heads,
                    std::vector<double>(static_cast<std::size_t>(model.layers * model.heads), NAN),
                    ValueScale::linear(0.0, 1.0)};
  const auto& forced = replay.result.teacher_forced;
  if (!forced || forced->steps.empty()) return values;
  std::ranges::fill(values.values, 0.0);
  for (const ReplayStep& step : forced->steps) {
    require(step.output_error.size() == static_cast<std::int64_t>(values.values.size()),
            "output_error_values: one output error per head");
    for (std::size_t i = 0; i < values.values.size(); ++i) {
      values.values[i] += step.output_error.values()[i].mean / static_cast<double>(forced->steps.size());
    }
  }
  return values;
}

}  // namespace kvscope
