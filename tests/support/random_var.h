#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

// VAR models with random weights, as files that every command and load_engine() can open: for measuring
// models whose weights nobody may pass on, and for tests that need a model of a geometry of their own.
//
//   const VarFiles files = write_random_var(folder, var_d16());
//   const auto engine = load_engine({.transformer = files.transformer, .tokenizer = files.tokenizer});
//
// Needs collectors alone: a program without the test support library lists random_var.cpp among its sources.
namespace kvscope::testing {

/// Geometry of a VAR transformer with normalised attention and unshared AdaLN, and of its tokenizer.
struct RandomVar {
  int depth = 2;
  int heads = 2;
  std::int64_t head_dim = 64;
  std::vector<int> sides = {1, 2, 3};
  std::int64_t vocabulary = 4096;
  std::int64_t latent_width = 32;
  std::int64_t classes = 1000;
  /// Channels of the tokenizer's finest level, a multiple of 32; the five levels have 1, 1, 2, 2 and 4 times as
  /// many. 160 as published, which takes as long as the transformer of VAR-d16; 32 decodes some 20 times faster.
  std::int64_t tokenizer_channels = 32;
  std::uint64_t seed = 0;
};

/// VAR-d16 at 256 x 256 pixels: 16 layers of 16 heads of 64, 680 tokens, but for `tokenizer_channels` as published.
[[nodiscard]] RandomVar var_d16();

struct VarFiles {
  std::filesystem::path transformer;
  std::filesystem::path tokenizer;
};

/// Writes transformer.safetensors and tokenizer.safetensors into `folder`, which must exist. Weights are normal
/// with the deviation of VAR's initialisation (0.02), temperatures 4, gains of norms 1. VAR-d16 takes 1.2 GB.
[[nodiscard]] VarFiles write_random_var(const std::filesystem::path& folder, const RandomVar& geometry);

}  // namespace kvscope::testing
