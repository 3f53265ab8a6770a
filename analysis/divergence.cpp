#include "analysis/divergence.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvscope {
namespace {

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

}  // namespace

double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  require(p_logits.size() == q_logits.size() && !p_logits.empty(),
          "kl_divergence: the sides differ in length or are empty");
  const double p_norm = log_sum_exp(p_logits);
  const double q_norm = log_sum_exp(q_logits);
  double divergence = 0.0;
  for (std::size_t c = 0; c < p_logits.size(); ++c) {
    const double log_p = static_cast<double>(p_logits[c]) - p_norm;
    const double p = std::exp(log_p);
    if (p == 0.0) continue;  // lim p ln p = 0, also where the logit is -infinity
    if (q_logits[c] == -std::numeric_limits<float>::infinity()) return std::numeric_limits<double>::infinity();
    divergence += p * (log_p - (static_cast<double>(q_logits[c]) - q_norm));
  }
  return divergence < 0.0 ? 0.0 : divergence;  // keeps not-a-number
}

}  // namespace kvscope
