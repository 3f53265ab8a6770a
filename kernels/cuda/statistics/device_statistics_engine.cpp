#include "kernels/cuda/statistics/device_statistics_engine.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/capture/recording_kv_cache.h"
#include "collectors/compute/compute_tensor.h"
#include "kernels/cache/device_arrays.h"
#include "kernels/cuda/statistics/map_tables.h"
#include "kernels/cuda/statistics/statistics_result.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <map>
#include <vector>

namespace kvscope {
namespace {

gpu::DeviceStream current_stream(at::Device device) {
  if (device.is_cpu()) return {};
  const c10::impl::VirtualGuardImpl backend(device.type());
  return {.stream = backend.getStreamNativeHandle(backend.getStream(device))};
}

/// The smallest head size of the kernels that holds so many channels.
std::int64_t kernel_channels(std::int64_t channels) {
  for (const std::int64_t known : {32, 64, 96, 128}) {
    if (channels <= known) return known;
  }
  throw usage_error("device statistics: heads of {} channels; at most 128 are known", channels);
}

at::ScalarType common_type(const AttentionRecord& record) {
  const at::ScalarType type = record.q.scalar_type();
  const bool is_common =
      record.keys.scalar_type() == type && record.values.scalar_type() == type && record.output.scalar_type() == type;
  return is_common ? type : at::kFloat;
}

/// Whether kernels can read the tensor 16 bytes at a time.
bool lies_at_packets(const at::Tensor& tensor) {
  constexpr std::int64_t kPacketBytes = 16;
  if (tensor.stride(3) != 1 || reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % kPacketBytes != 0)
    return false;
  for (int axis = 0; axis < 3; ++axis) {
    if (tensor.size(axis) > 1 && tensor.stride(axis) * tensor.element_size() % kPacketBytes != 0) return false;
  }
  return true;
}

/// [rows, heads, tokens, channels] as the kernels want it: itself, or a copy.
at::Tensor prepared(const at::Tensor& tensor, at::ScalarType type, std::int64_t channels) {
  at::Tensor result = tensor.to(type);
  if (channels != result.size(3)) return at::constant_pad_nd(result, {0, channels - result.size(3)}).contiguous();
  return lies_at_packets(result) ? result : result.clone(at::MemoryFormat::Contiguous);
}

StridedHeads<const void*> heads_of(const at::Tensor& tensor) {
  // Strides along axes of size 1 mean nothing.
  const auto stride = [&](int axis) { return tensor.size(axis) > 1 ? tensor.stride(axis) : 0; };
  return {.data = tensor.const_data_ptr(),
          .type = compute_type_of(tensor, "a captured tensor"),
          .row_stride = stride(0),
          .head_stride = stride(1),
          .token_stride = stride(2)};
}

/// What kernels know of a step, on the host and on the device.
struct StepPlan {
  StepPlan(const StepTable& steps, int step, ElementType type, at::Device device)
      : tables(steps, step, gpu::column_tile_keys(type)), words(tables.words(), device) {}

  [[nodiscard]] gpu::MapPlan plan() const { return tables.plan(words.data()); }

  gpu::DeviceMapTables tables;
  DeviceArray<std::int32_t> words;
};

/// A call whose results are on the device, or on their way there.
struct Call {
  int layer;
  const StepTable* steps;
  int step;
  std::int64_t samples;
  std::int64_t rows;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t channels;
  gpu::StatisticsLayout layout;
  DeviceArray<float> heads_result;
  DeviceArray<float> tokens_result;
  StepStatistics* statistics;
};

/// Waits for a call's results and adds them: one task per branch and key/value head, samples in order.
void add_results(const Call& call) {
  const std::vector<float> heads = call.heads_result.to_host();
  const std::vector<float> tokens = call.tokens_result.to_host();
  const std::int64_t group = call.heads / call.kv_heads;
  parallel_for(call.rows / call.samples * call.kv_heads, [&](std::int64_t task) {
    const std::int64_t branch = task / call.kv_heads;
    const std::int64_t kv_head = task % call.kv_heads;
    for (std::int64_t sample = 0; sample < call.samples; ++sample) {
      const std::int64_t row = branch * call.samples + sample;
      const float* of_tokens = tokens.data() + (row * call.kv_heads + kv_head) * call.layout.token_floats;
      call.statistics->add(HeadPlace{sample, branch, call.layer, kv_head},
                           gpu::key_value_statistics_of(of_tokens, call.layout, *call.steps, call.step, call.channels));
      for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        const float* of_head = heads.data() + (row * call.heads + head) * call.layout.head_floats;
        call.statistics->add(HeadPlace{sample, branch, call.layer, head},
                             gpu::head_statistics_of(of_head, call.layout, *call.steps, call.step, call.channels));
      }
    }
  });
}

}  // namespace

