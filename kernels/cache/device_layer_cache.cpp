#include "kernels/cache/device_layer_cache.h"

#include "collectors/base/error.h"
#include "collectors/base/phase_range.h"
#include "kernels/cache/tensor_views.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

template <typename Predicate>
bool any_step(const DeviceSchedule& schedule, const Plan& plan, const Predicate& predicate) {
  for (int layer = 0; layer < plan.model.layers; ++layer) {
    for (int step = 0; step < plan.steps.size(); ++step) {
      if (predicate(schedule.at(layer, step))) return true;
    }
  }
  return false;
}

}  // namespace

DevicePlan::DevicePlan(const Plan& plan, const TokenLifetimes& lifetimes, std::int64_t rows, at::Device device)
    : plan_(&plan), schedule_(plan, lifetimes), rows_(static_cast<int>(rows)), device_(device) {
  rules = {schedule_.rules, device};
  attend = {schedule_.attend, device};
  carry = {schedule_.carry, device};
  observers = {schedule_.observers, device};
  prior = {schedule_.prior, device};
  step_of = {schedule_.step_of, device};
  seen = {schedule_.seen, device};
  outlives = {schedule_.outlives, device};
  for (int step = 0; step < plan.steps.size(); ++step) {
    for (int layer = 0; layer < plan.model.layers; ++layer) {
      stride_ = std::max(stride_, schedule_.at(layer, step).most_held + plan.steps.n_query(step));
    }
  }
  constexpr std::int64_t kPlacesPerPacket = 4;
  stride_ = (stride_ + kPlacesPerPacket - 1) / kPlacesPerPacket * kPlacesPerPacket;
  allocate_workspaces();
  memory_moved();
}

void DevicePlan::reserve_workspace(std::int64_t bytes) {
  if (bytes <= workspace.bytes()) return;
  workspace.reserve(bytes, device_);
  memory_moved();
}

DevicePlan::Places DevicePlan::make_places() const {
  return {.places = {pairs() * stride_, device_}, .count = {pairs(), device_}};
}

void DevicePlan::allocate_workspaces() {
  const auto any = [&](const auto& predicate) { return any_step(schedule_, *plan_, predicate); };
  const auto floats = [&] { return DeviceArray<float>(pairs() * stride_, device_); };
  if (!any([](const LayerStepSchedule& step) { return step.selects; })) return;
  attended = make_places();
  kept = make_places();
  carried = make_places();
  attend_losers = make_places();
  carry_losers = make_places();
  if (any([](const LayerStepSchedule& step) { return step.lists_candidates; })) candidates = make_places();
  if (any([](const LayerStepSchedule& step) { return step.observes; })) scores = floats();
  if (any([](const LayerStepSchedule& step) { return step.weighs_values; })) value_norms = floats();
  if (any([](const LayerStepSchedule& step) { return step.merges_attended || step.merges_carried; })) {
    key_norms = floats();
    nearest = {pairs() * stride_, device_};
  }
  for (int layer = 0; layer < plan_->model.layers; ++layer) {
    if (schedule_.collects(layer) && collected_now.empty()) collected_now = floats();
  }
}

std::int64_t DevicePlan::bytes() const {
  std::int64_t sum = rules.bytes() + attend.bytes() + carry.bytes() + observers.bytes() + prior.bytes() +
                     step_of.bytes() + seen.bytes() + outlives.bytes() + scores.bytes() + value_norms.bytes() +
                     key_norms.bytes() + collected_now.bytes() + nearest.bytes() + workspace.bytes();
  for (const Places* places : {&candidates, &attended, &attend_losers, &carried, &carry_losers, &kept}) {
    sum += places->places.bytes() + places->count.bytes();
  }
  return sum;
}

DeviceLayerCache::DeviceLayerCache(DevicePlan& shared, int layer, ElementType type, AttendedRecord record)
    : shared_(shared), layer_(layer), type_(type), record_(record) {
  const Plan& plan = shared.plan();
  const int kv_heads = plan.model.kv_heads;
  std::vector<std::int64_t> first_slot;
  std::vector<std::int32_t> held;
  std::int64_t slots = 0;
  for (int pair = 0; pair < shared.pairs(); ++pair) {
    first_slot.push_back(slots);
    slots += cache_capacity(plan.at(layer, pair % kv_heads));
  }
  for (int step = 0; step <= plan.steps.size(); ++step) {
    for (int pair = 0; pair < shared.pairs(); ++pair) {
      held.push_back(static_cast<std::int32_t>(DeviceSchedule::held_before(plan.at(layer, pair % kv_heads), step)));
    }
  }
  const std::int64_t row_bytes = plan.model.head_dim * element_bytes(type);
  keys_ = {slots * row_bytes, shared.device()};
  values_ = {slots * row_bytes, shared.device()};
  first_slot_ = {first_slot, shared.device()};
  planned_held_ = {held, shared.device()};
  for (DeviceArray<std::int32_t>& counted : counted_) counted = {shared.pairs(), shared.device()};
  token_ = {slots, shared.device()};
  if (shared.schedule().collects(layer)) collected_ = {slots, shared.device()};
  host_first_slot_ = std::move(first_slot);
  host_first_slot_.push_back(slots);
  clear();
}

