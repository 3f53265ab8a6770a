#pragma once

#include "analysis/interval.h"
#include "reports/atlas/report_inputs.h"
#include "reports/figures/figure.h"

#include <functional>
#include <optional>
#include <span>
#include <string>

namespace kvscope {

/// A figure of replays that is drawn by step, one line per replay.
struct ReplayCurve {
  std::string name;  ///< of its files
  std::string title;
  std::string label;  ///< of the y axis
  std::string caption;
  bool teacher_forced = true;
  bool from_zero_to_one = false;
  std::function<Interval(const ReplayStep&)> value;
};

/// KL and output error when teacher-forced, token agreement in both modes.
[[nodiscard]] std::span<const ReplayCurve> replay_curves();
/// Nothing if no replay ran in that mode.
[[nodiscard]] std::optional<Figure> replay_curve_figure(const ReportInputs& inputs, const ReplayCurve& curve);

enum class QualityFigure { kKl, kPsnr };
/// Quality against the size of the cache, one point per plan, with the front of those that no other beats. Nothing if
/// no replay has the figure.
[[nodiscard]] std::optional<Figure> pareto_figure(const ReportInputs& inputs, QualityFigure quality);

/// Relative error of every head's output when teacher-forced, mean over steps; not-a-number if none was measured.
[[nodiscard]] HeadValues output_error_values(const NamedReplay& replay);

}  // namespace kvscope
