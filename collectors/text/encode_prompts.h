#pragma once

#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/text/text_features.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace kvscope {

/// Tokens per prompt that Infinity was trained with, the end of sequence included (text_maxlen).
inline constexpr std::int64_t kDefaultTextTokens = 512;
inline constexpr std::int64_t kMostTextTokens = 4096;

/// Which prompts to turn into features, and with what.
struct TextEncoding {
  std::filesystem::path folder;                      ///< of transformers: config.json, spiece.model, weights
  std::vector<std::string> prompts;                  ///< see prompt_flaw
  bool last_is_negative = false;                     ///< messages call the last prompt so
  std::int64_t most_tokens = kDefaultTextTokens;     ///< longer prompts are cut; 2 to kMostTextTokens
  std::optional<std::int64_t> width;                 ///< of the features that a model reads; nothing: any
  ElementType compute_type = ElementType::kFloat32;  ///< see T5Encoder
  ComputeDevice device;
  std::ostream* messages = nullptr;  ///< for progress, and warnings of prompts that are cut; nullptr: silent
};

/// Runs a T5 encoder over the prompts: each on its own, several at a time on the CPU, so that bits depend neither on
/// the other prompts nor on the number of threads. The encoder's weights are let go at the end. Ctrl-C ends it between
/// prompts.
/// @throws Error  kBadInput naming what is wrong in the folder, the width of its features before the weights are read
///                included, or that features are not finite; kUsage for a prompt
///                that is none, a limit out of range or an impossible compute type; kEnvironment without SentencePiece
///                or the GPU asked for; kInterrupted.
[[nodiscard]] TextFeatures encode_prompts(const TextEncoding& encoding);

/// The same with all features 0 and without the encoder's weights: for estimates, which depend on lengths alone.
[[nodiscard]] TextFeatures measure_prompts(const TextEncoding& encoding);

}  // namespace kvscope
