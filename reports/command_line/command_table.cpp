#include "reports/command_line/command_functions.h"

#include <vector>

namespace kvscope {

std::span<const Command> commands() {
  // One line per entry, so that a build without LibTorch can leave some out.
  static const std::vector<Command> table = {
#ifdef KVSCOPE_HAS_TORCH
#endif
  };
  return table;
}

}  // namespace kvscope
