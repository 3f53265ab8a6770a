#include "kernels/cache/plain_device_kernels.h"

#include "classifiers/plan/retention_rule.h"
#include "collectors/base/error.h"
#include "collectors/compute/convert.h"
#include "kernels/attention/gather_tokens.h"
#include "kernels/attention/merge.h"
#include "kernels/attention/observation_scores.h"
#include "kernels/attention/ragged_attention.h"
#include "kernels/attention/value_norms.h"
#include "kernels/cache/token_scoring.h"
#include "kernels/cache/token_selection.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace kvscope::testing {
namespace {

using Places = std::vector<std::int32_t>;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// One (row, key/value head) of a problem's tokens.
struct Pair {
  Pair(const gpu::DeviceTokens& the_tokens, std::int64_t the_number)
      : tokens(the_tokens),
        number(the_number),
        row(the_number / the_tokens.kv_heads),
        head(the_number % the_tokens.kv_heads),
        held(the_tokens.held == nullptr ? 0 : the_tokens.held[the_number]),
        first_slot(the_tokens.first_slot == nullptr ? 0 : the_tokens.first_slot[the_number]) {}

  [[nodiscard]] Places candidates() const {
    if (tokens.index != nullptr) {
      const std::int32_t* begin = tokens.index + number * tokens.index_stride;
      return {begin, begin + tokens.indexed[number]};
    }
    Places all(index(held + tokens.n_own));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  [[nodiscard]] std::byte* slot(void* slab, std::int64_t i) const {
    return static_cast<std::byte*>(slab) + (first_slot + i) * tokens.head_dim * element_bytes(tokens.type);
  }
  [[nodiscard]] std::byte* key(std::int64_t place) const {
    return place < held ? slot(tokens.held_keys, place)
                        : static_cast<std::byte*>(tokens.own_keys.token(row, head, place - held));
  }
  [[nodiscard]] std::byte* value(std::int64_t place) const {
    return place < held ? slot(tokens.held_values, place)
                        : static_cast<std::byte*>(tokens.own_values.token(row, head, place - held));
  }
  /// Keys and values of some places, copied side by side.
  struct Copy {
    std::vector<std::byte> keys, values;
    KeyValueSegment segment;
  };
  [[nodiscard]] Copy copy(const Places& places) const {
    const std::int64_t bytes = tokens.head_dim * element_bytes(tokens.type);
    Copy result;
    for (const std::int32_t place : places) {
      result.keys.insert(result.keys.end(), key(place), key(place) + bytes);
      result.values.insert(result.values.end(), value(place), value(place) + bytes);
    }
    result.segment = {.keys = result.keys.data(),
                      .values = result.values.data(),
                      .key_type = tokens.type,
                      .value_type = tokens.type,
                      .key_stride = tokens.head_dim,
                      .value_stride = tokens.head_dim,
                      .n_token = static_cast<std::int64_t>(places.size())};
    return result;
  }

  const gpu::DeviceTokens& tokens;
  std::int64_t number, row, head, held, first_slot;
};

template <typename Body>
void for_each_pair(const gpu::DeviceTokens& tokens, const Body& body) {
  for (std::int64_t pair = 0; pair < tokens.pairs(); ++pair) body(Pair(tokens, pair));
}

Places read(const gpu::DevicePlaces& list, std::int64_t pair) {
  const std::int32_t* begin = list.places + pair * list.stride;
  return {begin, begin + list.count[pair]};
}

void write(const gpu::DevicePlaces& list, std::int64_t pair, const Places& places) {
  require(static_cast<std::int64_t>(places.size()) <= list.stride, "PlainDeviceKernels: a list is too long");
  std::ranges::copy(places, list.places + pair * list.stride);
  list.count[pair] = static_cast<std::int32_t>(places.size());
}

RetentionRule rule_of(const gpu::DeviceRule& rule) {
  RetentionRule result{.score = {.kind = static_cast<TokenScore>(rule.score),
                                 .times_value_norm = rule.times_value_norm != 0,
                                 .seed = rule.seed},
                       .smooth = {.kind = static_cast<Smoothing>(rule.smoothing), .width = rule.width},
                       .protect = {.first_steps = rule.first_steps,
                                   .current_step = rule.current_step != 0,
                                   .recent_tokens = rule.recent_tokens,
                                   .gives_way = {}},
                       .losers = {.kind = static_cast<Losers>(rule.losers), .last_step_only = rule.last_step_only != 0},
                       .when = static_cast<RetentionTime>(rule.when)};
  for (int i = 0; i < rule.gives_way_count; ++i) {
    result.protect.gives_way.push_back(static_cast<ProtectedSet>(rule.gives_way[i]));
  }
  return result;
}

Places without(const Places& all, const Places& some) {
  Places rest;
  std::ranges::set_difference(all, some, std::back_inserter(rest));
  return rest;
}

/// decide() (kernels/cache/head_decision.h) for one pair, in places.
class PairSelection {
 public:
  PairSelection(const gpu::SelectionProblem& problem, const Pair& pair)
      : p_(problem), pair_(pair), rule_(rule_of(problem.rules[pair.head])), candidates_(pair.candidates()) {}

