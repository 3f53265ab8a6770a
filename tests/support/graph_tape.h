#pragma once

#include "collectors/models/graph_backend.h"

#include <functional>
#include <memory>

namespace kvscope::testing {

/// CUDA graphs as a CPU can have them. capture() records every operation of LibTorch with the very tensors and numbers
/// it is called with, and what record() is given; replay() does that again and nothing else. As on a GPU,
///   - what was captured is not done: memory from before holds what it held;
///   - numbers and addresses are those of the capture, whatever the host says later;
///   - memory made while capturing is the graph's own: each replay finds it full of NaN, and it may not be held
///   outside;
///   - reading a value back while capturing is an error.
class GraphTape : public GraphBackend {
 public:
  struct Counts {
    int captures = 0;
    int replays = 0;
  };
  /// @param counts  of all graphs of this tape
  explicit GraphTape(std::shared_ptr<Counts> counts = std::make_shared<Counts>()) : counts_(std::move(counts)) {}

  /// @throws std::runtime_error  if `work` reads a value back or leaves a tensor of the graph's memory behind.
  [[nodiscard]] std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) override;

  /// Work beside LibTorch's: taken into the graph that this thread captures, or done at once if there is none.
  static void record(std::function<void()> work);

 private:
  std::shared_ptr<Counts> counts_;
};

}  // namespace kvscope::testing
