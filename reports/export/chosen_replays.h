#pragma once

#include "reports/atlas/report_inputs.h"
#include "reports/export/export_request.h"
#include "reports/export/map_places.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// The replays that a selection names, or all.
/// @throws Error  kUsage listing the replays for a name that is none.
[[nodiscard]] std::vector<const NamedReplay*> chosen_replays(const ReportInputs& inputs,
                                                             const ExportSelection& selection);

/// The keys of a captured map that a replay kept: [T_k], 1 where kept.
/// @throws Error  kUsage if the replay ran other steps than the capture, or has left no kept keys of this head and
/// step.
[[nodiscard]] std::vector<std::uint8_t> kept_of_map(const NamedReplay& replay, const Capture& capture,
                                                    const MapPlace& place);

}  // namespace kvscope
