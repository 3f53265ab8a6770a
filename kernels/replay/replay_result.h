#pragma once

#include "analysis/interval.h"
#include "collectors/base/array.h"
#include "collectors/base/json_file.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What the compressed run lost against the full one in one step. Intervals are over samples.
struct ReplayStep {
  int step = 0;
  Interval token_agreement;      ///< share of tokens that are equal, in [0, 1]
  Interval kl;                   ///< KL(full || compressed) of softmax(guided logits), nats per token, >= 0
  Array<Interval> output_error;  ///< [layer, head]: |O_compressed - O_full| / |O_full|, Frobenius norm over the rows
                                 ///< of both branches, queries and channels of a sample
};

/// One comparison, step by step.
struct ReplayMode {
  std::vector<ReplayStep> steps;  ///< one per step of the table
  Interval token_agreement;       ///< over the tokens of all steps
  Interval kl;                    ///< nats per token, over the tokens of all steps
};

/// What a classifier of images says of both runs.
struct EvaluatorVerdict {
  Interval class_accuracy_full;        ///< how often it sees the asked-for class in the full run's image
  Interval class_accuracy_compressed;  ///< the same for the compressed run
  Interval class_agreement;            ///< how often both images get the same class
  /// Frechet distance of its features to the reference images. `mean` is the distance over all samples;
  /// it depends on their number. Absent without reference statistics.
  std::optional<Interval> frechet_full;
  std::optional<Interval> frechet_compressed;
};

/// The compressed run feeds on its own tokens: what a user gets.
struct FreeRunningReplay : ReplayMode {
  /// Mean over the pairs of images that differ, dB; infinite where all pairs are identical (in the file:
  /// null and "identical": true).
  Interval psnr;
  std::int64_t identical_images = 0;  ///< pairs of images that agree in every byte
  Interval ssim;
  std::optional<EvaluatorVerdict> evaluator;
};

/// One pair of images.
struct ReplaySample {
  std::int64_t sample = 0;
  std::int64_t label = 0;
  double token_agreement = 1.0;  ///< free-running, over all steps
  bool identical = false;        ///< the images agree in every byte; psnr is then infinite
  double psnr = 0.0;             ///< dB
  double ssim = 1.0;
  std::optional<int> class_full;  ///< what the evaluator sees
  std::optional<int> class_compressed;
};

/// Bytes of keys and values over all layers, heads and rows of the largest batch.
struct ReplayCacheBytes {
  std::int64_t rows = 0;                      ///< sequences that the figures are for: 2 x batch under guidance
  std::int64_t published_bytes = 0;           ///< all T_K tokens, keys in float32, values in 16 bit
  std::int64_t full_bytes = 0;                ///< all T_K tokens at the run's element types
  std::int64_t lossless_bytes = 0;            ///< T_K - N_K tokens: the last step is never read again
  std::int64_t predicted_bytes = 0;           ///< the plan's slots as stored, and quantisation parameters
  std::int64_t allocated_bytes = 0;           ///< measured: what the compressed cache allocated
  std::int64_t peak_bytes = 0;                ///< measured: the most the compressed cache held after a step
  std::int64_t baseline_allocated_bytes = 0;  ///< measured: the full cache of this run
  std::int64_t baseline_peak_bytes = 0;
  std::int64_t codes = 0;            ///< elements that became 8-bit codes, in all batches; 0 without 8-bit heads
  std::int64_t saturated_codes = 0;  ///< of these beyond what codes reach
  /// Measured, beside the cache: what cross attention reads of the prompts, each text once.
  std::int64_t text_bytes = 0;
};

/// Wall time of one step over all samples, in seconds.
struct ReplayStepSeconds {
  double full = 0.0;
  double compressed = 0.0;
};

/// Where the time went, in seconds over all samples. Attention and selection are parts of
/// `generation_compressed`; kernels that run on several threads count wall time. On a GPU, where calls only queue
/// work, the two are not told apart (kvscope profile does).
struct ReplaySeconds {
  std::vector<ReplayStepSeconds> steps;  ///< of the free-running comparison, else of the teacher-forced one
  double generation_full = 0.0;
  double generation_compressed = 0.0;  ///< the same run as `steps`
  std::optional<double> attention;     ///< of the compressed cache
  std::optional<double> selection;     ///< scores, top-k, compaction, merge
  double decoding = 0.0;               ///< tokens to images, both runs
  double evaluation = 0.0;             ///< evaluator, both runs
  double total = 0.0;
};

/// Memory of the GPU that a run was on: what its driver and LibTorch's allocator say, beside what the plan predicts.
/// Figures of caches are of the largest batch.
struct ReplayDeviceBytes {
  std::string name;                        ///< "cuda:0"
  std::int64_t total_bytes = 0;            ///< of the GPU (cudaMemGetInfo)
  std::int64_t used_bytes = 0;             ///< at the end of the run, by all processes (cudaMemGetInfo)
  std::int64_t reserved_peak_bytes = 0;    ///< the most LibTorch's allocator took from the driver
  std::int64_t allocated_peak_bytes = 0;   ///< the most of that in use: weights, activations, all caches of a batch
  std::int64_t cache_requested_bytes = 0;  ///< asked of the allocator while the compressed cache was made
  std::int64_t cache_overhead_bytes = 0;   ///< of these not keys and values: what a token is, counts, lists
  std::int64_t cache_workspace_bytes = 0;  ///< what the cache's overhead grew by while it was used
  /// cache_requested_bytes less keys, values and overhead; not 0: the books do not balance.
  std::int64_t unexplained_bytes = 0;
};

/// One demand of --require, and whether it holds.
struct ReplayRequirement {
  std::string figure;    ///< "psnr"
  std::string relation;  ///< ">=" or "<="
  double bound = 0.0;
  double value = 0.0;  ///< infinite PSNR of identical images: infinity (null in the file)
  bool holds = false;
};

/// replay.json ("kvscope-replay", version 1; docs/formats/replay.md and kernels/replay/replay.schema.json).
struct ReplayResult {
  std::string method;  ///< of the plan: "full", "hack", ...
  Json parameters;     ///< of the plan's method
  ModelInfo model;     ///< element types: those of the run
  StepTable steps;
  Json run;                           ///< command line, version, seed, sampling settings, dtype, batch, threads
  Json made_from;                     ///< {"plan": {"path", "sha256"}, ...}
  std::vector<ReplaySample> samples;  ///< image figures are absent (psnr 0) where nothing ran freely
  ReplayCacheBytes cache;
  std::int64_t process_peak_bytes = 0;      ///< largest resident set of the process, all of it
  std::optional<ReplayDeviceBytes> device;  ///< of runs on a GPU
  ReplaySeconds seconds;
  std::optional<ReplayMode> teacher_forced;
  std::optional<FreeRunningReplay> free_running;
  std::vector<ReplayRequirement> requirements;
  /// File name of the pictures beside replay.json ("kvscope-replay-images", version 1); empty: none.
  std::string images;

  [[nodiscard]] std::int64_t n_sample() const noexcept { return static_cast<std::int64_t>(samples.size()); }
};

[[nodiscard]] Json to_json(const ReplayResult& result);
/// @throws Error  kBadInput naming `where` and the field that is missing or of another shape.
[[nodiscard]] ReplayResult replay_from_json(const Json& json, std::string_view where);
[[nodiscard]] ReplayResult read_replay(const std::filesystem::path& path);
void write_replay(const std::filesystem::path& path, const ReplayResult& result);

}  // namespace kvscope
