#include "reports/command_line/command_functions.h"

#include <vector>

namespace kvscope {

std::span<const Command> commands() {
  static const std::vector<Command> table = {
      // clang-format off: one line per command, in the order in which data flows
      {"devices", "list this machine's threads, memory and GPUs", run_devices},
      {"convert", "write a checkpoint's tensors as safetensors", run_convert},
      {"inspect", "say what a checkpoint, capture or result file holds, and check it", run_inspect},
#ifdef KVSCOPE_HAS_TORCH
      {"collect", "generate images and record every attention head: capture.h5", run_collect},
#endif
      {"analyze", "score every head of a capture: scores.h5", run_analyze},
      {"classify", "decide which heads are contextual and which structural: heads.json", run_classify},
#ifdef KVSCOPE_HAS_TORCH
      {"sensitivity", "price what every head loses by how few tokens: sensitivity.h5", run_sensitivity},
#endif
      {"plan", "decide how many tokens every head keeps; show, check and compare plans", run_plan},
#ifdef KVSCOPE_HAS_TORCH
      {"replay", "generate with a plan's compressed cache beside the full one and compare", run_replay},
      {"compare", "plan and replay methods against each other at equal bytes: compare.json", run_compare},
      {"profile", "generate and say where the time goes: per scale, layer, phase, head and GPU kernel", run_profile},
#endif
      {"export", "write any picture and its numbers as files: SVG, PNG, PDF, CSV, NPY", run_export},
      {"report", "pictures and tables of everything, as one page that opens offline", run_report},
#ifdef KVSCOPE_HAS_TORCH
      {"demo", "the whole chain on the bundled model, in one go", run_demo},
#endif
      // clang-format on
  };
  return table;
}

}  // namespace kvscope
