#pragma once

#include <functional>
#include <memory>

namespace kvscope {

/// Device work that was recorded once and can be queued again as a whole, on the same memory.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Queues the work on the current stream; waits for nothing.
  virtual void replay() = 0;
};

/// Records device work: CUDA graphs (cuda_graphs.h), or what tests put in their place. Pure interface: a library that
/// is loaded at run time implements it.
class GraphBackend {
 public:
  virtual ~GraphBackend() = default;

  /// Runs `work` on the calling thread; what it queues on the current stream is recorded and not done. Everything the
  /// host does in `work` is done now, and never again: numbers and addresses that it hands to the device are part of
  /// the graph. `work` must not wait for the device nor read from it, and no tensor that it makes may outlive it: that
  /// memory is the graph's own and shared with other graphs of the backend, which therefore replay one after the other.
  ///
  /// Graphs may outlive the backend.
  /// @throws std::exception  whatever `work` throws, or why it cannot be recorded; nothing was done on the device then
  [[nodiscard]] virtual std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) = 0;
};

}  // namespace kvscope
