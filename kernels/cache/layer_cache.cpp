#include "kernels/cache/layer_cache.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/base/phase_range.h"
#include "collectors/base/stopwatch.h"
#include "kernels/attention/ragged_attention.h"

#include <algorithm>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::vector<HeadSlots> slots_of(const Plan& plan, int layer) {
  std::vector<HeadSlots> slots;
  for (int head = 0; head < plan.model.kv_heads; ++head) {
    const HeadBudget& budget = plan.at(layer, head);
    slots.push_back(
        {.capacity = cache_capacity(budget), .quantisation = budget.quantisation ? &*budget.quantisation : nullptr});
  }
  return slots;
}

/// Adds the wall time of its life to a sum.
class AddedTime {
 public:
  explicit AddedTime(double& seconds) : seconds_(seconds) {}
  AddedTime(const AddedTime&) = delete;
  AddedTime& operator=(const AddedTime&) = delete;
  ~AddedTime() { seconds_ += watch_.seconds(); }

 private:
  double& seconds_;
  Stopwatch watch_;
};

}  // namespace

LayerCache::LayerCache(const Plan& plan, const TokenLifetimes& lifetimes, int layer, std::int64_t rows,
                       ElementType key_type, ElementType value_type)
    : plan_(plan),
      lifetimes_(lifetimes),
      layer_(layer),
      rows_(rows),
      storage_(rows, slots_of(plan, layer), plan.model.head_dim, key_type, value_type),
      heads_(index(rows * plan.model.kv_heads)) {}

void LayerCache::clear() {
  for (Head& head : heads_) head = Head{};
  next_step_ = 0;
}

void LayerCache::attend(const LayerStep& call, CacheSeconds& seconds) {
  const auto pairs = static_cast<std::int64_t>(heads_.size());
  std::vector<RaggedKeys> keys(heads_.size());
  // A row's heads are a task where that leaves enough of them: a head alone takes a microsecond or two.
  const std::int64_t heads_per_task = call.rows >= 4 * thread_count() ? call.kv_heads : 1;
  const auto for_each_head = [&](const auto& body) {
    parallel_for(pairs / heads_per_task, [&](std::int64_t task) {
      for (std::int64_t head = 0; head < heads_per_task; ++head) body(task * heads_per_task + head);
    });
  };
  const auto range_of = [&](Phase phase) { return RangeTag{.phase = phase, .step = call.step, .layer = layer_}; };
  {
    const AddedTime time(seconds.selection);
    const PhaseRange range(range_of(Phase::kSelection));
    for_each_head([&](std::int64_t pair) {
      decide_head(call, pair);
      keys[index(pair)] = attended_segments(call, pair);
    });
  }
  {
    const AddedTime time(seconds.attention);
    const PhaseRange range(range_of(Phase::kAttention));
    ragged_attention({.rows = call.rows,
                      .heads = call.heads,
                      .kv_heads = call.kv_heads,
                      .n_query = call.n_query,
                      .head_dim = call.head_dim,
                      .softmax_scale = call.softmax_scale,
                      .logit_bound = call.logit_bound,
                      .queries = call.queries,
                      .keys = keys,
                      .output = call.output});
  }
  const AddedTime time(seconds.selection);
  const PhaseRange range(range_of(Phase::kCacheUpdate));
  for_each_head([&](std::int64_t pair) { carry_on(call, pair); });
  ++next_step_;
}

KeyValueSegment LayerCache::own_segment(const LayerStep& call, std::int64_t row, std::int64_t head) {
  return {.keys = call.keys.at(row, head),
          .values = call.values.at(row, head),
          .key_type = call.keys.type,
          .value_type = call.values.type,
          .key_stride = call.keys.token_stride,
          .value_stride = call.values.token_stride,
          .n_token = call.n_query};
}

void LayerCache::decide_head(const LayerStep& call, std::int64_t pair) {
  Head& head = heads_[index(pair)];
  const std::int64_t row = pair / call.kv_heads;
  const auto kv_head = static_cast<int>(pair % call.kv_heads);
  head.candidates = head_candidates(head.held, plan_.steps, lifetimes_, call.step);
  head.decision = decide({.plan = plan_,
                          .lifetimes = lifetimes_,
                          .budget = plan_.at(layer_, kv_head),
                          .call = call,
                          .row = row,
                          .candidates = head.candidates,
                          .held = storage_.slots(row, kv_head),
                          .own = own_segment(call, row, kv_head),
                          .collected = head.held.collected});
  head.attended.clear();
  head.attended.reserve(head.decision.attended.size());
  for (const std::int32_t j : head.decision.attended) head.attended.push_back(head.candidates.token[index(j)]);
}

RaggedKeys LayerCache::attended_segments(const LayerStep& call, std::int64_t pair) {
  Head& head = heads_[index(pair)];
  const std::int64_t row = pair / call.kv_heads;
  const std::int64_t kv_head = pair % call.kv_heads;
  const KeyValueSegment own = own_segment(call, row, kv_head);
  if (head.decision.merged_attended) return {segment_of(*head.decision.merged_attended, call.head_dim), {}};
  return segments_of(head.candidates, head.decision.attended, storage_.slots(row, kv_head), own, head.attended_index);
}

