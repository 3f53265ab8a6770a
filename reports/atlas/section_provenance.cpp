#include "reports/atlas/sections.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <map>

namespace kvscope {
namespace {

/// What a capture's or replay's run attribute says, one line per field; long lists are left to the file itself.
std::string run_html(const std::string& heading, const Json& run) {
  if (!run.is_object() || run.empty()) return {};
  std::string html = fmt::format("<details><summary>{}</summary>\n<dl class=\"facts\">\n", escaped(heading));
  for (const auto& [key, value] : run.items()) {
    std::string text =
        value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 400) text = text.substr(0, 397) + "...";
    html += fmt::format("<div><dt>{}</dt><dd><code>{}</code></dd></div>\n", escaped(key), escaped(text));
  }
  return html + "</dl>\n</details>\n";
}

/// How a file without a command line came about: its method with all parameters, and the hashes of what it was made
/// from.
std::string origin_html(const std::string& method, const Json& parameters, const Json& made_from) {
  std::string html;
  if (!method.empty()) {
    html += fmt::format("<dd>method <code>{}</code>, parameters <code>{}</code></dd>", escaped(method),
                        escaped(parameters.dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
  if (!made_from.is_object()) return html;
  for (const auto& [kind, origin] : made_from.items()) {
    if (!origin.is_object() || !origin.contains("sha256") || !origin["sha256"].is_string()) continue;
    html += fmt::format("<dd class=\"hash\">from {} <code>{}</code></dd>", escaped(kind),
                        escaped(origin["sha256"].get<std::string>()));
  }
  return html;
}

/// The same for the `number`-th input of its kind.
std::string origin_of(const ReportInputs& inputs, const std::string& kind, std::size_t number) {
  if (kind == "scores")
    return origin_html("analyze", {{"band_radius", inputs.scores->band_radius}}, inputs.scores->made_from);
  if (kind == "plan") {
    const Plan& plan = inputs.plans.at(number).plan;
    return origin_html(plan.method, plan.parameters, plan.made_from);
  }
  if (kind == "compare") return origin_html({}, {}, inputs.compare->made_from);
  if (kind == "sensitivity") return origin_html({}, {}, inputs.sensitivity->made_from);
  if (kind == "replay") return origin_html({}, {}, inputs.replays.at(number).result.made_from);
  if (kind != "heads" && kind != "comparison") return {};
  const HeadClassification& heads = kind == "heads" ? *inputs.heads : inputs.comparisons.at(number).heads;
  return origin_html(heads.method, heads.parameters, heads.made_from);
}

}  // namespace

Section provenance_section(const ReportInputs& inputs, ReportFolder& folder) {
  Section section{"provenance", "Provenance", {}, true};
  Table table("Inputs", {{"input", "Input"}, {"path", "Path"}, {"sha256", "SHA-256"}, {"command_line", "Made by"}});
  section.html = "<p>Everything in this report follows from these files.</p>\n";
  for (const std::string& warning : inputs.warnings) section.html += missing_html(warning + ".");
  section.html += "<dl class=\"sources\">\n";
  std::map<std::string, std::size_t> numbers;
  for (const ReportSource& source : inputs.sources) {
    table.add_row({source.kind, source.path.string(), source.sha256, source.command_line});
    section.html +=
        fmt::format("<div><dt>{}</dt><dd><code>{}</code></dd><dd class=\"hash\">sha256 <code>{}</code></dd>",
                    escaped(source.kind), escaped(source.path.string()), escaped(source.sha256));
    if (!source.command_line.empty())
      section.html += fmt::format("<dd><code>{}</code></dd>", escaped(source.command_line));
    section.html += origin_of(inputs, source.kind, numbers[source.kind]++) + "</div>\n";
  }
  section.html +=
      fmt::format("</dl>\n<p class=\"files\">{}</p>\n", link_html(folder.add_table("inputs", table), "CSV"));
  if (inputs.capture) section.html += run_html("How the capture was made", inputs.capture->run());
  for (const NamedReplay& replay : inputs.replays)
    section.html += run_html("How " + replay.name + " was replayed", replay.result.run);
  if (const ModelInfo* model = inputs.model()) {
    section.html += fmt::format("<p>Model fingerprint <code class=\"hash\">{}</code>. Made by kvscope {}.</p>\n",
                                escaped(model->fingerprint), KVSCOPE_VERSION);
  } else {
    section.html += fmt::format("<p>Made by kvscope {}.</p>\n", KVSCOPE_VERSION);
  }
  return section;
}

}  // namespace kvscope
