#pragma once

#include <span>

namespace kvscope {

/// Kullback-Leibler divergence (Kullback and Leibler 1951) of two categorical distributions given by their logits:
///
///   KL(p || q) = sum_c p_c (ln p_c - ln q_c),   p = softmax(p_logits), q = softmax(q_logits),   in nats, >= 0
///
/// In double precision and by log-sum-exp, so that large logits neither overflow nor cancel. A logit of -infinity
/// is a probability of 0: where p is 0 the term is 0; where only q is 0 the divergence is +infinity.
/// Requires equal lengths >= 1 and a finite logit on both sides; a logit that is not a number makes the result one.
/// Precision: absolute error about 1e-15 times the spread of the logits; results are clipped at 0.
[[nodiscard]] double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits);

}  // namespace kvscope
