#pragma once

namespace kvscope {

/// From now on SIGINT and SIGTERM only set a flag, so that a run can flush before it ends; a second
/// signal ends the process at once.
void catch_interrupts();

/// True once a signal came.
[[nodiscard]] bool interrupted() noexcept;

/// Throws kInterrupted once a signal came; long loops call it between units of work.
void throw_if_interrupted();

}  // namespace kvscope
