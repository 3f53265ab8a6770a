#pragma once

#include "collectors/base/array.h"
#include "collectors/base/json_file.h"
#include "collectors/capture/capture_contents.h"
#include "collectors/capture/step_statistics.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kvscope {

/// Everything about a capture that is decided before its first sample.
struct CapturePlan {
  CaptureGeometry geometry;
  CaptureContents contents;
  std::vector<std::int64_t> labels;  ///< [samples]
  std::vector<std::string> prompts;  ///< [samples], or none
  std::vector<std::uint64_t> seeds;  ///< [samples]
  /// What decides a sample's bits: resuming needs the same values, compared field by field.
  Json settings;
  /// The run attribute besides the settings: command line, versions, device, what was left out.
  Json provenance;
  std::int64_t batch = 1;  ///< most samples per add_samples()
};

/// Writes a capture ("kvscope-capture", version 1), sample by sample, into NAME.partial, which finish()
/// renames to NAME.
///
/// The file is made in full size at once (under yet another name, NAME.partial.layout, until that is
/// done), so that NAME.partial is a capture from the start, a full disk shows before anything runs and later writes
/// go to places of their own. Per-sample data lies in chunks of one sample. The sums behind /means are
/// written to two slots in turn; the attribute `samples` of the file is written last and says which data
/// and which slot count. A kill at any moment therefore loses what came after the last flush and nothing
/// else, and a reader or resume() sees the state of that flush.
///
/// Not thread safe but for write_map_rows().
class CaptureWriter {
 public:
  /// @throws Error  kEnvironment if the disk is full or the folder cannot be written.
  [[nodiscard]] static CaptureWriter create(const std::filesystem::path& path, const CapturePlan& plan);
  /// Goes on with NAME.partial.
  /// @throws Error  kBadInput if it is missing or was made from another model or other settings, which it names.
  [[nodiscard]] static CaptureWriter resume(const std::filesystem::path& path, const CapturePlan& plan);
  ~CaptureWriter();
  CaptureWriter(CaptureWriter&&) noexcept;
  CaptureWriter& operator=(CaptureWriter&&) noexcept;

  [[nodiscard]] const std::filesystem::path& partial() const noexcept;
  /// Samples added so far, those of an earlier run included.
  [[nodiscard]] std::int64_t samples() const noexcept;

  /// Where the figures of the next samples go; place.sample counts from 0 within the batch.
  [[nodiscard]] StepStatistics& statistics(int step);
  /// Rows [first_query, first_query + rows) of the raw map of a sample of the batch; thread safe.
  /// @param rows  [1, 1, rows, T_k]
  void write_map_rows(int layer, int head, int step, std::int64_t sample_in_batch, std::int64_t branch,
                      std::int64_t first_query, const Array<float>& rows);
  /// Completes the next `tokens.extent(0)` samples: their figures are in statistics() and their maps written.
  /// @param tokens  [count, total tokens]; of words of bits [count, total tokens, bits], each 0 or 1
  /// @param images  [count, height, width, 3], or empty
  void add_samples(const Array<std::int32_t>& tokens, const Array<std::uint8_t>& images);

  /// Makes everything added so far survive a kill of the process. Cost: the sums, accumulator_bytes() / 2.
  void flush();
  /// Flushes, writes /means, marks the file complete and renames it.
  void finish();

 private:
  struct Implementation;
  explicit CaptureWriter(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