  void run() {
    const auto n = static_cast<std::int64_t>(candidates_.size());
    for (const std::int32_t place : candidates_) {
      token_.push_back(place < pair_.held ? p_.token[pair_.first_slot + place]
                                          : p_.first_own_token + static_cast<std::int32_t>(place - pair_.held));
      source_.push_back(p_.step_of[token_.back()]);
    }
    const bool attends_to_all = rule_.when == RetentionTime::kAfterAttending;
    const std::int64_t attend = attends_to_all ? n : std::min<std::int64_t>(n, p_.attend[pair_.head]);
    Places all(index(n));
    std::iota(all.begin(), all.end(), 0);
    const Places outliving = that_outlive(all);
    const Places dormant = without(all_places(), candidates_);
    const std::int64_t room =
        std::max<std::int64_t>(0, p_.carry[pair_.head] - static_cast<std::int64_t>(dormant.size()));
    collect();
    if (attend < n || room < static_cast<std::int64_t>(outliving.size())) rank();

    const Places attended = select(all, attend);
    const bool before = rule_.when == RetentionTime::kBeforeAttending;
    const Places pool = before ? that_outlive(attended) : outliving;
    const Places carried = select(pool, room);
    write(p_.attended, pair_.number, in_generation(attended));
    write(p_.carried, pair_.number, in_generation(carried));
    const bool merges =
        rule_.losers.kind == Losers::kMerge && (!rule_.losers.last_step_only || p_.step == p_.steps - 1);
    write(p_.attend_losers, pair_.number, in_generation(merges && before ? without(all, attended) : Places{}));
    write(p_.carry_losers, pair_.number, in_generation(merges && !carried.empty() ? without(pool, carried) : Places{}));
    write(p_.kept, pair_.number, staying(dormant, in_generation(carried)));
  }

