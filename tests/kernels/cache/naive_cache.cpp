#include "kernels/cache/naive_cache.h"

#include "kernels/cache/token_noise.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace kvscope::testing {
namespace {

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double cosine(const Vector& a, const Vector& b) {
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

Vector pooled(const Vector& scores, const SmoothSlot& smooth) {
  if (smooth.kind == Smoothing::kNone) return scores;
  Vector result;
  const int n = static_cast<int>(scores.size());
  for (int j = 0; j < n; ++j) {
    Vector window;
    for (int i = j - smooth.width / 2; i <= j + smooth.width / 2; ++i) {
      if (i >= 0 && i < n) window.push_back(scores[at(i)]);
    }
    const double sum = std::accumulate(window.begin(), window.end(), 0.0);
    result.push_back(smooth.kind == Smoothing::kMaximum ? std::ranges::max(window)
                                                        : sum / static_cast<double>(window.size()));
  }
  return result;
}

/// What a value becomes that is stored in 8 bits: the nearest of the 256 values that codes stand for. In float32 as
/// documented, since a mean of two such values often lies in the middle between two others.
double through_codes(double value, float scale, float offset) {
  const float steps = (static_cast<float>(value) - offset) / scale;
  const float code = std::clamp(std::nearbyint(steps), -128.0F, 127.0F);
  return double{offset + scale * code};
}

Vector through_codes(const Vector& values, const ChannelQuantisation& channels) {
  Vector result;
  for (std::size_t d = 0; d < values.size(); ++d)
    result.push_back(through_codes(values[d], channels.scale[d], channels.offset[d]));
  return result;
}

}  // namespace

bool NaiveHead::is_needed_after(int source, int step) const {
  if (plan_.keeps_last_step && plan_.steps[source].stays) return true;
  for (int later = step + 1; later < plan_.steps.size(); ++later) {
    if (plan_.steps.sees(later, source)) return true;
  }
  return false;
}

Vector NaiveHead::weights(const Tokens& tokens, const Vector& query) const {
  Vector row;
  for (const NaiveToken& token : tokens) row.push_back(dot(query, token.key));
  const double largest = std::ranges::max(row);
  double sum = 0.0;
  for (double& x : row) sum += x = std::exp(x - largest);
  for (double& x : row) x /= sum;
  return row;
}

Vector NaiveHead::scores(int step, const std::vector<std::vector<Vector>>& queries, Tokens& candidates) const {
  const RetentionRule& rule = plan_.rule_of(plan_.at(layer_, head_));
  const auto n_query = static_cast<int>(queries[0].size());
  const bool accumulates = rule.score.kind == TokenScore::kAccumulatedAttention;
  std::set<int> observers;
  for (int i = 0; i < n_query; ++i) {
    if (accumulates || rule.score.observation_queries == 0 || n_query <= rule.score.observation_queries)
      observers.insert(i);
  }
  for (int m = 0; observers.size() < at(n_query) && m < rule.score.observation_queries; ++m) {
    observers.insert(static_cast<int>(std::floor((m + 0.5) * n_query / rule.score.observation_queries)));
  }
  Vector attention(candidates.size(), 0.0);
  for (const auto& head_queries : queries) {
    for (const int i : observers) {
      const Vector row = weights(candidates, head_queries[at(i)]);
      for (std::size_t j = 0; j < row.size(); ++j) attention[j] += row[j];
    }
  }
  Vector result;
  for (std::size_t j = 0; j < candidates.size(); ++j) {
    NaiveToken& token = candidates[j];
    token.collected += attention[j];
    double score = attention[j];
    if (accumulates) score = token.collected;
    if (rule.score.kind == TokenScore::kCalibratedPrior) score = plan_.prior(layer_, head_, step, token.step);
    if (rule.score.kind == TokenScore::kLookAhead) {
      score = plan_.prior(layer_, head_, step, token.step) * std::sqrt(attention[j]);
    }
    if (rule.score.kind == TokenScore::kAge) score = token.place;
    if (rule.score.kind == TokenScore::kRandom) {
      score = token_noise({rule.score.seed, row_, layer_, head_, step, token.place});
    }
    result.push_back(rule.score.times_value_norm ? score * std::sqrt(dot(token.value, token.value)) : score);
  }
  return pooled(result, rule.smooth);
}

std::vector<bool> NaiveHead::selected(int step, const Tokens& tokens, const Vector& scores, std::int64_t budget) const {
  const ProtectSlot& protect = plan_.rule_of(plan_.at(layer_, head_)).protect;
  const auto n = static_cast<int>(tokens.size());
  std::vector<std::set<int>> sets(3);
  for (int j = 0; j < n; ++j) {
    if (tokens[at(j)].step < protect.first_steps) sets[0].insert(j);
    if (protect.current_step && tokens[at(j)].step == step) sets[1].insert(j);
    if (j >= n - protect.recent_tokens) sets[2].insert(j);
  }
  const auto united = [&] {
    std::set<int> all;
    for (const auto& set : sets) all.insert(set.begin(), set.end());
    return all;
  };
  for (const ProtectedSet yielding : protect.gives_way) {
    auto& set = sets[static_cast<std::size_t>(yielding)];
    while (!set.empty() && static_cast<std::int64_t>(united().size()) > budget) set.erase(set.begin());
  }
  const std::set<int> safe = united();
  std::vector<int> order(at(n));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) {
    if (safe.contains(a) != safe.contains(b)) return safe.contains(a);
    return scores[at(a)] > scores[at(b)];
  });
  std::vector<bool> stays(at(n), false);
  for (int i = 0; i < std::min<std::int64_t>(n, budget); ++i) stays[at(order[at(i)])] = true;
  return stays;
}

