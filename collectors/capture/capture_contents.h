#pragma once

#include "collectors/capture/capture.h"
#include "collectors/capture/map_selection.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// What a capture file stores, decided before the run.
struct CaptureContents {
  std::vector<CaptureQuantity> quantities;  ///< of /statistics and /means, in file order
  MapSelection maps;
  std::int64_t map_samples = 0;  ///< raw maps are stored of the first so many samples
  bool images = false;
};

/// All statistics and means, without the optional per-sample column mean, maps and images.
[[nodiscard]] CaptureContents default_contents();

/// Of what the contents are.
struct CaptureGeometry {
  ModelInfo model;
  StepTable steps;
  std::int64_t samples = 0;
  std::array<std::int64_t, 2> image_size = {0, 0};  ///< height, width; 0 where not known
  std::int64_t token_bits = 0;                      ///< of tokens that are words of bits; 0: tokens are numbers
};

/// One line of `collect --estimate`.
struct PartSize {
  std::string part;  ///< "maps", "images", "samples", "bookkeeping" (HDF5's headers and indices), or the dataset's
                     ///< name below /statistics or /means
  std::int64_t bytes = 0;  ///< in the finished file
};

[[nodiscard]] std::vector<PartSize> part_sizes(const CaptureContents& contents, const CaptureGeometry& geometry);
[[nodiscard]] std::int64_t total_bytes(const std::vector<PartSize>& parts);
/// What the file holds besides while it is written: two slots of sums in double.
[[nodiscard]] std::int64_t accumulator_bytes(const CaptureContents& contents, const CaptureGeometry& geometry);

/// Leaves out whole parts until the file fits, in this order: raw maps, per-sample column means, images,
/// thumbnails, displacement histograms, second moments and mean squares of columns, ranges, value norms
/// and mean outputs. Statistics per sample, column means and tokens always stay.
/// @param left_out  names of the parts dropped
/// @throws Error    kUsage with the least possible size if even that does not fit.
[[nodiscard]] CaptureContents contents_within(CaptureContents contents, const CaptureGeometry& geometry,
                                              std::int64_t max_bytes, std::vector<std::string>& left_out);

}  // namespace kvscope
