#pragma once

#include "collectors/base/json_file.h"
#include "collectors/capture/collect_time.h"
#include "collectors/models/engine.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace kvscope {

class StatisticsEngine;

/// What collect() does where NAME.partial of an earlier run is in the way.
enum class EarlierRun {
  kRefuse,   ///< kUsage; nothing is lost
  kReplace,  ///< start over
  kResume,   ///< go on with it; start where there is none
};

/// A capture to be made.
struct CollectRequest {
  std::filesystem::path output;
  std::vector<std::int64_t> labels;          ///< one per sample; see GenerationRequest
  std::shared_ptr<const TextFeatures> text;  ///< of a model that takes text
  std::uint64_t seed = 0;
  double guidance = 4.0;  ///< as GenerationRequest
  int top_k = 900;
  double top_p = 0.95;
  std::optional<double> temperature;                          ///< as GenerationRequest
  std::vector<double> guidance_of_step, temperature_of_step;  ///< the same
  std::shared_ptr<const TextFeatures> negative_text;          ///< the same
  std::int64_t batch = 8;                   ///< samples generated together; changes no bit of the file
  std::string maps = "none";                ///< see parse_map_selection()
  std::optional<std::int64_t> map_samples;  ///< raw maps of the first so many samples only; empty: of all
  bool images = false;
  bool keep_column_mean = false;          ///< the column means of every sample, too
  std::optional<std::int64_t> max_bytes;  ///< of the finished file; see contents_within()
  EarlierRun earlier_run = EarlierRun::kRefuse;
  std::string command_line;          ///< for provenance
  Json versions = Json::object();    ///< for provenance
  std::ostream* progress = nullptr;  ///< where to say how far it is; null: silent
  /// What computes the statistics; null: HostStatistics, on the CPU.
  std::shared_ptr<StatisticsEngine> statistics;
  /// Asked between batches; true ends the run as Ctrl-C does. Empty: interrupted().
  std::function<bool()> stop;
};

/// What a capture takes, found out without generating anything.
struct CollectEstimate {
  struct Part {
    std::string name;
    std::int64_t bytes = 0;
  };
  std::vector<Part> parts;             ///< of the finished file
  std::int64_t file_bytes = 0;         ///< their sum
  std::int64_t accumulator_bytes = 0;  ///< what the file holds besides while it is written
  std::int64_t memory_bytes = 0;       ///< statistics, KV cache and strips in memory; without the weights
  /// Memory in all, and what generating takes on this machine; nothing of engines that do not know their sizes, times
  /// only on a CPU.
  std::optional<MemoryNeed> memory;
  std::optional<CollectSeconds> seconds;
  std::vector<std::string> left_out;  ///< because of max_bytes
};

/// What collect() has done.
struct CollectResult {
  std::filesystem::path file;
  std::int64_t samples = 0;       ///< in the file
  std::int64_t resumed_from = 0;  ///< of these, made by an earlier run
  std::int64_t file_bytes = 0;
  double seconds = 0.0;           ///< of this run
  double observer_seconds = 0.0;  ///< of these, spent on statistics and maps
  double write_seconds = 0.0;     ///< of these, spent on the file
  std::vector<std::string> left_out;
};

/// Bytes of memory that collect() holds beside what generating takes, before a model is loaded.
/// @param request  labels do not matter
[[nodiscard]] std::int64_t statistics_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape,
                                                   const CollectRequest& request);

/// @throws Error  kUsage for a selection or a byte limit that is impossible.
[[nodiscard]] CollectEstimate estimate_collect(const Engine& engine, const CollectRequest& request);

/// Generates the samples, records every attention call, and writes the capture. The file is flushed after
/// every batch, but not more often than costs a twentieth of the time, and at least every 30 s (a batch
/// that takes longer is flushed when it ends).
/// @throws Error  kUsage for labels out of range and the like, before anything is written; kInterrupted
///                after a stop, with everything up to the last batch in NAME.partial; kEnvironment if the
///                disk is full, with everything up to the last flush there.
[[nodiscard]] CollectResult collect(const Engine& engine, const CollectRequest& request);

/// Generates the first scale of the first sample: runs that are timed afterwards all find the weights in memory.
void touch_weights(const Engine& engine, const CollectRequest& request);

/// Seconds that generating `request`'s samples takes without recording anything, in the same batches.
[[nodiscard]] double plain_generation_seconds(const Engine& engine, const CollectRequest& request);

}  // namespace kvscope
