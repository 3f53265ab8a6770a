#pragma once

#include "collectors/capture/capture.h"
#include "reports/export/export_request.h"
#include "reports/pictures/attention_picture.h"

#include <string>
#include <vector>

namespace kvscope {

/// One raw map of a capture.
struct MapPlace {
  int layer = 0;
  int head = 0;
  int step = 0;
  int sample = 0;
  int branch = 0;
  std::string branch_name;

  /// "layer_03_head_02_step_05_sample_000_conditional": for names of files.
  [[nodiscard]] std::string file_words() const;
  /// "Layer 3, head 2, queries of 8×8, sample 0, conditional".
  [[nodiscard]] std::string title(const StepTable& steps) const;
  /// That gives this map alone.
  [[nodiscard]] ExportSelection selection() const;
};

/// The raw maps that a selection names, in the order of steps, layers, heads, samples, branches; heads and steps
/// without raw maps are passed over unless layers and heads are named. Samples: those wanted, or the first.
/// @throws Error  kUsage if there are none, or what is named has none.
[[nodiscard]] std::vector<MapPlace> chosen_maps(const Capture& capture, const ExportSelection& selection);

/// Every weight of one map, [N_k, T_k].
[[nodiscard]] Array<float> read_map(const Capture& capture, const MapPlace& place);

/// A line per query: its place, then its weight of every key. Pooled maps have cells instead of queries and keys.
/// Weights are the shortest text that reads back to the same float32.
[[nodiscard]] std::string map_csv(const AttentionView& map, const StepTable& steps);

}  // namespace kvscope
