#include "collectors/models/step_graphs.h"

#include "collectors/base/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

namespace kvscope {
namespace {

std::int64_t most_queries(const StepTable& steps) {
  std::int64_t most = 0;
  for (int step = 0; step < steps.size(); ++step) most = std::max(most, steps.n_query(step));
  return most;
}

/// Memory for one tensor of any step, each step's a view of its beginning; made when it is first asked for.
class StepBuffer {
 public:
  StepBuffer() = default;
  /// @param like  [rows, any, width]
  StepBuffer(const at::Tensor& like, std::int64_t most_queries)
      : options_(like.options()), rows_(like.size(0)), most_queries_(most_queries), width_(like.size(2)) {}

  [[nodiscard]] at::Tensor of_step(std::int64_t n_query) {
    if (!memory_.defined()) memory_ = at::empty({rows_ * most_queries_ * width_}, options_);
    return memory_.narrow(0, 0, rows_ * n_query * width_).view({rows_, n_query, width_});
  }

 private:
  at::Tensor memory_;
  at::TensorOptions options_;
  std::int64_t rows_ = 0;
  std::int64_t most_queries_ = 0;
  std::int64_t width_ = 0;
};

using Shapes = std::vector<std::vector<std::int64_t>>;

/// Of undefined tensors none.
Shapes shapes_of(const std::vector<at::Tensor>& tensors) {
  Shapes shapes;
  for (const at::Tensor& tensor : tensors) {
    shapes.push_back(tensor.defined() ? tensor.sizes().vec() : std::vector<std::int64_t>());
  }
  return shapes;
}

/// Work of a library that may fail; libraries explain themselves over many lines.
template <typename Work>
void or_environment_error(const char* what, const Step& step, const Work& work) {
  try {
    work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& failure) {
    const std::string_view text = failure.what();
    throw environment_error("step {} cannot be {} as a graph: {}", step.index, what, text.substr(0, text.find('\n')));
  }
}

}  // namespace

/// The graphs that read and write one cache's memory.
struct StepGraphs::OfMemory {
  struct OfStep {
    bool is_warm = false;
    std::unique_ptr<DeviceGraph> graph;
  };

  OfMemory(const std::shared_ptr<const void>& the_memory, const Step& step, const Inputs& inputs)
      : memory(the_memory),
        steps(static_cast<std::size_t>(step.table->size())),
        shapes(shapes_of(inputs.constants)),
        rows(inputs.input.size(0)),
        width(inputs.input.size(2)) {}

  std::weak_ptr<const void> memory;
  std::vector<OfStep> steps;
  Shapes shapes;  ///< of constants
  std::int64_t rows;
  std::int64_t width;  ///< of inputs

  // What graphs read and write.
  std::uint64_t generation = 0;  ///< whose constants these are; 0: nobody's yet
  std::vector<at::Tensor> constants;
  StepBuffer input;
  StepBuffer output;

  [[nodiscard]] bool fits(const Inputs& inputs) const {
    return inputs.input.size(0) == rows && inputs.input.size(2) == width && shapes_of(inputs.constants) == shapes;
  }

  void load(const Inputs& inputs, std::int64_t n_query) {
    input.of_step(n_query).copy_(inputs.input);
    if (generation == inputs.generation) return;
    constants.resize(inputs.constants.size());
    for (std::size_t i = 0; i < constants.size(); ++i) {
      if (!inputs.constants[i].defined()) continue;
      if (!constants[i].defined()) constants[i] = at::empty_like(inputs.constants[i]);
      constants[i].copy_(inputs.constants[i]);
    }
    generation = inputs.generation;
  }

  /// The cache has put some of its memory elsewhere: what was captured is void, what is warm stays so.
  void move_to(const std::shared_ptr<const void>& other) {
    if (memory.lock() == other) return;
    memory = other;
    for (OfStep& step : steps) step.graph.reset();
  }
};

StepGraphs::StepGraphs(std::unique_ptr<GraphBackend> backend) : backend_(std::move(backend)) {
  require(backend_ != nullptr, "StepGraphs: a backend is needed");
}

StepGraphs::~StepGraphs() = default;

StepGraphs::OfMemory& StepGraphs::of(const std::shared_ptr<const void>& memory, const Step& step,
                                     const Inputs& inputs) {
  std::erase_if(memories_, [](const auto& graphs) { return graphs->memory.expired(); });
  const auto found =
      std::ranges::find_if(memories_, [&](const auto& graphs) { return graphs->memory.lock() == memory; });
  if (found != memories_.end()) return **found;
  return *memories_.emplace_back(std::make_unique<OfMemory>(memory, step, inputs));
}

at::Tensor StepGraphs::run(KvCache& cache, const Step& step, const Inputs& inputs, const Work& work) {
  const auto memory = cache.capturable_memory();
  if (memory == nullptr) return work(inputs.constants, inputs.input);
  OfMemory& graphs = of(memory, step, inputs);
  if (!graphs.fits(inputs)) return work(inputs.constants, inputs.input);
  OfMemory::OfStep& of_step = graphs.steps.at(static_cast<std::size_t>(step.index));
  if (!of_step.is_warm) {
    at::Tensor result = work(inputs.constants, inputs.input);
    if (graphs.generation == 0) {
      graphs.input = StepBuffer(inputs.input, most_queries(*step.table));
      graphs.output = StepBuffer(result, most_queries(*step.table));
    }
    graphs.move_to(cache.capturable_memory());
    of_step.is_warm = true;
    return result;
  }
  const std::int64_t n_query = step.table->n_query(step.index);
  graphs.load(inputs, n_query);
  if (of_step.graph == nullptr) {
    of_step.graph = capture(graphs, step, work);
    require(cache.capturable_memory() == memory, "StepGraphs: a cache moved its memory while it was captured");
  } else {
    cache.replay_on_host(step);
  }
  or_environment_error("replayed", step, [&] { of_step.graph->replay(); });
  return graphs.output.of_step(n_query);
}

std::unique_ptr<DeviceGraph> StepGraphs::capture(OfMemory& graphs, const Step& step, const Work& work) const {
  const std::int64_t n_query = step.table->n_query(step.index);
  const at::Tensor input = graphs.input.of_step(n_query);
  const at::Tensor output = graphs.output.of_step(n_query);
  std::unique_ptr<DeviceGraph> graph;
  or_environment_error("captured", step,
                       [&] { graph = backend_->capture([&] { output.copy_(work(graphs.constants, input)); }); });
  return graph;
}

}  // namespace kvscope
