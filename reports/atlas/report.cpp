#include "reports/atlas/report.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// What was found, in a sentence or two.
std::string lede_of(const ReportInputs& inputs) {
  std::string lede;
  if (inputs.heads && !inputs.heads->heads.empty()) {
    const auto n_head = inputs.heads->heads.size();
    const int contextual = inputs.heads->count(HeadClass::kContextual);
    lede = fmt::format("{} of {} heads are classified as contextual, {} as structural.", contextual, n_head,
                       n_head - static_cast<std::size_t>(contextual));
  } else if (inputs.capture) {
    lede = fmt::format("Attention of {} samples.", inputs.capture->samples());
  }
  if (!inputs.replays.empty()) {
    lede += fmt::format("{}{} {} replayed against the full cache.", lede.empty() ? "" : " ", inputs.replays.size(),
                        inputs.replays.size() == 1 ? "plan was" : "plans were");
  }
  return lede;
}

}  // namespace

Report make_report(const ReportInputs& inputs, const ReportOptions& options) {
  Report report;
  std::vector<Section> sections;
  const auto add = [&](Section section) {
    (section.complete ? report.complete_sections : report.incomplete_sections).push_back(section.id);
    sections.push_back(std::move(section));
  };
  add(summary_section(inputs, report.folder));
  add(heads_section(inputs, options, report.folder));
  add(scores_section(inputs, options, report.folder));
  add(maps_section(inputs, options, report.folder));
  add(budgets_section(inputs, options, report.folder));
  add(replay_section(inputs, options, report.folder));
  add(images_section(inputs, report.folder));
  add(provenance_section(inputs, report.folder));
  report.folder.add_page(page_html(model_title(inputs), lede_of(inputs), sections));
  return report;
}

}  // namespace kvscope
