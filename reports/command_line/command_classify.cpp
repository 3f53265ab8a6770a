#include "analysis/figure_bound.h"
#include "analysis/scores.h"
#include "classifiers/heads/classify.h"
#include "classifiers/heads/compare.h"
#include "collectors/base/hash.h"
#include "collectors/capture/capture.h"
#include "collectors/hdf5/hdf5_file.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/command_line/step_option.h"
#include "reports/tables/head_tables.h"
#include "reports/tables/text_table.h"

#include <array>
#include <cmath>
#include <fstream>
#include <limits>

namespace kvscope {
namespace {

constexpr std::array<std::string_view, 4> kFigures = {"jaccard", "kappa", "agreement", "differing"};

const std::string& description() {
  static const std::string text = [] {
    std::string paragraph =
        "Decides which attention heads are contextual and which structural, and writes heads.json; confidence and "
        "stability\n"
        "come from resampling the samples. With --compare it reports how the result agrees with another "
        "classification;\n"
        "given a HEADS.json in place of scores, it only compares.\n\nMethods:";
    for (const ClassifierMethod& method : classifier_methods()) {
      paragraph += fmt::format("\n  {:<16} {}", method.name, method.description);
    }
    return paragraph;
  }();
  return text;
}

CommandOptions classify_options() {
  CommandOptions command{.name = "classify", .positional = "SCORES|CAPTURE|HEADS.json", .description = description()};
  // clang-format off
  command.visible.add_options()
      ("method", options::value<std::string>()->default_value("elbow"), "variance, elbow, diagonal or semantic-center")
      ("alpha", options::value<double>(), "share of contextual heads, in [0, 1]; needed by variance, optional for diagonal and semantic-center")
      ("branch", options::value<std::string>()->default_value("conditional"), "branch of guidance to classify by")
      ("step", options::value<std::string>()->default_value("last"), "step to classify by: a number from 0, or last")
      ("seed", options::value<std::uint64_t>()->default_value(0), "seed of the resamples")
      ("output,o", options::value<std::string>()->default_value("heads.json"), "file to write")
      ("compare", options::value<std::string>(), "another heads.json to compare with, e.g. a published one of datasets/published_heads")
      ("require", options::value<std::string>(), "with --compare: exit with 1 unless this holds, e.g. jaccard>=0.9,differing<=10; figures: "
                                                 "jaccard and kappa (of the contextual heads), agreement (share of equal heads), differing (heads)")
      ("heads", "print a line per head as well")
      ("json", "print JSON");
  // clang-format on
  command.hidden.add_options()("input", options::value<std::string>());
  command.positions.add("input", 1);
  return command;
}

/// Whether a file starts like HDF5; anything else is taken for JSON, whose reader then complains about what it is.
bool is_hdf5(const std::string& path) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
  std::string start(kSignature.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  return file.good() && start == kSignature;
}

bool is_capture(const std::string& path) {
  const Hdf5File file = Hdf5File::open(path);
  return file.has_attribute("/", "format") && file.text_attribute("/", "format") == "kvscope-capture";
}

HeadClassification classify_file(const std::string& path, const options::variables_map& values,
                                 std::ostream* progress) {
  const bool from_capture = is_capture(path);
  const Scores scores = from_capture ? compute_scores(Capture::open(path), {.progress = progress}) : read_scores(path);
  ClassifyOptions request{.method = values["method"].as<std::string>(),
                          .branch = values["branch"].as<std::string>(),
                          .step = step_option(values["step"].as<std::string>(), scores.steps),
                          .seed = values["seed"].as<std::uint64_t>()};
  if (given(values, "alpha")) request.alpha = values["alpha"].as<double>();
  HeadClassification found = classify_heads(scores, request);
  if (!from_capture) found.made_from["scores"] = {{"path", path}, {"sha256", sha256_of_file(path)}};
  return found;
}

std::string spread_text(const Json& spread) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", spread["mean"].get<double>(), spread["low"].get<double>(),
                     spread["high"].get<double>());
}

void print_split(const HeadClassification& found, std::ostream& out) {
  const Json& split = found.stability["split"];
  out << fmt::format("{} of {} heads are contextual, {} structural; contextual below {:.4g}\n",
                     found.count(HeadClass::kContextual), found.heads.size(), found.count(HeadClass::kStructural),
                     split["threshold"].get<double>());
  if (!split.contains("separation")) return;
  out << fmt::format(
      "split: {} (two kinds rather than one: BIC difference {:.1f}; Ashman's D {:.2f}, cleanly apart above 2; one "
      "mode: p "
      "{:.3f})\n",
      split["separation"].get<std::string>(), split["bic_difference"].get<double>(), split["ashman_d"].get<double>(),
      split["one_mode_p"].get<double>());
}