struct DeviceStatisticsEngine::State {
  /// The plan of a step, made when it is first met.
  const StepPlan& plan_of(const StepTable& table, int step, ElementType type, at::Device device) {
    if (!(table == steps) || type != plan_type || device != plan_device) {
      plans.clear();
      steps = table;
      plan_type = type;
      plan_device = device;
    }
    const auto found = plans.find(step);
    if (found != plans.end()) return found->second;
    return plans.try_emplace(step, steps, step, type, device).first->second;
  }

  /// [heads] on the device; models have few different ones.
  const float* scales_of(const AttentionSite& site, std::int64_t heads, at::Device device) {
    std::vector<float> values(site.softmax_scale.begin(), site.softmax_scale.end());
    if (values.size() == 1) values.assign(static_cast<std::size_t>(heads), values[0]);
    require(static_cast<std::int64_t>(values.size()) == heads, "device statistics: one softmax scale for each head");
    auto& array = scales[values];
    if (array.empty() || scale_device != device) array = DeviceArray<float>(values, device);
    scale_device = device;
    return array.data();
  }

  void finish() {
    for (const Call& call : calls) add_results(call);
    calls.clear();
  }

  StepTable steps;
  ElementType plan_type = ElementType::kFloat32;
  at::Device plan_device = at::kCPU;
  std::map<int, StepPlan> plans;
  std::map<std::vector<float>, DeviceArray<float>> scales;
  at::Device scale_device = at::kCPU;
  DeviceBuffer workspace;
  std::vector<Call> calls;  ///< of one step
};

DeviceStatisticsEngine::DeviceStatisticsEngine(std::string name, Queue queue, std::int64_t workspace_bytes)
    : name_(std::move(name)),
      queue_(std::move(queue)),
      workspace_bytes_(workspace_bytes),
      state_(std::make_unique<State>()) {}

DeviceStatisticsEngine::~DeviceStatisticsEngine() = default;

void DeviceStatisticsEngine::begin() {
  state_->calls.clear();
}

void DeviceStatisticsEngine::finish() {
  state_->finish();
}

void DeviceStatisticsEngine::add(const AttentionRecord& record, std::int64_t samples, StepStatistics& statistics) {
  const StepTable& steps = *record.step.table;
  const int step = record.step.index;
  require(record.q.size(2) == steps.n_query(step) && record.keys.size(2) == steps.n_key(step),
          "capture: the attention call does not have the shape of its step");
  if (!state_->calls.empty() && state_->calls.back().step != step) finish();

  const at::Device device = record.q.device();
  const c10::DeviceGuard guard(device);
  const at::ScalarType type = common_type(record);
  const std::int64_t channels = kernel_channels(record.q.size(3));
  const at::Tensor q = prepared(record.q, type, channels);
  const at::Tensor keys = prepared(record.keys, type, channels);
  const at::Tensor values = prepared(record.values, type, channels);
  const at::Tensor output = prepared(record.output, type, channels);

  const ElementType element = compute_type_of(q, "a captured tensor");
  const gpu::MapPlan plan = state_->plan_of(steps, step, element, device).plan();
  const std::int64_t rows = q.size(0);
  const std::int64_t heads = q.size(1);
  const std::int64_t kv_heads = keys.size(1);
  const gpu::StatisticsLayout layout(plan, channels);
  const std::int64_t per_head = gpu::workspace_bytes_per_head(plan, channels);
  state_->workspace.reserve(std::clamp(rows * heads * per_head, per_head, std::max(per_head, workspace_bytes_)),
                            device);
  state_->calls.push_back({.layer = record.site.layer,
                           .steps = &steps,
                           .step = step,
                           .samples = samples,
                           .rows = rows,
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .channels = record.q.size(3),
                           .layout = layout,
                           .heads_result = DeviceArray<float>(rows * heads * layout.head_floats, device),
                           .tokens_result = DeviceArray<float>(rows * kv_heads * layout.token_floats, device),
                           .statistics = &statistics});
  const Call& call = state_->calls.back();
  queue_({.rows = rows,
          .heads = heads,
          .kv_heads = kv_heads,
          .head_dim = channels,
          .type = element,
          .plan = plan,
          .softmax_scale = state_->scales_of(record.site, heads, device),
          .queries = heads_of(q),
          .keys = heads_of(keys),
          .values = heads_of(values),
          .output = heads_of(output),
          .heads_result = call.heads_result.data(),
          .tokens_result = call.tokens_result.data(),
          .workspace = state_->workspace.data(),
          .workspace_bytes = state_->workspace.bytes()},
         current_stream(device));
}

std::shared_ptr<StatisticsEngine> statistics_engine_for(const ComputeDevice& device) {
#ifdef KVSCOPE_HAS_CUDA
  if (device.is_cuda()) return std::make_shared<DeviceStatisticsEngine>("cuda", gpu::queue_device_statistics);
#endif
  (void)device;
  return nullptr;
}

}  // namespace kvscope
