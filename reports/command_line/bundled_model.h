#pragma once

#include <filesystem>

namespace kvscope {

/// The small trained VAR that comes with kvscope (datasets/sample_model).
struct BundledModel {
  std::filesystem::path transformer;
  std::filesystem::path tokenizer;
  std::filesystem::path evaluator;
  std::filesystem::path evaluator_features;
};

/// Where `datasets/` is: $KVSCOPE_DATASETS, else the installed or the source tree's folder.
/// @throws Error  kEnvironment naming the places searched.
[[nodiscard]] std::filesystem::path datasets_folder();

/// @throws Error  kEnvironment if a file of it is missing.
[[nodiscard]] BundledModel bundled_model();

}  // namespace kvscope
