#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kvscope {

/// Positions among the keys of `step` (0 .. T_k - 1) that one key/value head attended to, ascending.
struct KeptPositions {
  int layer = 0;
  int head = 0;  ///< key/value head
  int step = 0;
  std::vector<std::int32_t> positions;
};

/// What a replay shows: images of both runs, and which tokens the heads attended to.
/// HDF5, "kvscope-replay-images", version 1 (docs/formats/replay.md); lies beside replay.json, which names it.
struct ReplayImages {
  Array<std::uint8_t> full;          ///< [sample, height, width, 3], RGB
  Array<std::uint8_t> compressed;    ///< the same of the free-running compressed run
  std::vector<std::int64_t> labels;  ///< [sample]
  std::vector<std::string> prompts;  ///< [sample], or none: of a model without text, or where it is not known
  /// Of the conditional row of the first sample in the compressed run; in order of (layer, head, step).
  std::vector<KeptPositions> kept;
};

/// @throws Error  kBadInput naming the file and the dataset that is missing or of another shape.
[[nodiscard]] ReplayImages read_replay_images(const std::filesystem::path& path);
/// Writes to path.partial first and renames.
void write_replay_images(const std::filesystem::path& path, const ReplayImages& images);

}  // namespace kvscope
