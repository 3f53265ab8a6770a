#include "reports/atlas/report.h"

#include "reports/atlas/atlas_data.h"
#include "reports/atlas/atlas_heads.h"
#include "reports/atlas/encoding.h"
#include "reports/atlas/page.h"

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

/// What the header of the payloads and their <script> elements may take beyond what atlas_heads() counts.
constexpr std::int64_t kPageReserve = 8192;

/// The page within its size: what the sections leave is for attention.
std::string page_within(const ReportInputs& inputs, const ReportOptions& options, PageContent content,
                        std::vector<std::string>& left_out) {
  Json data = atlas_json(inputs, options);
  content.data = script_json(data);
  const auto fixed = static_cast<std::int64_t>(page_html(content).size()) + kPageReserve;
  AtlasHeads heads = atlas_heads(inputs, options.max_bytes - fixed);
  left_out = heads.header.value("left_out", std::vector<std::string>());
  data["attention"] = std::move(heads.header);
  data["max_bytes"] = options.max_bytes;
  content.data = script_json(data);
  content.heads = std::move(heads.payloads);
  return page_html(content);
}

}  // namespace

Report make_report(const ReportInputs& inputs, const ReportOptions& options) {
  Report report;
  PageContent content;
  content.title = model_title(inputs);
  content.lede = lede_of(inputs);
  const auto add = [&](const char* page, Section section) {
    (section.complete ? report.complete_sections : report.incomplete_sections).push_back(section.id);
    section.page = page;
    content.sections.push_back(std::move(section));
  };
  add("heads", summary_section(inputs, report.folder));
  add("heads", maps_section(inputs, options, report.folder));
  add("classification", heads_section(inputs, options, report.folder));
  add("classification", scores_section(inputs, options, report.folder));
  add("sensitivity", sensitivity_section(inputs, options, report.folder));
  add("plan", budgets_section(inputs, options, report.folder));
  add("replay", replay_section(inputs, options, report.folder));
  add("replay", images_section(inputs, report.folder));
  add("compare", compare_section(inputs, report.folder));
  add("provenance", provenance_section(inputs, report.folder));
  report.folder.add_page(page_within(inputs, options, std::move(content), report.left_out));
  return report;
}

}  // namespace kvscope
