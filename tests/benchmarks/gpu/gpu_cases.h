#pragma once

#include "tests/benchmarks/gpu/attention_case.h"
#include "tests/benchmarks/gpu/selection_case.h"

#include <string>
#include <vector>

namespace kvscope::benchmark {

/// Attention of all scales of one layer, compressed and in full.
struct RealisedCase {
  const ModelSize* model = nullptr;
  std::int64_t images = 1;
  double compression = 0.0;
  Spread spread = Spread::kTwoClass;

  [[nodiscard]] std::vector<AttentionCase> scales() const;
  /// FLOP on all keys over those of the compressed one.
  [[nodiscard]] double flop_ratio() const;
  [[nodiscard]] std::string name() const;
};

/// A whole generation by a model of this size with random weights, run as a VAR transformer.
struct GenerationCase {
  const ModelSize* model = nullptr;
  std::int64_t images = 1;
  double compression = 0.0;  ///< of the plan; 0: none

  [[nodiscard]] std::string name() const;
};

// Cases, by benchmark. The first one of each is the smallest: what a quick run checks.
[[nodiscard]] std::vector<AttentionCase> ragged_cases();  ///< G1
[[nodiscard]] std::vector<AttentionCase> equal_cases();   ///< G2
[[nodiscard]] std::vector<AttentionCase> var_cases();     ///< G3
/// G4: a whole generation's attention in one layer, a case for each scale.
[[nodiscard]] std::vector<AttentionCase> generation_cases(const ModelSize& model, std::int64_t images,
                                                          double compression, Spread spread);
[[nodiscard]] std::vector<SelectionCase> selection_cases();  ///< G6
[[nodiscard]] std::vector<TopkCase> topk_cases();            ///< G7
[[nodiscard]] std::vector<RealisedCase> realised_cases();    ///< G4
[[nodiscard]] std::vector<GenerationCase> capture_cases();   ///< G8
[[nodiscard]] std::vector<GenerationCase> replay_cases();    ///< G9 and G10
[[nodiscard]] std::vector<GenerationCase> profile_cases();   ///< G11

}  // namespace kvscope::benchmark
