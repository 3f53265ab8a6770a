#pragma once

#include "collectors/capture/head_statistics.h"
#include "collectors/capture/map_sums.h"
#include "collectors/capture/step_statistics.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/hdf5/hdf5_file.h"

#include <cstdint>
#include <functional>

namespace kvscope {

/// Which raw maps are streamed and what is wanted of them.
struct MapStreamRequest {
  int step = 0;                   ///< maps of every layer and head at this step
  std::int64_t samples = 0;       ///< the first so many, all branches
  MapFigures figures;             ///< less costs less
  std::int64_t buffer_bytes = 0;  ///< most memory for maps; at least a block of some rows and one chunk are held
  std::function<void(std::int64_t weights)> advanced;  ///< called with the weights gone through since the last call
};

struct MapStreamReport {
  std::int64_t maps = 0;
  std::int64_t bytes = 0;         ///< size of the maps in the file's element type
  std::int64_t buffer_bytes = 0;  ///< the most that was held of them at the same time
};

/// The statistics of raw maps, read piece by piece and never held whole.
///
/// Maps that lie in the file as they are, are read past the HDF5 library by the threads that compute, into
/// buffers that stay in the caches; filtered ones go through the library, one thread reading while the others
/// compute (the library itself keeps up to 64 MiB of chunks). Everything runs on thread_count() threads. What is read
/// is cut the same way whatever the layout and the number of threads, so these change no bit of the results.
///
/// Agrees with statistics_of_map() to 1e-5, relative to the statistic (column_variance: relative to
/// square_sum, from which it is subtracted).
///
/// @param take  called for every map, one at a time; samples of one head in ascending order
/// @throws Error  kBadInput naming file and dataset if it is missing, cut short or of another shape;
///                kInterrupted.
MapStreamReport stream_maps(const Hdf5File& file, const ModelInfo& model, const StepTable& steps,
                            const MapStreamRequest& request,
                            const std::function<void(const HeadPlace&, const HeadStatistics&)>& take);

}  // namespace kvscope
