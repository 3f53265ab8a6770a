#include "collectors/gpu/activity_recorder.h"

#include "collectors/gpu/activity_buffers.h"
#include "collectors/gpu/cupti_library.h"
#include "collectors/gpu/cupti_records.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <mutex>
#include <utility>

namespace kvscope {
namespace {

// Ranges that nest deeper have no ids of their own for nodes of graphs.
constexpr std::size_t kDeepest = 64;

/// The ids of the ranges that are open on this thread, for nodes of graphs that are made inside them.
struct OpenRanges {
  std::array<std::uint64_t, kDeepest> ids{};
  std::size_t depth = 0;

  void push(std::uint64_t id) noexcept {
    if (depth < kDeepest) ids[depth] = id;
    ++depth;
  }
  void pop() noexcept {
    if (depth > 0) --depth;
  }
  /// 0 where there is none.
  [[nodiscard]] std::uint64_t innermost() const noexcept { return depth == 0 || depth > kDeepest ? 0 : ids[depth - 1]; }
};

thread_local OpenRanges open_ranges;

/// What CUPTI's callbacks, which know no object, write to; nullptr while nothing is recorded.
std::atomic<ActivityBuffers*> recording{nullptr};

void on_buffer_requested(std::uint8_t** buffer, std::size_t* bytes, std::size_t* most_records) {
  ActivityBuffers* buffers = recording.load();
  const auto free_buffer = buffers == nullptr ? std::span<std::uint8_t>() : buffers->take();
  *buffer = free_buffer.data();
  *bytes = free_buffer.size();
  *most_records = 0;  // as many as fit
}

void on_buffer_completed(CUcontext context, std::uint32_t stream, std::uint8_t* buffer, std::size_t,
                         std::size_t valid_bytes) {
  ActivityBuffers* buffers = recording.load();
  if (buffers == nullptr) return;
  buffers->decode_and_give_back(buffer, valid_bytes, cupti_library().next_record);
  std::size_t dropped = 0;
  if (cupti_library().dropped_records(context, stream, &dropped) == CUPTI_SUCCESS) buffers->add_dropped(dropped);
}

std::uint64_t timestamp() {
  return static_cast<std::uint64_t>(steady_ns());
}

/// Remembers in which range a node of a graph was made, and from which node one was cloned.
void on_resource(void*, CUpti_CallbackDomain domain, CUpti_CallbackId what, const void* data) {
  ActivityBuffers* buffers = recording.load();
  if (buffers == nullptr || domain != CUPTI_CB_DOMAIN_RESOURCE || data == nullptr) return;
  const auto* resource = static_cast<const CUpti_ResourceData*>(data);
  const auto* graph = static_cast<const CUpti_GraphData*>(resource->resourceDescriptor);
  if (graph == nullptr) return;
  const auto id_of = [](CUgraphNode node) {
    std::uint64_t id = 0;
    return cupti_library().graph_node_id(node, &id) == CUPTI_SUCCESS ? id : std::uint64_t{0};
  };
  if (what == CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED) buffers->add_node(id_of(graph->node), open_ranges.innermost());
  if (what == CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED) {
    buffers->add_clone(id_of(graph->node), id_of(graph->originalNode));
  }
}

}  // namespace

struct ActivityRecorder::Implementation : RangeFollower {
  ActivityBuffers buffers;
  CUpti_SubscriberHandle subscriber = nullptr;
  bool is_recording = false;

  void enter(std::uint64_t id, const RangeTag&) noexcept override {
    if (!is_recording) return;
    open_ranges.push(id);
    (void)cupti_library().push_external(kOurExternalKind, id);
  }

  void leave() noexcept override {
    if (!is_recording) return;
    open_ranges.pop();
    (void)cupti_library().pop_external(kOurExternalKind, nullptr);
  }

  /// The first step that fails, and how; empty if none does.
  std::string begin() {
    const CuptiLibrary& cupti = cupti_library();
    std::string problem;
    const auto step = [&](const char* what, CUptiResult result) {
      if (result != CUPTI_SUCCESS) problem = fmt::format("{}: {}", what, cupti.text_of(result));
      return result == CUPTI_SUCCESS;
    };
    // Another subscriber means another profiler; it is found here and not in the middle of a run.
    if (!step("CUPTI cannot be subscribed to", cupti.subscribe(&subscriber, on_resource, nullptr))) return problem;
    for (const auto what : {CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED, CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED}) {
      const auto id = static_cast<CUpti_CallbackId>(what);
      if (!step("CUPTI's callbacks", cupti.enable_callback(1, subscriber, CUPTI_CB_DOMAIN_RESOURCE, id))) {
        return problem;
      }
    }
    // Before any kind is enabled, so that all times are of our clock.
    if (!step("CUPTI's clock", cupti.register_timestamp(timestamp))) return problem;
    if (!step("CUPTI's buffers", cupti.register_callbacks(on_buffer_requested, on_buffer_completed))) return problem;
    for (const CUpti_ActivityKind kind : kCuptiKinds) {
      if (!step("CUPTI's activity records", cupti.enable(kind))) return problem;
    }
    return problem;
  }

  /// Also after a beginning that failed half-way. CUPTI is detached only where it was ours: another profiler may
  /// have it.
  void end() {
    const CuptiLibrary& cupti = cupti_library();
    if (subscriber != nullptr) detach(cupti);
    is_recording = false;
    recording = nullptr;
  }

  void detach(const CuptiLibrary& cupti) {
    for (const CUpti_ActivityKind kind : kCuptiKinds) (void)cupti.disable(kind);
    flush();
    (void)cupti.unsubscribe(subscriber);
    subscriber = nullptr;
    (void)cupti.finalize();
  }

  static void flush() { (void)cupti_library().flush_all(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED); }
};

ActivityRecorder::ActivityRecorder() : implementation_(std::make_unique<Implementation>()) {}

ActivityRecorder::~ActivityRecorder() {
  if (is_recording()) implementation_->end();
}

std::string ActivityRecorder::start() {
  if (is_recording()) return {};
  if (const std::string& problem = cupti_library().problem; !problem.empty()) return problem;
  implementation_->buffers.reserve();
  ActivityBuffers* nobody = nullptr;
  if (!recording.compare_exchange_strong(nobody, &implementation_->buffers)) return "another recording is under way";
  implementation_->is_recording = true;
  std::string problem = implementation_->begin();
  if (!problem.empty()) implementation_->end();
  return problem;
}

bool ActivityRecorder::is_recording() const noexcept {
  return implementation_->is_recording;
}

RangeFollower& ActivityRecorder::follower() noexcept {
  return *implementation_;
}

void ActivityRecorder::clear() {
  if (!is_recording()) return;
  Implementation::flush();
  implementation_->buffers.forget_work();
}

ActivityLog ActivityRecorder::stop() {
  if (is_recording()) implementation_->end();
  return implementation_->buffers.take_log();
}

}  // namespace kvscope