void DeviceLayerCache::clear() {
  next_step_ = 0;
  held_ = planned_held(0);
}

std::int64_t DeviceLayerCache::plan_offset(int step) const {
  const Plan& plan = shared_.plan();
  return (std::int64_t{layer_} * plan.steps.size() + step) * plan.model.kv_heads;
}

gpu::DeviceTokens DeviceLayerCache::tokens_at(int step, const at::Tensor& k, const at::Tensor& v) const {
  const Plan& plan = shared_.plan();
  const LayerStepSchedule& schedule = shared_.schedule().at(layer_, step);
  const std::int64_t n_own = plan.steps.n_query(step);
  return {.type = type_,
          .rows = shared_.rows(),
          .kv_heads = plan.model.kv_heads,
          .head_dim = plan.model.head_dim,
          .n_own = n_own,
          .held_keys = keys_.data(),
          .held_values = values_.data(),
          .first_slot = first_slot_.data(),
          .held = held_,
          .own_keys = strided_heads<void*>(k, type_),
          .own_values = strided_heads<void*>(v, type_),
          .most_candidates = schedule.most_held + n_own};
}

void DeviceLayerCache::set_site(const AttentionSite& site) {
  const auto heads = index(shared_.plan().model.heads);
  require(site.softmax_scale.size() == 1 || site.softmax_scale.size() == heads,
          "DeviceKvCache: one softmax scale, or one per head");
  std::vector<float> values(heads, site.softmax_scale.front());
  if (site.softmax_scale.size() == heads) values.assign(site.softmax_scale.begin(), site.softmax_scale.end());
  values.insert(values.end(), site.logit_bound.begin(), site.logit_bound.end());
  require(values.size() == heads || values.size() == 2 * heads, "DeviceKvCache: one bound of the logits per head");
  if (values == host_scale_) return;
  host_scale_ = std::move(values);
  site_ = {host_scale_, shared_.device()};
  shared_.memory_moved();
}

at::Tensor DeviceLayerCache::attend(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const AttentionSite& site,
                                    int step, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const LayerStepSchedule& schedule = shared_.schedule().at(layer_, step);
  set_site(site);
  // Merging writes to the tokens it merges into, and these belong to the caller.
  const bool writes = schedule.merges_attended || schedule.merges_carried;
  const at::Tensor own_keys = writes ? k.clone() : k;
  const at::Tensor own_values = writes ? v.clone() : v;
  gpu::DeviceTokens tokens = tokens_at(step, own_keys, own_values);
  at::Tensor output = empty_output(q);
  if (schedule.selects) {
    const PhaseRange range({.phase = Phase::kSelection, .step = step, .layer = layer_});
    select(kernels, stream, tokens, step, q);
  }
  if (schedule.merges_attended) {
    const PhaseRange range({.phase = Phase::kCacheUpdate, .step = step, .layer = layer_});
    merge(kernels, stream, tokens, shared_.attend_losers.view(shared_.stride()),
          shared_.attended.view(shared_.stride()));
  }
  {
    const PhaseRange range({.phase = Phase::kAttention, .step = step, .layer = layer_});
    attend_to(kernels, stream, tokens, step, q, output);
  }
  if (record_ == AttendedRecord::kLatestStep) record_attended(step);
  const PhaseRange range({.phase = Phase::kCacheUpdate, .step = step, .layer = layer_});
  if (schedule.merges_carried) {
    merge(kernels, stream, tokens, shared_.carry_losers.view(shared_.stride()), shared_.carried.view(shared_.stride()));
  }
  carry_on(kernels, stream, tokens, step);
  advance(step);
  return output;
}

void DeviceLayerCache::advance(int step) {
  held_ = shared_.schedule().at(layer_, step).selects ? counted_[step % 2].data() : planned_held(step + 1);
  next_step_ = step + 1;
}

void DeviceLayerCache::replay_on_host(int step) {
  require(next_step_ == step, "DeviceKvCache: steps ascend by one");
  advance(step);
}