void LayerCache::carry_on(const LayerStep& call, std::int64_t pair) {
  Head& head = heads_[index(pair)];
  const auto kv_head = static_cast<int>(pair % call.kv_heads);
  const std::vector<Stay> stays = staying(head, plan_.at(layer_, kv_head), call.step);
  move_tokens(call, pair, stays);
  update_held(head, stays);
  head.candidates = {};
  head.decision = {};
}

std::vector<LayerCache::Stay> LayerCache::staying(const Head& head, const HeadBudget& budget, int step) const {
  const auto& carried = head.decision.carried;
  const auto& dormant = head.candidates.dormant;
  // Tokens that this step does not see stay; if they alone are too many, the oldest go.
  const auto surplus = static_cast<std::int64_t>(dormant.size() + carried.size()) - budget.carry[index(step)];
  std::vector<Stay> stays;
  stays.reserve(dormant.size() + carried.size());
  for (std::size_t i = index(std::max<std::int64_t>(0, surplus)); i < dormant.size(); ++i)
    stays.push_back({dormant[i], -1});
  const auto n_dormant = static_cast<std::ptrdiff_t>(stays.size());
  for (std::size_t place = 0; place < carried.size(); ++place) {
    const std::int32_t j = carried[place];
    const std::int32_t slot = j < head.candidates.n_held() ? head.candidates.slot[index(j)] : -1;
    stays.push_back({slot, static_cast<std::int32_t>(place)});
  }
  // Slots ascend in both parts, and the step's own tokens come last already.
  const auto before = [](const Stay& a, const Stay& b) { return a.slot >= 0 && (b.slot < 0 || a.slot < b.slot); };
  std::inplace_merge(stays.begin(), stays.begin() + n_dormant, stays.end(), before);
  return stays;
}

void LayerCache::move_tokens(const LayerStep& call, std::int64_t pair, const std::vector<Stay>& stays) {
  const Head& head = heads_[index(pair)];
  const std::int64_t row = pair / call.kv_heads;
  const std::int64_t kv_head = pair % call.kv_heads;
  // A valid plan never asks for more; writing beyond a head's slots would be another head's tokens.
  require(static_cast<std::int64_t>(stays.size()) <= storage_.capacity(kv_head), "LayerCache: more tokens than slots");
  std::vector<std::int32_t> slots;
  slots.reserve(stays.size());
  for (const Stay& stay : stays) {
    if (stay.slot >= 0) slots.push_back(stay.slot);
  }
  storage_.compact(row, kv_head, slots);
  const auto& merged = head.decision.merged_carried;
  const TokenSource own(own_segment(call, row, kv_head), call.head_dim);
  const TokenSource changed(merged ? segment_of(*merged, call.head_dim) : KeyValueSegment{}, call.head_dim);
  for (std::size_t i = 0; i < stays.size(); ++i) {
    const auto slot = static_cast<std::int64_t>(i);
    if (merged && stays[i].place >= 0) {
      store(changed, stays[i].place, pair, slot);
    } else if (stays[i].slot < 0) {
      store(own, head.decision.carried[index(stays[i].place)] - head.candidates.n_held(), pair, slot);
    }
  }
}

void LayerCache::store(const TokenSource& tokens, std::int64_t token, std::int64_t pair, std::int64_t slot) {
  const std::int64_t row = pair / plan_.model.kv_heads;
  const std::int64_t kv_head = pair % plan_.model.kv_heads;
  StoredCodes& codes = heads_[index(pair)].codes;
  codes += storage_.store_key(row, kv_head, slot, tokens.keys.at(token), tokens.keys.type());
  codes += storage_.store_value(row, kv_head, slot, tokens.values.at(token), tokens.values.type());
}

void LayerCache::update_held(Head& head, const std::vector<Stay>& stays) {
  HeldTokens held;
  held.token.reserve(stays.size());
  for (const Stay& stay : stays) {
    const bool is_carried = stay.place >= 0;
    const std::int32_t j = is_carried ? head.decision.carried[index(stay.place)] : -1;
    held.token.push_back(is_carried ? head.candidates.token[index(j)] : head.held.token[index(stay.slot)]);
    if (!head.decision.collected.empty()) {
      held.collected.push_back(is_carried ? head.decision.collected[index(j)] : head.held.collected[index(stay.slot)]);
    }
  }
  head.held = std::move(held);
}

std::int64_t LayerCache::held_bytes() const {
  std::int64_t bytes = 0;
  for (std::size_t pair = 0; pair < heads_.size(); ++pair) {
    const auto kv_head = static_cast<std::int64_t>(pair) % plan_.model.kv_heads;
    bytes += static_cast<std::int64_t>(heads_[pair].held.token.size()) * storage_.token_bytes(kv_head);
  }
  return bytes;
}

StoredCodes LayerCache::stored_codes() const noexcept {
  StoredCodes sum;
  for (const Head& head : heads_) sum += head.codes;
  return sum;
}

std::vector<std::int32_t> LayerCache::attended_positions(std::int64_t row, int head) const {
  require(row >= 0 && row < rows_ && head >= 0 && head < plan_.model.kv_heads,
          "attended_positions: no such row or head");
  const auto& attended = heads_[index(row * plan_.model.kv_heads + head)].attended;
  return positions_among_keys(plan_.steps, lifetimes_, next_step_ - 1, attended);
}

}  // namespace kvscope
