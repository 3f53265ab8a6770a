#pragma once

#include "collectors/base/array.h"
#include "collectors/geometry/step_table.h"
#include "reports/pictures/color_scaling.h"
#include "reports/pictures/drawing.h"

#include <string>

namespace kvscope {

/// Attention by displacement of the key from the query's corresponding place, one panel per source step: dx to the
/// right, dy downwards, in tokens of the source. Displacements in time are added up.
/// @param mass  [S_k, 2Rt+1, 2R+1, 2R+1], the outermost bins with everything beyond
[[nodiscard]] Drawing displacement_figure(const Array<float>& mass, int step, const StepTable& steps,
                                          const ColorMap& colors, const ColorScaling& scaling, std::string heading);

/// Range of the pictures unless another is asked for: from a thousandth of the attention to all of it.
inline constexpr ColorScaling kDisplacementScaling{ValueScale::Kind::kLogarithmic, ValueRange{0.001, 1.0}};

}  // namespace kvscope
