#include "kernels/cache/head_decision.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/convert.h"
#include "kernels/attention/gather_tokens.h"
#include "kernels/attention/merge.h"
#include "kernels/attention/observation_scores.h"
#include "kernels/attention/value_norms.h"
#include "kernels/cache/token_scoring.h"
#include "kernels/cache/token_selection.h"

#include <algorithm>
#include <numeric>

namespace kvscope {
namespace {

using Places = std::vector<std::int32_t>;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

Places all_places(std::int64_t n) {
  Places places(index(n));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

template <typename T>
std::vector<T> pick(std::span<const T> values, std::span<const std::int32_t> places) {
  std::vector<T> picked;
  picked.reserve(places.size());
  for (const std::int32_t place : places) picked.push_back(values[index(place)]);
  return picked;
}

/// decide() step by step; the members are what the steps share.
class Decision {
 public:
  explicit Decision(const HeadQuestion& question)
      : q_(question), rule_(question.plan.rule_of(question.budget)), step_(question.call.step) {}

  HeadDecision make() {
    const std::int64_t n = q_.candidates.count();
    const bool attends_to_all = rule_.when == RetentionTime::kAfterAttending;
    const std::int64_t attend = attends_to_all ? n : std::min(n, q_.budget.attend[index(step_)]);
    all_ = all_places(n);
    const Places outliving = that_outlive(all_);
    const bool ranks = attend < n || carry_room() < static_cast<std::int64_t>(outliving.size());
    if (ranks || collects()) observe();
    if (ranks) rank();

    result_.attended = select(all_, attend);
    const bool from_attended = rule_.when == RetentionTime::kBeforeAttending;
    if (from_attended) merge_into_attended();
    const Places pool = from_attended ? that_outlive(result_.attended) : outliving;
    result_.carried = select(pool, carry_room());
    fix_carried_tokens(pool);
    return std::move(result_);
  }

 private:
  /// Whether attention has to be collected now although nothing is ranked, because a later step may rank.
  [[nodiscard]] bool collects() const {
    if (rule_.score.kind != TokenScore::kAccumulatedAttention) return false;
    const TokenFlow flow = token_flow(q_.plan);
    for (int k = step_; k < q_.plan.steps.size(); ++k) {
      if (q_.budget.attend[index(k)] < flow.visible(k) || q_.budget.carry[index(k)] < flow.holdable(k)) return true;
    }
    return false;
  }

  /// Candidates that may be carried on, beside the held tokens that this step does not see.
  [[nodiscard]] std::int64_t carry_room() const {
    const auto dormant = static_cast<std::int64_t>(q_.candidates.dormant.size());
    return std::max<std::int64_t>(0, q_.budget.carry[index(step_)] - dormant);
  }

  [[nodiscard]] Places that_outlive(const Places& places) const {
    Places kept;
    kept.reserve(places.size());
    for (const std::int32_t j : places) {
      if (q_.lifetimes.outlives(q_.candidates.source_step[index(j)], step_)) kept.push_back(j);
    }
    return kept;
  }

  [[nodiscard]] RaggedKeys segments(std::span<const std::int32_t> places) {
    return segments_of(q_.candidates, places, q_.held, q_.own, index_);
  }

  /// Sums the attention that the candidates get from the queries of this key/value head.
  void observe() {
    if (!needs_attention(rule_.score.kind)) return;
    const bool accumulates = rule_.score.kind == TokenScore::kAccumulatedAttention;
    thread_local PackedHead packed;
    packed.pack(segments(all_), q_.call.head_dim, PackedParts::kKeys);
    attention_.assign(index(q_.candidates.count()), 0.0F);
    const auto observers = observation_queries(q_.call.n_query, accumulates ? 0 : rule_.score.observation_queries);
    const std::int64_t group = q_.call.heads / q_.call.kv_heads;
    for (std::int64_t head = q_.budget.head * group; head < (q_.budget.head + 1) * group; ++head) {
      const float* queries = gather_queries(head, observers);
      const auto scale = q_.call.softmax_scale[q_.call.softmax_scale.size() == 1 ? 0 : index(head)];
      add_observation_scores(packed,
                             {.queries = queries,
                              .stride = q_.call.head_dim,
                              .n_query = static_cast<std::int64_t>(observers.size()),
                              .scale = scale},
                             attention_);
    }
    if (!accumulates) return;
    for (std::size_t j = 0; j < q_.candidates.slot.size(); ++j) {
      attention_[j] += q_.collected[index(q_.candidates.slot[j])];
    }
    result_.collected = attention_;
  }

  /// The observers' queries without gaps, in memory of this thread that the next call uses again.
  [[nodiscard]] const float* gather_queries(std::int64_t head, const std::vector<std::int64_t>& observers) const {
    thread_local AlignedBuffer buffer;
    float* queries = buffer.reserve(static_cast<std::int64_t>(observers.size()) * q_.call.head_dim);
    float* target = queries;
    for (const std::int64_t i : observers) {
      convert_to_float(q_.call.queries.token(q_.row, head, i), q_.call.queries.type, q_.call.head_dim, target);
      target += q_.call.head_dim;
    }
    return queries;
  }

  void rank() {
    CandidateFacts facts{
        .token = q_.candidates.token, .source_step = q_.candidates.source_step, .attention = attention_};
    std::vector<float> norms;
    if (rule_.score.times_value_norm) {
      norms = value_norms(segments(all_), q_.call.head_dim);
      facts.value_norm = norms;
    }
    if (needs_prior(rule_.score.kind)) {
      facts.prior = q_.plan.prior.slice(q_.budget.layer, q_.budget.head, step_);
    }
    facts.noise = {.row = q_.row, .layer = q_.budget.layer, .head = q_.budget.head, .step = step_};
    scores_ = token_scores(rule_.score, rule_.smooth, facts);
  }

  /// The best `budget` of the candidates `pool`, or all of them.
  [[nodiscard]] Places select(const Places& pool, std::int64_t budget) const {
    if (budget >= static_cast<std::int64_t>(pool.size())) return pool;
    // Where the pool is all candidates, places in it are the candidates' own.
    if (pool.size() == all_.size()) {
      return select_tokens(rule_.protect, scores_, q_.candidates.source_step, step_, budget);
    }
    const auto pool_scores = pick<float>(scores_, pool);
    const auto pool_sources = pick<std::int32_t>(q_.candidates.source_step, pool);
    return pick<std::int32_t>(pool, select_tokens(rule_.protect, pool_scores, pool_sources, step_, budget));
  }

  [[nodiscard]] bool merges() const {
    return rule_.losers.kind == Losers::kMerge && (!rule_.losers.last_step_only || step_ == q_.plan.steps.size() - 1);
  }

  /// `tokens` merged into those at `kept`: in the run's types, or in float32 where codes are what is stored, since
  /// rounding to a type between would move codes of tokens that nothing joined.
  [[nodiscard]] StoredTokens merged(const GatheredTokens& tokens, std::span<const std::int32_t> kept) const {
    const MergedTokens means = merge_tokens(tokens.keys, tokens.values, q_.call.head_dim, kept);
    const auto stored = [](const std::vector<float>& rows, ElementType type) {
      std::vector<std::byte> bytes(rows.size() * index(element_bytes(type)));
      convert_from_float(rows.data(), static_cast<std::int64_t>(rows.size()), type, bytes.data());
      return bytes;
    };
    const auto type_beside = [](ElementType held, ElementType own) {
      return held == own ? own : ElementType::kFloat32;
    };
    StoredTokens result;
    result.key_type = type_beside(q_.held.key_type, q_.own.key_type);
    result.value_type = type_beside(q_.held.value_type, q_.own.value_type);
    result.keys = stored(means.keys, result.key_type);
    result.values = stored(means.values, result.value_type);
    return result;
  }

  void merge_into_attended() {
    const std::int64_t n = q_.candidates.count();
    if (!merges() || static_cast<std::int64_t>(result_.attended.size()) == n) return;
    result_.merged_attended = merged(gather_tokens(segments(all_), q_.call.head_dim), result_.attended);
  }

  /// Keys and values of the candidates `places`, as they are after merging into the attended ones.
  [[nodiscard]] GatheredTokens current_tokens(const Places& places) {
    if (!result_.merged_attended) return gather_tokens(segments(places), q_.call.head_dim);
    KeyValueSegment segment = segment_of(*result_.merged_attended, q_.call.head_dim);
    const Places among_attended = places_in(places, result_.attended);
    segment.index = among_attended.data();
    segment.n_token = static_cast<std::int64_t>(among_attended.size());
    return gather_tokens({&segment, 1}, q_.call.head_dim);
  }

  /// Where the members of `some` stand in `all`; both ascending, `some` a subset.
  [[nodiscard]] static Places places_in(const Places& some, const Places& all) {
    Places places;
    places.reserve(some.size());
    for (const std::int32_t j : some) {
      places.push_back(static_cast<std::int32_t>(std::ranges::lower_bound(all, j) - all.begin()));
    }
    return places;
  }

  /// Merges what was not carried on, if the rule says so; sees to it that tokens merged before are carried.
  void fix_carried_tokens(const Places& pool) {
    const bool loses = result_.carried.size() < pool.size() && !result_.carried.empty();
    if (merges() && loses) {
      result_.merged_carried = merged(current_tokens(pool), places_in(result_.carried, pool));
    } else if (result_.merged_attended && !result_.carried.empty()) {
      // Every token kept: nothing is averaged, the merged ones are picked out.
      const Places all = all_places(static_cast<std::int64_t>(result_.carried.size()));
      result_.merged_carried = merged(current_tokens(result_.carried), all);
    }
  }

  const HeadQuestion& q_;
  const RetentionRule& rule_;
  const int step_;
  Places all_;  ///< every candidate's place
  CandidateIndex index_;
  std::vector<float> attention_;
  std::vector<float> scores_;
  HeadDecision result_;
};

}  // namespace

HeadDecision decide(const HeadQuestion& question) {
  return Decision(question).make();
}

RaggedKeys segments_of(const HeadCandidates& candidates, std::span<const std::int32_t> places,
                       const KeyValueSegment& held, const KeyValueSegment& own, CandidateIndex& index_lists) {
  index_lists.held.clear();
  index_lists.own.clear();
  index_lists.held.reserve(places.size());
  index_lists.own.reserve(places.size());
  const auto n_held = static_cast<std::int32_t>(candidates.n_held());
  for (const std::int32_t j : places) {
    if (j < n_held) {
      index_lists.held.push_back(candidates.slot[index(j)]);
    } else {
      index_lists.own.push_back(j - n_held);
    }
  }
  RaggedKeys segments = {held, own};
  segments[0].index = index_lists.held.data();
  segments[0].n_token = static_cast<std::int64_t>(index_lists.held.size());
  segments[1].index = index_lists.own.data();
  segments[1].n_token = static_cast<std::int64_t>(index_lists.own.size());
  return segments;
}

KeyValueSegment segment_of(const StoredTokens& tokens, std::int64_t head_dim) {
  const std::int64_t row_bytes = head_dim * element_bytes(tokens.key_type);
  return {.keys = tokens.keys.data(),
          .values = tokens.values.data(),
          .key_type = tokens.key_type,
          .value_type = tokens.value_type,
          .key_stride = head_dim,
          .value_stride = head_dim,
          .n_token = static_cast<std::int64_t>(tokens.keys.size()) / row_bytes};
}

}  // namespace kvscope
