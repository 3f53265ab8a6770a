#pragma once

#include "collectors/base/array.h"
#include "collectors/gpu/compute_device.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace kvscope {

/// What an evaluator sees in images.
struct Evaluation {
  Array<float> features;     ///< [n, feature_size]
  std::vector<int> classes;  ///< [n]; the largest logit, the lower class of equals
};

/// A small image classifier that judges generated images: conv1 ... convN (3x3, padding 1), each followed
/// by ReLU, 2x2 max pooling after the second and the fourth, the mean over the map after the last (the
/// features), then fc to one logit per class. N, widths and classes are read from the tensors' shapes.
class Evaluator {
 public:
  /// @throws Error  kBadInput naming file and tensor that is missing, unexpected or wrongly shaped; kEnvironment for
  ///                a GPU that cannot be used.
  [[nodiscard]] static Evaluator open(const std::filesystem::path& path, const ComputeDevice& device = {});
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  [[nodiscard]] std::int64_t classes() const noexcept;
  [[nodiscard]] std::int64_t feature_size() const noexcept;

  /// Every image is computed on its own and on one thread, or one after the other on a GPU, so its bits depend
  /// neither on the others nor on the number of threads.
  /// @param images  [n, height, width, 3] uint8 RGB; each side at least 4
  [[nodiscard]] Evaluation evaluate(const Array<std::uint8_t>& images) const;

 private:
  struct Network;
  explicit Evaluator(std::unique_ptr<Network> network);
  std::unique_ptr<Network> network_;
};

/// Mean and covariance of an evaluator's features over reference images, for the Frechet distance.
struct FeatureStatistics {
  Array<double> mean;        ///< [d]
  Array<double> covariance;  ///< [d, d]
};

/// Reads the datasets `mean` and `covariance` of an HDF5 file.
/// @throws Error  kBadInput if they are missing or not of `feature_size`.
[[nodiscard]] FeatureStatistics read_feature_statistics(const std::filesystem::path& path, std::int64_t feature_size);

}  // namespace kvscope
