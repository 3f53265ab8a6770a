#pragma once

#include "collectors/base/element_type.h"
#include "collectors/base/json_file.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/layer_storage.h"
#include "reports/command_line/options.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

struct TextFeatures;

/// What a run of a model was asked for on the command line; the same for every command that generates.
struct GenerationSettings {
  std::filesystem::path checkpoint;          ///< transformer; empty: the bundled model
  std::filesystem::path tokenizer;           ///< VQ decoder; empty exactly where `checkpoint` is
  std::filesystem::path text_features;       ///< of a model that takes text; else empty
  std::filesystem::path text_encoder;        ///< folder of what encodes `prompts`; empty where there are none
  std::vector<std::string> prompts;          ///< to be encoded before the model generates (prepare_text())
  std::string negative_prompt;               ///< the same, of the unconditional rows of all samples; empty: none
  std::shared_ptr<const TextFeatures> text;  ///< what `text_features` holds, or `prompts` have become
  std::shared_ptr<const TextFeatures> negative_text;  ///< what `negative_prompt` has become; else null
  std::vector<std::int64_t> labels;                   ///< as listed, classes or numbers of prompts; empty: all in turn
  std::optional<std::int64_t> samples;                ///< >= 1 where it was given
  std::uint64_t seed = 0;
  double guidance = 4.0;              ///< classifier-free guidance, >= 0; 3 where there is text and it was not given
  int top_k = 900;                    ///< >= 0; 0: all tokens
  double top_p = 0.95;                ///< in [0, 1]; 0 or 1: all tokens; 0.97 where there is text and it was not given
  std::optional<double> temperature;  ///< > 0; nothing: as the model is published
  std::vector<double> guidance_of_step, temperature_of_step;  ///< instead of these, one per scale; empty: these
  std::string image_size = "1M";                              ///< see EngineOptions
  double height_over_width = 1.0;                             ///< the same
  std::vector<int> scales;  ///< sides of the square scales; empty: what the weights determine
  int attention_heads = 0;  ///< heads per layer; 0: what the weights determine, else the published rule
  ElementType compute_type = ElementType::kFloat32;
  ComputeDevice device;
  LayerStorage layers = LayerStorage::kResident;
  std::optional<std::int64_t> max_memory;  ///< bytes that may be taken, >= 1; nothing: what is available
  std::int64_t batch = 8;                  ///< samples generated together, >= 1
  int threads = 0;                         ///< 0: all cores
  bool cuda_graphs = false;                ///< run steps from CUDA graphs; only with a GPU

  [[nodiscard]] bool takes_text() const { return text != nullptr || !prompts.empty(); }
  /// Whether any scale of a model that takes text mixes in what the unconditional rows say.
  [[nodiscard]] bool needs_unconditional_rows() const;
  [[nodiscard]] bool uses_bundled_model() const { return checkpoint.empty(); }
};

/// Samples of a run for which neither --labels nor --samples was given: the number of calibration samples
/// of HACK (arXiv 2504.09261, section 4.1).
inline constexpr std::int64_t kDefaultSamples = 50;

/// Adds the options of GenerationSettings to a command's --help, as a group of their own.
/// @param seed  where --seed is not given
void add_generation_options(options::options_description& visible, std::int64_t seed = 0);

/// Adds --cuda-graphs, for commands whose caches can be captured (step_graphs.h).
void add_graph_option(options::options_description& visible);

/// Reads them back; --labels-file, --prompts-file and --text-features are read here.
/// @throws Error  kUsage naming the option that is out of range or contradicts another; kBadInput for a file that is
///                missing or holds something else than labels, prompts or text features.
[[nodiscard]] GenerationSettings generation_settings(const options::variables_map& values);

/// That the run has text, but a model that generates classes.
[[nodiscard]] std::string no_text_message(const GenerationSettings& settings);

/// One label per sample of the run: the listed labels in that order, cycled through up to --samples. With text they are
/// numbers of prompts, and by default every prompt is taken once.
/// @param classes  of the model; 0: it takes text
/// @throws Error  kUsage naming a label outside [0, classes), or if text is missing or given to a model of classes.
[[nodiscard]] std::vector<std::int64_t> sample_labels(const GenerationSettings& settings, std::int64_t classes);

/// For the record of a run in the files it writes. Labels are left out: files hold one per sample.
[[nodiscard]] Json to_json(const GenerationSettings& settings);

}  // namespace kvscope
