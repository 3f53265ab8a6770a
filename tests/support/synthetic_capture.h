#pragma once

#include "collectors/base/array.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <vector>

namespace kvscope::testing {

/// 2 layers of 4 heads of size 8, two branches.
[[nodiscard]] ModelInfo synthetic_model();
/// Square scales of 1, 2, 3 and 4 tokens a side.
[[nodiscard]] StepTable synthetic_steps();

/// What write_synthetic_capture() makes: a small capture with known head types, complete and valid.
struct SyntheticCapture {
  ModelInfo model = synthetic_model();
  StepTable steps = synthetic_steps();
  std::int64_t samples = 3;
  /// Head type by (layer, head): true gives vertical stripes whose columns change from sample to sample,
  /// false a diagonal band on every source step. Empty: even heads are contextual.
  std::function<bool(int, int)> is_contextual;
  double noise = 0.1;      ///< share of the attention that is spread at random, in [0, 1]
  bool statistics = true;  ///< /statistics and /means
  bool maps = false;       ///< raw maps of every layer, head and step
  bool images = false;     ///< /samples/image, 8 x 8
  bool complete = true;
  std::uint64_t seed = 1;
};

/// The softmax map [N_k, T_k] that the capture is made from; rows sum to 1.
[[nodiscard]] Array<float> synthetic_map(const SyntheticCapture& capture, int layer, int head, int step,
                                         std::int64_t sample, int branch);

void write_synthetic_capture(const std::filesystem::path& path, const SyntheticCapture& capture);

/// A number in [0, 1) that depends on all keys and on nothing else.
[[nodiscard]] double synthetic_noise(std::initializer_list<std::uint64_t> keys);

}  // namespace kvscope::testing
