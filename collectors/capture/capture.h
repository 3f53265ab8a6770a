#pragma once

#include "collectors/base/array.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// Everything a capture can hold per step, as data: the HDF5 name, its unit, its axes and what it is.
/// Axis letters: n sample, b branch, l layer, h head, g key/value head, s source step, t key, d channel.
struct CaptureQuantity {
  std::string_view name;         ///< name of the dataset below its group
  std::string_view axes;         ///< e.g. "nblh", "blht"
  std::string_view unit;         ///< "1", "nat"
  std::string_view description;  ///< one sentence
};

/// Kept per sample, below /statistics/step_KK. A is the softmax map [N_k, T_k] of one head.
/// All are float32; sums over queries are divided by N_k.
namespace statistic {
inline constexpr CaptureQuantity kColumnVariance{
    "column_variance", "nblh", "1", "Sum over keys of the population variance over queries (HACK, section 3)."};
inline constexpr CaptureQuantity kSquareSum{"square_sum", "nblh", "1", "(1/N_k) times the sum of all squared weights."};
inline constexpr CaptureQuantity kEntropy{"entropy", "nblh", "nat", "Entropy of a query's weights, mean over queries."};
inline constexpr CaptureQuantity kFidelity{
    "fidelity", "nblh", "1",
    "Relative error (Frobenius norm) of softmax(QK^T)V from the statistics' pass against the model's own output."};
inline constexpr CaptureQuantity kSourceMass{"source_mass", "nblhs", "1",
                                             "Attention that goes to each source step, mean over queries."};
inline constexpr CaptureQuantity kSourceSquareSum{"source_square_sum", "nblhs", "1",
                                                  "(1/N_k) times the sum of squared weights on each source step."};
inline constexpr CaptureQuantity kBandMass{"band_mass", "nblhsr", "1",
                                           "Attention within Chebyshev distance r (attribute radii) of the query's "
                                           "corresponding place in each source step, mean over queries."};
}  // namespace statistic

/// Kept as means over samples, below /means/step_KK.
namespace mean_statistic {
inline constexpr CaptureQuantity kColumnMean{"column_mean", "blht", "1",
                                             "abar_j: attention to key j, mean over queries and samples."};
inline constexpr CaptureQuantity kColumnMeanSquare{"column_mean_square", "blht", "1",
                                                   "Mean over samples of the squared per-sample column mean."};
inline constexpr CaptureQuantity kColumnSecondMoment{"column_second_moment", "blht", "1",
                                                     "(1/N_k) sum_i A_ij^2, mean over samples."};
inline constexpr CaptureQuantity kValueNorm{"value_norm", "blgt", "1", "||V_j||_2, mean over samples."};
inline constexpr CaptureQuantity kKeyRange{"key_range", "blg3d", "1",
                                           "Minimum, maximum and mean per channel over this step's own keys."};
inline constexpr CaptureQuantity kValueRange{"value_range", "blg3d", "1",
                                             "Minimum, maximum and mean per channel over this step's own values."};
inline constexpr CaptureQuantity kOutputMean{"output_mean", "blhd", "1",
                                             "Attention output, mean over queries and samples."};
inline constexpr CaptureQuantity kDisplacement{
    "displacement", "blhsTYX", "1",
    "Mass by (dt, dy, dx) between a key and the query's corresponding place per source step, clipped."};
inline constexpr CaptureQuantity kThumbnail{"thumbnail", "blhij", "1",
                                            "Map pooled to at most 64 x 64, mean over samples."};
}  // namespace mean_statistic

/// Chebyshev radii of band_mass, in tokens of the source grid.
inline constexpr int kBandRadii[] = {0, 1, 2, 4};
/// Displacements beyond this many tokens are counted in the outermost bin.
inline constexpr int kDisplacementRadius = 8;
/// Side of the largest thumbnail.
inline constexpr int kThumbnailSide = 64;

/// Which raw maps one (layer, head, step) of a capture has: [sample, branch, N_k, T_k].
struct CapturedMap {
  int layer = 0;
  int head = 0;
  int step = 0;
};

