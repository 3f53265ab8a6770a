#include "kernels/replay/requirement.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvscope {
namespace {

double largest_output_error(const ReplayResult& result) {
  double largest = 0.0;
  for (const ReplayStep& step : result.teacher_forced.value().steps) {
    for (const Interval& error : step.output_error.values()) largest = std::max(largest, error.mean);
  }
  return largest;
}

double share(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

const FreeRunningReplay& free_running(const ReplayResult& result) {
  return result.free_running.value();
}
const EvaluatorVerdict& verdict(const ReplayResult& result) {
  return free_running(result).evaluator.value();
}

double mean_of(const std::optional<Interval>& interval) {
  return interval ? interval->mean : std::nan("");
}

using Result = const ReplayResult&;

constexpr ReplayFigure kFigures[] = {
    {"psnr", "dB, full against compressed image; identical images satisfy any lower bound", FigureNeeds::kFreeRunning,
     [](Result r) { return free_running(r).psnr.mean; }},
    {"ssim", "structural similarity of the images, -1 to 1", FigureNeeds::kFreeRunning,
     [](Result r) { return free_running(r).ssim.mean; }},
    {"agreement", "share of equal tokens, free-running, 0 to 1", FigureNeeds::kFreeRunning,
     [](Result r) { return free_running(r).token_agreement.mean; }},
    {"kl", "KL(full || compressed), free-running, nats per token", FigureNeeds::kFreeRunning,
     [](Result r) { return free_running(r).kl.mean; }},
    {"forced-agreement", "share of equal tokens, teacher-forced, 0 to 1", FigureNeeds::kTeacherForced,
     [](Result r) { return r.teacher_forced.value().token_agreement.mean; }},
    {"forced-kl", "KL(full || compressed), teacher-forced, nats per token", FigureNeeds::kTeacherForced,
     [](Result r) { return r.teacher_forced.value().kl.mean; }},
    {"output-error", "largest relative output error of any step, layer and head, teacher-forced",
     FigureNeeds::kTeacherForced, largest_output_error},
    {"class-accuracy", "how often the evaluator sees the asked-for class in the compressed run, 0 to 1",
     FigureNeeds::kEvaluator, [](Result r) { return verdict(r).class_accuracy_compressed.mean; }},
    {"class-agreement", "how often the evaluator sees the same class in both runs, 0 to 1", FigureNeeds::kEvaluator,
     [](Result r) { return verdict(r).class_agreement.mean; }},
    {"frechet", "Frechet distance of the compressed run to the reference images", FigureNeeds::kReferenceFeatures,
     [](Result r) { return mean_of(verdict(r).frechet_compressed); }},
    {"frechet-increase", "Frechet distance of the compressed run minus that of the full run",
     FigureNeeds::kReferenceFeatures,
     [](Result r) { return mean_of(verdict(r).frechet_compressed) - mean_of(verdict(r).frechet_full); }},
    {"cache-ratio", "allocated bytes as a share of the full cache's at the same element types", FigureNeeds::kNothing,
     [](Result r) { return share(r.cache.allocated_bytes, r.cache.full_bytes); }},
};

const ReplayFigure* find_figure(std::string_view name) {
  const auto* found = std::ranges::find(kFigures, name, &ReplayFigure::name);
  return found == std::end(kFigures) ? nullptr : found;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

ReplayRequirement parse_requirement(std::string_view text) {
  const auto at = text.find_first_of("<>");
  if (at == std::string_view::npos || at + 1 >= text.size() || text[at + 1] != '=') {
    throw usage_error("--require: '{}' is not of the form FIGURE>=NUMBER or FIGURE<=NUMBER", text);
  }
  ReplayRequirement demand{.figure = std::string(trimmed(text.substr(0, at))),
                           .relation = std::string(text.substr(at, 2))};
  if (find_figure(demand.figure) == nullptr) {
    std::string names;
    for (const ReplayFigure& figure : kFigures) names += fmt::format("{}{}", names.empty() ? "" : ", ", figure.name);
    throw usage_error("--require: there is no figure '{}', only {}", demand.figure, names);
  }
  const std::string number(trimmed(text.substr(at + 2)));
  char* end = nullptr;
  demand.bound = std::strtod(number.c_str(), &end);
  if (number.empty() || end != number.c_str() + number.size() || !std::isfinite(demand.bound)) {
    throw usage_error("--require: '{}' in '{}' is not a number", number, text);
  }
  return demand;
}

/// What is missing of what a figure needs; empty if nothing.
std::string_view missing(FigureNeeds needs, const ReplayScope& scope) {
  switch (needs) {
    case FigureNeeds::kNothing:
      return {};
    case FigureNeeds::kTeacherForced:
      return scope.teacher_forced ? "" : "the teacher-forced mode";
    case FigureNeeds::kFreeRunning:
      return scope.free_running ? "" : "the free-running mode";
    case FigureNeeds::kEvaluator:
      if (!scope.free_running) return "the free-running mode";
      return scope.evaluator ? "" : "an evaluator (--evaluator)";
    case FigureNeeds::kReferenceFeatures:
      if (!scope.free_running) return "the free-running mode";
      return scope.evaluator && scope.reference_features ? "" : "an evaluator and its --evaluator-features";
  }
  return {};
}

}  // namespace

std::span<const ReplayFigure> replay_figures() {
  return kFigures;
}

std::vector<ReplayRequirement> parse_requirements(std::string_view text) {
  std::vector<ReplayRequirement> requirements;
  while (true) {
    const auto comma = text.find(',');
    requirements.push_back(parse_requirement(text.substr(0, comma)));
    if (comma == std::string_view::npos) return requirements;
    text.remove_prefix(comma + 1);
  }
}

void check_requirements_possible(std::span<const ReplayRequirement> requirements, const ReplayScope& scope) {
  for (const ReplayRequirement& demand : requirements) {
    const std::string_view needed = missing(find_figure(demand.figure)->needs, scope);
    if (!needed.empty()) throw usage_error("--require: '{}' needs {}", demand.figure, needed);
  }
}

void judge(std::span<ReplayRequirement> requirements, const ReplayResult& result) {
  for (ReplayRequirement& demand : requirements) {
    demand.value = find_figure(demand.figure)->value(result);
    demand.holds = demand.relation == ">=" ? demand.value >= demand.bound : demand.value <= demand.bound;
  }
}

void check_requirements(std::span<const ReplayRequirement> requirements) {
  std::string failures;
  for (const ReplayRequirement& demand : requirements) {
    if (demand.holds) continue;
    failures += fmt::format("{}{} is {:.6g}, required {} {:.6g}", failures.empty() ? "" : "; ", demand.figure,
                            demand.value, demand.relation, demand.bound);
  }
  if (!failures.empty()) throw Error(ErrorCode::kCheckFailed, failures);
}

}  // namespace kvscope