void DeviceLayerCache::select(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, gpu::DeviceTokens& tokens,
                              int step, const at::Tensor& q) {
  const Plan& plan = shared_.plan();
  const LayerStepSchedule& schedule = shared_.schedule().at(layer_, step);
  const std::int64_t stride = shared_.stride();
  const std::int64_t steps = plan.steps.size();
  const std::int64_t heads = plan.model.heads;
  if (schedule.lists_candidates) {
    kernels.list_candidates({.tokens = tokens,
                             .token = token_.data(),
                             .step_of = shared_.step_of.data(),
                             .seen = shared_.seen.at(step * steps),
                             .candidates = shared_.candidates.view(stride)},
                            stream);
    tokens.index = shared_.candidates.places.data();
    tokens.indexed = shared_.candidates.count.data();
    tokens.index_stride = stride;
  }
  if (schedule.observes) {
    gpu::ObservationProblem problem{.tokens = tokens,
                                    .heads = heads,
                                    .n_query = tokens.n_own,
                                    .queries = strided_heads<const void*>(q, type_),
                                    .observers = shared_.observers.at(plan_offset(step)),
                                    .most_observers = schedule.most_observers,
                                    .softmax_scale = site_.data(),
                                    .logit_bound = host_scale_.size() > index(heads) ? site_.at(heads) : nullptr,
                                    .scores = shared_.scores.data(),
                                    .stride = stride};
    shared_.reserve_workspace(kernels.observation_workspace_bytes(problem));
    problem.workspace = shared_.workspace.as<float>();
    kernels.observation_scores(problem, stream);
  }
  if (schedule.weighs_values) {
    kernels.token_norms(
        {.tokens = tokens, .part = gpu::TokenPart::kValues, .norms = shared_.value_norms.data(), .stride = stride},
        stream);
  }
  gpu::DevicePlaces kept = shared_.kept.view(stride);
  kept.count = counted_[step % 2].data();
  kernels.select_tokens({.tokens = tokens,
                         .layer = layer_,
                         .first_row = 0,
                         .step = step,
                         .steps = static_cast<int>(steps),
                         .first_own_token = static_cast<int>(plan.steps.token_offset(step)),
                         .step_of = shared_.step_of.data(),
                         .token = token_.data(),
                         .outlives = shared_.outlives.at(step * steps),
                         .rules = shared_.rules.at(std::int64_t{layer_} * plan.model.kv_heads),
                         .attend = shared_.attend.at(plan_offset(step)),
                         .carry = shared_.carry.at(plan_offset(step)),
                         .attention = schedule.observes ? shared_.scores.data() : nullptr,
                         .value_norms = schedule.weighs_values ? shared_.value_norms.data() : nullptr,
                         .prior = shared_.prior.at(plan_offset(step) * steps),
                         .collected = collected_.data(),
                         .stride = stride,
                         .attended = shared_.attended.view(stride),
                         .kept = kept,
                         .collected_now = collected_.empty() ? nullptr : shared_.collected_now.data(),
                         .attend_losers = shared_.attend_losers.view(stride),
                         .carried = shared_.carried.view(stride),
                         .carry_losers = shared_.carry_losers.view(stride)},
                        stream);
}

void DeviceLayerCache::merge(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const gpu::DeviceTokens& tokens,
                             const gpu::DevicePlaces& losers, const gpu::DevicePlaces& kept) {
  gpu::DeviceTokens all = tokens;
  all.index = nullptr;
  all.indexed = nullptr;
  kernels.token_norms(
      {.tokens = all, .part = gpu::TokenPart::kKeys, .norms = shared_.key_norms.data(), .stride = shared_.stride()},
      stream);
  kernels.merge_tokens({.tokens = all,
                        .losers = losers,
                        .kept = kept,
                        .key_norms = shared_.key_norms.data(),
                        .nearest = shared_.nearest.data(),
                        .stride = shared_.stride()},
                       stream);
}

void DeviceLayerCache::attend_to(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const gpu::DeviceTokens& tokens,
                                 int step, const at::Tensor& q, const at::Tensor& output) {
  const Plan& plan = shared_.plan();
  const LayerStepSchedule& schedule = shared_.schedule().at(layer_, step);
  const auto read_only = [](const StridedHeads<void*>& heads) {
    return StridedHeads<const void*>{.data = heads.data,
                                     .type = heads.type,
                                     .row_stride = heads.row_stride,
                                     .head_stride = heads.head_stride,
                                     .token_stride = heads.token_stride};
  };
  const bool has_history = schedule.most_held > 0;
  gpu::DeviceAttention problem{
      .rows = tokens.rows,
      .heads = plan.model.heads,
      .kv_heads = tokens.kv_heads,
      .n_query = q.size(2),
      .n_own = tokens.n_own,
      .head_dim = tokens.head_dim,
      .type = type_,
      .softmax_scale = site_.data(),
      .logit_bound = host_scale_.size() > index(plan.model.heads) ? site_.at(plan.model.heads) : nullptr,
      .queries = strided_heads<const void*>(q, type_),
      .held_keys = has_history ? tokens.held_keys : nullptr,
      .held_values = has_history ? tokens.held_values : nullptr,
      .first_slot = has_history ? tokens.first_slot : nullptr,
      .held = has_history ? tokens.held : nullptr,
      .own_keys = read_only(tokens.own_keys),
      .own_values = read_only(tokens.own_values),
      .most_keys = schedule.most_attended,
      .output = strided_heads<void*>(output, type_)};
  if (schedule.selects) {
    problem.index = shared_.attended.places.data();
    problem.index_stride = shared_.stride();
    problem.attended = shared_.attended.count.data();
  }
  shared_.reserve_workspace(kernels.attention_workspace_bytes(problem));
  problem.workspace = shared_.workspace.data();
  kernels.attention(problem, stream);
}