/// What Capture::compute_from_maps() is asked for.
struct MapPassRequest {
  /// Computed are those that the file does not hold and that follow from maps; the rest is skipped. Moments of
  /// columns (column_variance, square_sum, source_mass, column means, ...) cost the least, entropy some more,
  /// band_mass and displacement the most.
  std::vector<CaptureQuantity> quantities;
  std::vector<int> steps;                               ///< empty: all
  std::int64_t buffer_bytes = std::int64_t{256} << 20;  ///< most memory for maps on their way from the file
  std::ostream* progress = nullptr;                     ///< where to say how far it is; nullptr is silent
};

/// What a pass over the raw maps took.
struct MapPassReport {
  std::int64_t maps = 0;
  std::int64_t bytes = 0;         ///< size of these maps, as the file holds their elements
  std::int64_t buffer_bytes = 0;  ///< the most that was held of them at the same time
};

/// A capture file opened for reading ("kvscope-capture", version 1; docs/formats/capture.md).
///
/// Datasets are read on demand. Unknown datasets and attributes are ignored; an unknown `kind` of step
/// or version is refused by name.
class Capture {
 public:
  /// @throws Error  kBadInput if the file is not a capture, is cut short, or contradicts itself.
  [[nodiscard]] static Capture open(const std::filesystem::path& path);
  ~Capture();
  Capture(Capture&&) noexcept;
  Capture& operator=(Capture&&) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  [[nodiscard]] const ModelInfo& model() const noexcept;
  [[nodiscard]] const StepTable& steps() const noexcept;
  /// Samples whose data is in the file; in an incomplete capture fewer than were asked for.
  [[nodiscard]] std::int64_t samples() const noexcept;
  [[nodiscard]] bool complete() const noexcept;
  /// The run attribute: command line, versions, device, dtype, seeds.
  [[nodiscard]] const Json& run() const noexcept;
  /// SHA-256 of the file; computed at the first call.
  [[nodiscard]] const std::string& sha256() const;

  /// Whether `quantity` is stored, or can be computed from the raw maps in the file.
  [[nodiscard]] bool has(const CaptureQuantity& quantity, int step) const;
  /// One quantity of one step, with the axes of its declaration.
  /// Statistics that are absent while raw maps of *every* layer and head are there are computed from them.
  /// @throws Error  kBadInput naming the dataset if it is missing or has another shape.
  [[nodiscard]] Array<float> read(const CaptureQuantity& quantity, int step) const;

  /// Computes several quantities of several steps in one pass over the raw maps and keeps them for read(),
  /// which without it computes everything of its step at the first request. What was computed already is not
  /// computed again. Maps are streamed (map_stream.h), never held: memory is that of the results and
  /// request.buffer_bytes.
  /// @throws Error  kBadInput naming the dataset if it is cut short; kInterrupted.
  /// Cost: with moments only that of reading the maps; runs on thread_count() threads.
  MapPassReport compute_from_maps(const MapPassRequest& request) const;

  /// All raw maps in the file, by layer, head, step.
  [[nodiscard]] const std::vector<CapturedMap>& maps() const noexcept;
  [[nodiscard]] bool has_map(int layer, int head, int step) const;
  /// One raw map, [N_k, T_k].
  [[nodiscard]] Array<float> read_map(int layer, int head, int step, std::int64_t sample, int branch) const;
  /// Samples that have raw maps; the first of all samples.
  [[nodiscard]] std::int64_t map_samples() const noexcept;

  /// /samples/label, empty where the capture has none.
  [[nodiscard]] std::vector<std::int64_t> labels() const;
  [[nodiscard]] std::vector<std::uint64_t> seeds() const;
  /// /samples/prompt, empty where the capture has none.
  [[nodiscard]] std::vector<std::string> prompts() const;
  /// [sample, total tokens]; empty where there are none.
  [[nodiscard]] Array<std::int32_t> tokens() const;
  /// Of tokens that are words of bits: [sample, total tokens, bits], each 0 or 1; empty where there are none.
  [[nodiscard]] Array<std::uint8_t> bits() const;
  /// [sample, height, width, 3]; empty where there are none.
  [[nodiscard]] Array<std::uint8_t> images() const;

 private:
  struct Implementation;
  explicit Capture(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
