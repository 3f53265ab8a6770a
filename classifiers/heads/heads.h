#pragma once

#include "collectors/base/json_file.h"
#include "collectors/geometry/model_info.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// The two kinds of attention heads of VAR models (HACK, arXiv 2504.09261, section 3).
enum class HeadClass {
  kContextual,  ///< vertical stripes; survives strong compression
  kStructural,  ///< one diagonal band per source scale; does not
};

/// "contextual", "structural": the spelling in every file.
[[nodiscard]] std::string_view head_class_name(HeadClass head_class) noexcept;
[[nodiscard]] std::optional<HeadClass> head_class_from_name(std::string_view name) noexcept;

/// The verdict on one head.
struct ClassifiedHead {
  int layer = 0;
  int head = 0;
  HeadClass head_class = HeadClass::kStructural;
  double score = 0.0;   ///< what the method sorts by; its meaning is the method's
  double margin = 0.0;  ///< distance of the score from the split, in the method's own scale, >= 0
  /// Share of the resamples of the samples that give the same class, in [0, 1]; empty where nothing was resampled.
  std::optional<double> confidence;
  /// Probability of being contextual in a mixture of two kinds, in [0, 1]; empty in methods without one.
  std::optional<double> posterior;
};

/// A head with a confidence below this is called borderline.
inline constexpr double kBorderlineConfidence = 0.95;

/// heads.json ("kvscope-heads", version 1; docs/formats/heads.md).
struct HeadClassification {
  std::string method;  ///< "variance", "elbow", "diagonal", "semantic-center", "published", ...
  Json parameters;     ///< of the method, all of them, also defaults
  int layers = 0;
  int heads_per_layer = 0;
  std::vector<ClassifiedHead> heads;  ///< layers * heads_per_layer, in (layer, head) order
  std::optional<ModelInfo> model;     ///< absent in published maps, which name no weights
  Json made_from;                     ///< path and sha256 of each input; null where there is none
  Json stability;                     ///< what the classifier found out about itself; null if nothing

  [[nodiscard]] const ClassifiedHead& at(int layer, int head) const {
    return heads.at(static_cast<std::size_t>(layer) * static_cast<std::size_t>(heads_per_layer) +
                    static_cast<std::size_t>(head));
  }
  [[nodiscard]] int count(HeadClass head_class) const;
  /// Heads whose confidence is known and below kBorderlineConfidence; least certain first.
  [[nodiscard]] std::vector<ClassifiedHead> borderline() const;
};

/// The class map as text, a line per layer: "CCSC", C contextual, S structural.
[[nodiscard]] std::vector<std::string> class_map(const HeadClassification& classification);

[[nodiscard]] Json to_json(const HeadClassification& classification);
/// @throws Error  kBadInput naming `where` and the entry that is missing, double or out of order.
[[nodiscard]] HeadClassification heads_from_json(const Json& json, std::string_view where);
[[nodiscard]] HeadClassification read_heads(const std::filesystem::path& path);
void write_heads(const std::filesystem::path& path, const HeadClassification& classification);

}  // namespace kvscope