 private:
  [[nodiscard]] Places all_places() const {
    Places all(index(pair_.held + pair_.tokens.n_own));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  [[nodiscard]] Places in_generation(const Places& of_candidates) const {
    Places places;
    for (const std::int32_t j : of_candidates) places.push_back(candidates_[index(j)]);
    return places;
  }
  [[nodiscard]] Places that_outlive(const Places& some) const {
    Places kept;
    for (const std::int32_t j : some) {
      if (p_.outlives == nullptr || p_.outlives[source_[index(j)]] != 0) kept.push_back(j);
    }
    return kept;
  }
  /// Held tokens that this step does not see stay, the oldest gone first if they alone are too many.
  [[nodiscard]] Places staying(const Places& dormant, const Places& carried) const {
    const auto surplus = static_cast<std::int64_t>(dormant.size() + carried.size()) - p_.carry[pair_.head];
    const auto first = static_cast<std::ptrdiff_t>(std::max<std::int64_t>(0, surplus));
    Places kept;
    std::merge(dormant.begin() + first, dormant.end(), carried.begin(), carried.end(), std::back_inserter(kept));
    return kept;
  }
  void collect() {
    if (needs_attention(rule_.score.kind) && p_.attention != nullptr) {
      const float* row = p_.attention + pair_.number * p_.stride;
      attention_.assign(row, row + candidates_.size());
    }
    if (rule_.score.kind != TokenScore::kAccumulatedAttention || attention_.empty()) return;
    float* now = p_.collected_now + pair_.number * p_.stride;
    for (std::int64_t place = 0; place < pair_.held; ++place) now[place] = p_.collected[pair_.first_slot + place];
    for (std::size_t j = 0; j < candidates_.size(); ++j) {
      const std::int32_t place = candidates_[j];
      if (place < pair_.held) attention_[j] += p_.collected[pair_.first_slot + place];
      now[place] = attention_[j];
    }
  }
  void rank() {
    CandidateFacts facts{.token = token_, .source_step = source_, .attention = attention_};
    if (p_.value_norms != nullptr) facts.value_norm = {p_.value_norms + pair_.number * p_.stride, candidates_.size()};
    if (p_.prior != nullptr) facts.prior = {p_.prior + pair_.head * p_.steps, index(p_.steps)};
    facts.noise = {
        .row = p_.first_row + pair_.row, .layer = p_.layer, .head = static_cast<int>(pair_.head), .step = p_.step};
    scores_ = token_scores(rule_.score, rule_.smooth, facts);
  }
  [[nodiscard]] Places select(const Places& pool, std::int64_t budget) const {
    if (budget >= static_cast<std::int64_t>(pool.size())) return pool;
    std::vector<float> scores;
    std::vector<std::int32_t> sources;
    for (const std::int32_t j : pool) {
      scores.push_back(scores_[index(j)]);
      sources.push_back(source_[index(j)]);
    }
    Places best = kvscope::select_tokens(rule_.protect, scores, sources, p_.step, budget);
    for (std::int32_t& j : best) j = pool[index(j)];
    return best;
  }

  const gpu::SelectionProblem& p_;
  const Pair& pair_;
  const RetentionRule rule_;
  const Places candidates_;
  std::vector<std::int32_t> token_, source_;
  std::vector<float> attention_, scores_;
};

}  // namespace

void PlainDeviceKernels::list_candidates(const gpu::CandidateProblem& p, gpu::DeviceStream) {
  for_each_pair(p.tokens, [&](const Pair& pair) {
    Places seen;
    for (std::int32_t place = 0; place < pair.held + p.tokens.n_own; ++place) {
      if (place >= pair.held || p.seen[p.step_of[p.token[pair.first_slot + place]]] != 0) seen.push_back(place);
    }
    write(p.candidates, pair.number, seen);
  });
}

void PlainDeviceKernels::observation_scores(const gpu::ObservationProblem& p, gpu::DeviceStream) {
  const std::int64_t group = p.heads / p.tokens.kv_heads;
  for_each_pair(p.tokens, [&](const Pair& pair) {
    if (p.observers[pair.head] == 0) return;
    const Pair::Copy tokens = pair.copy(pair.candidates());
    PackedHead packed;
    packed.pack({&tokens.segment, 1}, p.tokens.head_dim, PackedParts::kKeys);
    const std::span scores(p.scores + pair.number * p.stride, index(tokens.segment.n_token));
    std::ranges::fill(scores, 0.0F);
    const auto observers = observation_queries(p.n_query, p.observers[pair.head]);
    for (std::int64_t head = pair.head * group; head < (pair.head + 1) * group; ++head) {
      std::vector<float> queries(observers.size() * index(p.tokens.head_dim));
      for (std::size_t i = 0; i < observers.size(); ++i) {
        convert_to_float(p.queries.token(pair.row, head, observers[i]), p.queries.type, p.tokens.head_dim,
                         queries.data() + i * index(p.tokens.head_dim));
      }
      add_observation_scores(packed,
                             {.queries = queries.data(),
                              .stride = p.tokens.head_dim,
                              .n_query = static_cast<std::int64_t>(observers.size()),
                              .scale = p.softmax_scale[head]},
                             scores);
    }
  });
}

void PlainDeviceKernels::token_norms(const gpu::NormProblem& p, gpu::DeviceStream) {
  for_each_pair(p.tokens, [&](const Pair& pair) {
    Pair::Copy tokens = pair.copy(pair.candidates());
    if (p.part == gpu::TokenPart::kKeys) std::swap(tokens.segment.keys, tokens.segment.values);
    std::ranges::copy(value_norms({&tokens.segment, 1}, p.tokens.head_dim), p.norms + pair.number * p.stride);
  });
}

void PlainDeviceKernels::select_tokens(const gpu::SelectionProblem& p, gpu::DeviceStream) {
  for_each_pair(p.tokens, [&](const Pair& pair) { PairSelection(p, pair).run(); });
}

void PlainDeviceKernels::merge_tokens(const gpu::MergeProblem& p, gpu::DeviceStream) {
  for_each_pair(p.tokens, [&](const Pair& pair) {
    const Places losers = read(p.losers, pair.number);
    const Places kept = read(p.kept, pair.number);
    if (losers.empty()) return;
    Places both;
    std::ranges::merge(losers, kept, std::back_inserter(both));
    Places kept_among_both;
    for (const std::int32_t place : kept) {
      kept_among_both.push_back(static_cast<std::int32_t>(std::ranges::lower_bound(both, place) - both.begin()));
    }
    const Pair::Copy copies = pair.copy(both);
    const GatheredTokens tokens = gather_tokens({&copies.segment, 1}, p.tokens.head_dim);
    const MergedTokens means = kvscope::merge_tokens(tokens.keys, tokens.values, p.tokens.head_dim, kept_among_both);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const std::size_t row = i * index(p.tokens.head_dim);
      convert_from_float(means.keys.data() + row, p.tokens.head_dim, p.tokens.type, pair.key(kept[i]));
      convert_from_float(means.values.data() + row, p.tokens.head_dim, p.tokens.type, pair.value(kept[i]));
    }
  });
}

void PlainDeviceKernels::attention(const gpu::DeviceAttention& p, gpu::DeviceStream) {
  std::vector<RaggedKeys> keys;
  std::vector<Places> slots(index(p.rows * p.kv_heads));
  std::vector<Places> own(slots.size());
  for (std::int64_t pair = 0; pair < p.rows * p.kv_heads; ++pair) {
    const std::int32_t held = p.held == nullptr ? 0 : p.held[pair];
    const std::int64_t count = p.index == nullptr ? held + p.n_own : p.attended[pair];
    require(count <= p.most_keys, "PlainDeviceKernels: more keys than announced");
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t place = p.index == nullptr ? i : p.index[pair * p.index_stride + i];
      if (place < held) {
        slots[index(pair)].push_back(place);
      } else {
        own[index(pair)].push_back(place - held);
      }
    }
    const auto segment = [&](const void* k, const void* v, std::int64_t k_stride, std::int64_t v_stride,
                             const Places& places) {
      return KeyValueSegment{.keys = k,
                             .values = v,
                             .key_type = p.type,
                             .value_type = p.type,
                             .key_stride = k_stride,
                             .value_stride = v_stride,
                             .n_token = static_cast<std::int64_t>(places.size()),
                             .index = places.data()};
    };
    const std::int64_t row_bytes = p.head_dim * element_bytes(p.type);
    const auto history = [&](const void* slab) -> const void* {
      return slab == nullptr ? nullptr : static_cast<const std::byte*>(slab) + p.first_slot[pair] * row_bytes;
    };
    const std::int64_t row = pair / p.kv_heads;
    const std::int64_t head = pair % p.kv_heads;
    keys.push_back({segment(history(p.held_keys), history(p.held_values), p.head_dim, p.head_dim, slots[index(pair)]),
                    segment(p.own_keys.at(row, head), p.own_values.at(row, head), p.own_keys.token_stride,
                            p.own_values.token_stride, own[index(pair)])});
  }
  const std::span bounds(p.logit_bound, p.logit_bound == nullptr ? 0 : index(p.heads));
  ragged_attention({.rows = p.rows,
                    .heads = p.heads,
                    .kv_heads = p.kv_heads,
                    .n_query = p.n_query,
                    .head_dim = p.head_dim,
                    .softmax_scale = {p.softmax_scale, index(p.heads)},
                    .logit_bound = bounds,
                    .queries = p.queries,
                    .keys = keys,
                    .output = p.output});
}

