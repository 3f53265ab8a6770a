#pragma once

#include "reports/atlas/atlas_detail.h"
#include "reports/atlas/report_inputs.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// Everything the page knows of single heads' attention.
struct AtlasHeads {
  AtlasDetail detail;
  Json header;                        ///< how to read the payloads: codes, shapes of maps, what was left out
  std::vector<std::string> payloads;  ///< JSON for a <script> element, one for each head in (layer, head) order
};

/// Maps at every captured step, column means and their spread, mass and band mass by source, displacement histograms,
/// kept keys of the replays, and the most similar heads; in as much detail as fits.
///
/// @param max_bytes  for all payloads together
/// @throws Error  kUsage naming the least size if even the last rung of detail_ladder() does not fit.
/// Empty without a capture and without replays that kept positions.
[[nodiscard]] AtlasHeads atlas_heads(const ReportInputs& inputs, std::int64_t max_bytes);

/// Bytes that atlas_heads() will take, from above.
[[nodiscard]] std::int64_t payload_bytes(const ReportInputs& inputs, const AtlasDetail& detail);

}  // namespace kvscope
