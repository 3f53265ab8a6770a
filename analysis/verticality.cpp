#include "analysis/verticality.h"

#include <algorithm>

namespace kvscope {

double verticality(double column_variance, double square_sum) noexcept {
  // Both are rounded to float32 in captures, so their quotient may leave [0, 1] by that much.
  const double unexplained = column_variance / square_sum;
  return unexplained != unexplained ? unexplained : std::clamp(1.0 - unexplained, 0.0, 1.0);
}

}  // namespace kvscope
