#pragma once

#include "reports/command_line/command.h"

namespace kvscope {

// One function per file command_NAME.cpp, in the order in which data flows.
[[nodiscard]] ExitStatus run_devices(const CommandContext& context);
[[nodiscard]] ExitStatus run_convert(const CommandContext& context);
[[nodiscard]] ExitStatus run_inspect(const CommandContext& context);
#ifdef KVSCOPE_HAS_TORCH
[[nodiscard]] ExitStatus run_collect(const CommandContext& context);
#endif
[[nodiscard]] ExitStatus run_analyze(const CommandContext& context);
[[nodiscard]] ExitStatus run_classify(const CommandContext& context);
#ifdef KVSCOPE_HAS_TORCH
[[nodiscard]] ExitStatus run_sensitivity(const CommandContext& context);
#endif
[[nodiscard]] ExitStatus run_plan(const CommandContext& context);
#ifdef KVSCOPE_HAS_TORCH
[[nodiscard]] ExitStatus run_replay(const CommandContext& context);
[[nodiscard]] ExitStatus run_compare(const CommandContext& context);
[[nodiscard]] ExitStatus run_profile(const CommandContext& context);
#endif
[[nodiscard]] ExitStatus run_export(const CommandContext& context);
[[nodiscard]] ExitStatus run_report(const CommandContext& context);
[[nodiscard]] ExitStatus run_demo(const CommandContext& context);

}  // namespace kvscope
