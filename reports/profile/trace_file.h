#pragma once

#include "kernels/profile/profile_result.h"

#include <filesystem>

namespace kvscope {

/// Writes a profile in the Trace Event Format that ui.perfetto.dev and chrome://tracing open
/// (docs/formats/profile.md): a complete event ("X") per range of a host thread and per work of a GPU, a counter of
/// the cache's bytes, names of processes and threads. Gzipped where the name ends in ".gz". Times are in us from the
/// start of the first pass.
/// @throws Error  kEnvironment if the file cannot be written.
void write_trace(const std::filesystem::path& path, const ProfileResult& result);

}  // namespace kvscope