NaiveHead::Tokens NaiveHead::without_losers(int step, const Tokens& tokens, const std::vector<bool>& stays) const {
  const LoserSlot& losers = plan_.rule_of(plan_.at(layer_, head_)).losers;
  const bool merges = losers.kind == Losers::kMerge && (!losers.last_step_only || step == plan_.steps.size() - 1);
  Tokens kept;
  std::vector<int> origin;
  for (std::size_t j = 0; j < tokens.size(); ++j) {
    if (stays[j]) {
      kept.push_back(tokens[j]);
      origin.push_back(static_cast<int>(j));
    }
  }
  if (!merges || kept.empty()) return kept;
  Vector members(kept.size(), 1.0);
  for (std::size_t j = 0; j < tokens.size(); ++j) {
    if (stays[j]) continue;
    std::size_t best = 0;
    for (std::size_t i = 1; i < kept.size(); ++i) {
      const auto similarity = [&](std::size_t place) { return cosine(tokens[j].key, tokens[at(origin[place])].key); };
      if (similarity(i) > similarity(best)) best = i;
    }
    members[best] += 1.0;
    kept[best].is_stored = false;
    for (std::size_t d = 0; d < tokens[j].key.size(); ++d) {
      kept[best].key[d] += tokens[j].key[d];
      kept[best].value[d] += tokens[j].value[d];
    }
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    for (double& x : kept[i].key) x /= members[i];
    for (double& x : kept[i].value) x /= members[i];
  }
  return kept;
}

/// Tokens that are carried for the first time, or were changed by merging, lose what their head does not store.
void NaiveHead::store(Tokens& carried) const {
  const auto& quantisation = plan_.at(layer_, head_).quantisation;
  for (NaiveToken& token : carried) {
    if (quantisation && !token.is_stored) {
      token.key = through_codes(token.key, quantisation->key);
      token.value = through_codes(token.value, quantisation->value);
    }
    token.is_stored = true;
  }
}

std::vector<std::vector<Vector>> NaiveHead::attend(int step, const std::vector<std::vector<Vector>>& queries,
                                                   std::vector<NaiveToken> own) {
  const HeadBudget& budget = plan_.at(layer_, head_);
  const RetentionTime when = plan_.rule_of(budget).when;
  Tokens candidates;
  Tokens dormant;
  for (const NaiveToken& token : held_) (plan_.steps.sees(step, token.step) ? candidates : dormant).push_back(token);
  candidates.insert(candidates.end(), own.begin(), own.end());
  const Vector score = scores(step, queries, candidates);

  const bool attends_to_all = when == RetentionTime::kAfterAttending;
  const auto attends = selected(step, candidates, score, attends_to_all ? 1 << 30 : budget.attend[at(step)]);
  Tokens attended;
  Vector attended_scores;
  if (when == RetentionTime::kBeforeAttending) attended = without_losers(step, candidates, attends);
  for (std::size_t j = 0; j < candidates.size(); ++j) {
    if (!attends[j]) continue;
    attended_scores.push_back(score[j]);
    if (when != RetentionTime::kBeforeAttending) attended.push_back(candidates[j]);
  }
  attended_.clear();
  for (const NaiveToken& token : attended) attended_.push_back(token.place);

  // What may be carried on: tokens that a later step reads.
  const bool from_attended = when == RetentionTime::kBeforeAttending;
  const Tokens& source = from_attended ? attended : candidates;
  const Vector& source_scores = from_attended ? attended_scores : score;
  Tokens pool;
  Vector pool_scores;
  for (std::size_t j = 0; j < source.size(); ++j) {
    if (!is_needed_after(source[j].step, step)) continue;
    pool.push_back(source[j]);
    pool_scores.push_back(source_scores[j]);
  }
  const std::int64_t room =
      std::max<std::int64_t>(0, budget.carry[at(step)] - static_cast<std::int64_t>(dormant.size()));
  Tokens carried = without_losers(step, pool, selected(step, pool, pool_scores, room));
  while (static_cast<std::int64_t>(dormant.size() + carried.size()) > budget.carry[at(step)])
    dormant.erase(dormant.begin());
  carried.insert(carried.end(), dormant.begin(), dormant.end());
  std::ranges::sort(carried, {}, &NaiveToken::place);
  store(carried);
  held_ = carried;

  std::vector<std::vector<Vector>> outputs;
  for (const auto& head_queries : queries) {
    outputs.emplace_back();
    for (const Vector& query : head_queries) {
      const Vector row = weights(attended, query);
      Vector output(query.size(), 0.0);
      for (std::size_t j = 0; j < attended.size(); ++j) {
        for (std::size_t d = 0; d < output.size(); ++d) output[d] += row[j] * attended[j].value[d];
      }
      outputs.back().push_back(output);
    }
  }
  return outputs;
}

}  // namespace kvscope::testing