void DeviceLayerCache::carry_on(gpu::DeviceKernels& kernels, gpu::DeviceStream stream, const gpu::DeviceTokens& tokens,
                                int step) {
  const Plan& plan = shared_.plan();
  const LayerStepSchedule& schedule = shared_.schedule().at(layer_, step);
  if (schedule.most_kept == 0) return;
  gpu::CompactionProblem problem{.tokens = tokens,
                                 .most_kept = schedule.most_kept,
                                 .token = token_.data(),
                                 .first_own_token = static_cast<int>(plan.steps.token_offset(step))};
  problem.tokens.index = nullptr;
  problem.tokens.indexed = nullptr;
  if (schedule.selects) {
    problem.kept = shared_.kept.view(shared_.stride());
    problem.kept.count = counted_[step % 2].data();
    problem.collected = collected_.data();
    problem.collected_now = collected_.empty() ? nullptr : shared_.collected_now.data();
    problem.collected_stride = shared_.stride();
  }
  kernels.compact_tokens(problem, stream);
}

std::int64_t DeviceLayerCache::held_tokens() const {
  if (next_step_ == 0) return 0;
  const int step = next_step_ - 1;
  const bool counted = shared_.schedule().at(layer_, step).selects;
  const std::vector<std::int32_t> of_pairs = counted ? counted_[step % 2].to_host() : planned_held_.to_host();
  const std::int64_t first = counted ? 0 : std::int64_t{next_step_} * shared_.pairs();
  std::int64_t sum = 0;
  for (int pair = 0; pair < shared_.pairs(); ++pair) sum += of_pairs[index(first + pair)];
  return sum;
}

std::int64_t DeviceLayerCache::overhead_bytes() const {
  return first_slot_.bytes() + planned_held_.bytes() + counted_[0].bytes() + counted_[1].bytes() + token_.bytes() +
         collected_.bytes() + site_.bytes() + snapshot_.token.bytes() + snapshot_.places.bytes() +
         snapshot_.count.bytes();
}

void DeviceLayerCache::record_attended(int step) {
  const at::Device device = shared_.device();
  const auto snap = [&](DeviceArray<std::int32_t>& copy, const DeviceArray<std::int32_t>& source) {
    const auto size = source.bytes() / static_cast<std::int64_t>(sizeof(std::int32_t));
    if (copy.bytes() != source.bytes()) {
      copy = {size, device};
      shared_.memory_moved();
    }
    copy.copy_from(source);
  };
  snap(snapshot_.token, token_);
  if (!shared_.schedule().at(layer_, step).selects) return;
  snap(snapshot_.places, shared_.attended.places);
  snap(snapshot_.count, shared_.attended.count);
}

std::vector<std::int32_t> DeviceLayerCache::attended_tokens(std::int64_t row, int head) const {
  if (record_ == AttendedRecord::kNone)
    throw usage_error("DeviceKvCache: it was not asked to record what is attended to");
  require(next_step_ > 0, "DeviceKvCache: nothing was attended to yet");
  const Plan& plan = shared_.plan();
  const std::int64_t pair = row * plan.model.kv_heads + head;
  const int step = next_step_ - 1;
  const auto held = DeviceSchedule::held_before(plan.at(layer_, head), step);
  const auto first_own = static_cast<std::int32_t>(plan.steps.token_offset(step));
  const std::vector<std::int32_t> token = snapshot_.token.to_host();
  const auto token_at = [&](std::int64_t place) {
    return place < held ? token[index(host_first_slot_[index(pair)] + place)]
                        : first_own + static_cast<std::int32_t>(place - held);
  };
  std::vector<std::int32_t> attended;
  if (!shared_.schedule().at(layer_, step).selects) {
    for (std::int64_t place = 0; place < held + plan.steps.n_query(step); ++place) attended.push_back(token_at(place));
    return attended;
  }
  const std::vector<std::int32_t> places = snapshot_.places.to_host();
  const std::int32_t count = snapshot_.count.to_host()[index(pair)];
  for (std::int32_t i = 0; i < count; ++i) attended.push_back(token_at(places[index(pair * shared_.stride() + i)]));
  return attended;
}

}  // namespace kvscope
