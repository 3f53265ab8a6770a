#pragma once

#include "reports/atlas/head_maps.h"
#include "reports/atlas/report_inputs.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// The keys that a replay's first sample attended to at one step with one head (its key/value head's), conditional row;
/// null where the replay does not say.
[[nodiscard]] const KeptPositions* kept_positions(const NamedReplay& replay, HeadPlace head, int step);

/// The same over all keys: [T_k], 1 where kept; nothing where the replay does not say.
/// @throws Error  kBadInput naming the replay if it kept a key that does not exist.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> kept_keys(const NamedReplay& replay, HeadPlace head, int step);

/// What the kept keys belong to: "Kept by hack-50's own first sample (seed 7, label 0), conditional row; the map is the
/// capture's."
[[nodiscard]] std::string kept_origin(const NamedReplay& replay);

}  // namespace kvscope
