#pragma once

#include "collectors/base/array.h"
#include "reports/pictures/attention_picture.h"

#include <vector>

namespace kvscope {

/// The maps of one head.
struct PaperHead {
  int layer = 0;
  int head = 0;
  std::vector<std::vector<Array<float>>> maps;  ///< [sample][step], each [N_k, T_k]
};

/// What a paper shows of both kinds of heads, laid out as HACK's figure 2 (arXiv 2504.09261): contextual heads on the
/// left and structural ones on the right, a row per head and sample, a column per scale.
struct PaperFigure {
  std::vector<PaperHead> contextual;
  std::vector<PaperHead> structural;
  std::vector<int> samples;
  std::vector<int> steps;
  AttentionColors colors;
};

/// Width of two columns of a page, 7 inches at 96 units an inch; the smallest text is 7 points high.
inline constexpr double kPaperWidth = 672.0;

/// Vectors and text with the maps embedded as images of one pixel per weight.
/// @throws Error  kUsage unless every head has a map for every sample and step.
[[nodiscard]] Drawing paper_drawing(const PaperFigure& figure, const StepTable& steps);

}  // namespace kvscope
