#include "reports/profile/profile_json.h"

#include "reports/profile/profile_tables.h"

namespace kvscope {
namespace {

Json overhead_json(const ProfileOverhead& overhead) {
  return {{"share", overhead.share()},
          {"lower_quartile", overhead.share(0.25)},
          {"upper_quartile", overhead.share(0.75)},
          {"predicted_share", overhead.predicted_share()},
          {"plain_seconds", overhead.plain_seconds},
          {"recorded_seconds", overhead.recorded_seconds},
          {"ranges", overhead.ranges},
          {"range_seconds", overhead.range_seconds}};
}

Json losses_json(const ProfileResult& result) {
  const ActivityLosses& losses = result.device.losses;
  return {{"host_ranges", result.timeline.host.dropped},
          {"device_dropped", losses.dropped},
          {"device_malformed", losses.malformed},
          {"device_unknown_kind", losses.unknown_kind},
          {"device_refused_buffers", losses.refused_buffers},
          {"device_without_call", result.attribution.without_correlation},
          {"device_outside_ranges", result.attribution.without_range}};
}

}  // namespace

Json profile_header(const ProfileResult& result) {
  Json header{{"format", "kvscope-profile"},
              {"version", 1},
              {"method", result.method},
              {"model", to_json(result.model)},
              {"steps", to_json(result.steps)},
              {"run", result.run},
              {"made_from", result.made_from},
              {"clock", result.has_device_records ? "host and GPU" : "host"},
              {"device_note", result.device_note},
              {"interrupted", result.interrupted},
              {"rows", result.rows},
              {"cache_bytes", result.cache_bytes},
              {"losses", losses_json(result)}};
  if (result.overhead) header["overhead"] = overhead_json(*result.overhead);
  return header;
}

Json profile_document(const ProfileResult& result, const ProfileSummary& summary) {
  Json document = profile_header(result);
  const TimeCoverage& coverage = summary.coverage;
  document["wall"] = {{"seconds", coverage.wall_seconds},
                      {"named_seconds", coverage.named_seconds},
                      {"unnamed_seconds", coverage.unnamed_seconds},
                      {"waiting_seconds", coverage.waiting_seconds},
                      {"outside_seconds", coverage.outside_seconds}};
  document["device"] = {{"busy_seconds", summary.device_busy_seconds},
                        {"attributed", result.attribution.attributed},
                        {"unattributed_seconds", summary.unattributed_device_seconds}};
  if (result.heads) {
    document["head_mode"] = result.heads->mode == HeadTimeMode::kModel ? "model" : "isolated";
    document["head_seconds"] = result.heads->sum_seconds;
  }
  for (const auto& [name, table] : profile_tables(result, summary)) document[name] = to_json(table);
  return document;
}

}  // namespace kvscope
