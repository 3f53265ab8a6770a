#pragma once

#include "collectors/models/golden.h"
#include "collectors/models/infinity_engine.h"
#include "collectors/text/text_features.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope::testing {

/// What the published implementation of Infinity computed with random weights (tests/data/README.md), and the options
/// it ran with.
struct InfinityGolden {
  explicit InfinityGolden(std::string_view name);

  std::string name;
  GoldenFile values;
  InfinityEngineOptions options;
  std::shared_ptr<const TextFeatures> text;
  double temperature = 1.0;

  [[nodiscard]] std::unique_ptr<InfinityEngine> load(ElementType compute_type = ElementType::kFloat32,
                                                     std::optional<RowExecution> rows = std::nullopt) const;
  /// The request whose outcome the file holds: all prompts, top-k 1.
  [[nodiscard]] GenerationRequest request() const;
};

[[nodiscard]] std::vector<std::string> infinity_golden_names();

}  // namespace kvscope::testing
