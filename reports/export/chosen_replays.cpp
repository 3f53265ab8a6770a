#include "reports/export/chosen_replays.h"

#include "reports/export/selection.h"
#include "reports/figures/kept_keys.h"

#include <algorithm>

namespace kvscope {

std::vector<const NamedReplay*> chosen_replays(const ReportInputs& inputs, const ExportSelection& selection) {
  std::vector<std::string> names;
  for (const NamedReplay& replay : inputs.replays) names.push_back(replay.name);
  std::vector<const NamedReplay*> replays;
  for (const std::string& name : chosen_names(selection.only, names, names, "replay"))
    replays.push_back(&*std::ranges::find(inputs.replays, name, &NamedReplay::name));
  return replays;
}

std::vector<std::uint8_t> kept_of_map(const NamedReplay& replay, const Capture& capture, const MapPlace& place) {
  if (replay.result.steps != capture.steps()) {
    throw usage_error("{} was replayed with the steps {}, but {} has {}", replay.name, describe(replay.result.steps),
                      capture.path().string(), describe(capture.steps()));
  }
  auto kept = kept_keys(replay, {place.layer, place.head}, place.step);
  if (!kept) {
    throw usage_error("{} has left no kept keys of layer {} head {} at step {}; kvscope replay --images records them",
                      replay.name, place.layer, place.head, place.step);
  }
  return std::move(*kept);
}

}  // namespace kvscope