void print_stability(const HeadClassification& found, std::ostream& out) {
  const Json& stability = found.stability;
  if (!stability.contains("resamples")) {
    out << "stability: not measured (it takes two samples or more, and a score that is captured per sample)\n";
    return;
  }
  const Json& rho = stability["rank_correlation"];
  const double correlation = rho.is_number() ? rho.get<double>() : std::numeric_limits<double>::quiet_NaN();
  out << fmt::format("stability over {} samples: rank correlation of one sample with the others {:.3f}\n",
                     stability["samples"].get<std::int64_t>(), correlation)
      << "  Jaccard of the contextual heads, resamples with all:    " << spread_text(stability["jaccard_resamples"])
      << "\n  Jaccard of the contextual heads, two random halves:     " << spread_text(stability["jaccard_halves"])
      << '\n';
}

void print_classification(const HeadClassification& found, bool with_heads, std::ostream& out) {
  out << fmt::format("method {} on {}, {} branch, step {}\n", found.method,
                     found.parameters["score"].get<std::string>(), found.parameters["branch"].get<std::string>(),
                     found.parameters["step"].get<int>());
  print_split(found, out);
  out << '\n' << text_table(class_map_table(found)) << '\n';
  const Table borderline = borderline_table(found);
  if (!found.stability.contains("resamples")) {
    // Nothing is known about borderline heads then; print_stability() says why.
  } else if (borderline.empty()) {
    out << "no borderline heads\n\n";
  } else {
    out << text_table(borderline) << '\n';
  }
  print_stability(found, out);
  if (with_heads) out << '\n' << text_table(head_table(found));
}

void print_comparison(const HeadComparison& found, const std::string& first, const std::string& second,
                      std::ostream& out) {
  const auto kappa = found.kappa();
  out << fmt::format("{} (first) and {} (second): {} of {} heads differ\n", first, second, found.counts.differing(),
                     found.counts.total())
      << fmt::format("  both contextual {}, only first {}, only second {}, both structural {}\n", found.counts.both,
                     found.counts.only_first, found.counts.only_second, found.counts.neither)
      << fmt::format("  Jaccard of the contextual heads {:.4f}, Cohen's kappa {}, agreement {:.4f}\n", found.jaccard(),
                     kappa ? fmt::format("{:.4f}", *kappa) : "-", found.agreement());
  if (!found.differing.empty()) out << '\n' << text_table(differing_table(found));
}

double figure_of(const HeadComparison& comparison, std::string_view figure) {
  if (figure == "jaccard") return comparison.jaccard();
  if (figure == "agreement") return comparison.agreement();
  if (figure == "differing") return static_cast<double>(comparison.counts.differing());
  return comparison.kappa().value_or(std::numeric_limits<double>::quiet_NaN());
}

void warn_if_unclear(const HeadClassification& found, std::ostream& err) {
  const Json& split = found.stability["split"];
  if (split.contains("separation") && split["separation"] == "none") {
    err << "kvscope classify: the scores look like one kind of heads, so where they are split is arbitrary\n";
  }
}

}  // namespace

ExitStatus run_classify(const CommandContext& context) {
  const auto values = parse_options(classify_options(), context);
  if (!values) return 0;
  const auto input = required_option<std::string>(*values, "input");
  const bool compares = given(*values, "compare");
  if (given(*values, "require") && !compares) throw usage_error("--require needs --compare");
  std::vector<FigureBound> bounds;
  if (given(*values, "require")) bounds = parse_figure_bounds((*values)["require"].as<std::string>(), kFigures);
  const bool classifies = !compares || is_hdf5(input);
  const auto output = (*values)["output"].as<std::string>();

  // First, so that a wrong file to compare with is known before anything is written.
  const auto other_path = compares ? (*values)["compare"].as<std::string>() : std::string();
  const std::optional<HeadClassification> other = compares ? std::optional(read_heads(other_path)) : std::nullopt;
  const HeadClassification found = classifies ? classify_file(input, *values, &context.err) : read_heads(input);
  Json document = Json::object();
  const bool json = given(*values, "json");
  if (classifies) {
    write_heads(output, found);
    warn_if_unclear(found, context.err);
    document["classification"] = to_json(found);
    if (!json) {
      print_classification(found, given(*values, "heads"), context.out);
      context.out << "\nwritten: " << output << '\n';
    }
  }
  std::optional<HeadComparison> comparison;
  if (other) {
    const std::string& own_path = classifies ? output : input;
    comparison = compare_heads(found, own_path, *other, other_path);
    document["comparison"] = to_json(*comparison);
    if (!json) print_comparison(*comparison, own_path, other_path, context.out);
  }
  if (json) context.out << document.dump(2) << '\n';
  if (comparison) check_figure_bounds(bounds, [&](std::string_view figure) { return figure_of(*comparison, figure); });
  return 0;
}

}  // namespace kvscope
