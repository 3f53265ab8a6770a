#pragma once

#include "collectors/capture/capture_writer.h"
#include "collectors/hdf5/hdf5_file.h"

namespace kvscope {

/// The `run` attribute of a capture.
[[nodiscard]] Json run_attribute(const CapturePlan& plan);

/// Makes every group, dataset and attribute of a capture of `plan`, in full size and filled with zeros:
/// after it, nothing in the file moves any more.
void make_capture_skeleton(Hdf5File& file, const CapturePlan& plan);

/// How a dataset whose first `leading` axes are written one by one is cut into checksummed chunks of at
/// most 1 MiB.
[[nodiscard]] DatasetLayout checksummed(const Shape& shape, std::size_t leading, std::int64_t element_bytes);

/// Chunks of a raw map: the strips in which it is computed.
[[nodiscard]] Shape map_chunk(const Shape& shape);

}  // namespace kvscope