void PlainDeviceKernels::compact_tokens(const gpu::CompactionProblem& p, gpu::DeviceStream) {
  const std::int64_t row_bytes = p.tokens.head_dim * element_bytes(p.tokens.type);
  for_each_pair(p.tokens, [&](const Pair& pair) {
    const Places kept = p.kept.places == nullptr ? pair.candidates() : read(p.kept, pair.number);
    require(static_cast<std::int64_t>(kept.size()) <= p.most_kept, "PlainDeviceKernels: more stay than announced");
    for (std::size_t i = 0; i < kept.size(); ++i) {  // ascending: never overwrites what is still to be read
      const std::int64_t place = kept[i];
      const auto slot = static_cast<std::int64_t>(i);
      std::memmove(pair.slot(p.tokens.held_keys, slot), pair.key(place), index(row_bytes));
      std::memmove(pair.slot(p.tokens.held_values, slot), pair.value(place), index(row_bytes));
      if (p.token != nullptr) {
        p.token[pair.first_slot + slot] = place < pair.held
                                              ? p.token[pair.first_slot + place]
                                              : p.first_own_token + static_cast<std::int32_t>(place - pair.held);
      }
      if (p.collected != nullptr) {
        p.collected[pair.first_slot + slot] = p.collected_now[pair.number * p.collected_stride + place];
      }
    }
  });
}

}  // namespace kvscope::testing
