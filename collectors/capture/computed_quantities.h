#pragma once

#include "collectors/base/array.h"
#include "collectors/capture/capture.h"
#include "collectors/hdf5/hdf5_file.h"

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace kvscope {

/// Quantities of a capture that were computed from its raw maps, kept until the capture is closed.
class ComputedQuantities {
 public:
  /// Of which capture.
  struct Source {
    const ModelInfo& model;
    const StepTable& steps;
    std::int64_t samples;
  };
  /// What is computed, by step.
  using Work = std::map<int, std::vector<CaptureQuantity>>;

  [[nodiscard]] bool has(const CaptureQuantity& quantity, int step) const;
  /// @throws std::out_of_range  where has() is false
  [[nodiscard]] const Array<float>& at(const CaptureQuantity& quantity, int step) const;

  /// Computes `work` step by step, each in one pass over its maps, which all have to be there.
  MapPassReport compute(const Hdf5File& file, const Source& source, const Work& work, const MapPassRequest& request);

  /// `asked` first, and all that one pass over the maps gives besides: they are read anyway. The large column mean
  /// of every sample is left to those who ask for it.
  [[nodiscard]] static std::vector<CaptureQuantity> along_with(const CaptureQuantity& asked);

 private:
  std::map<std::string, Array<float>> arrays_;  ///< by dataset path
};

}  // namespace kvscope
