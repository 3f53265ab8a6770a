#pragma once

#include "kernels/cuda/selection/device_selection.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kvscope::testing {

/// Memory that kernels reach, and the selection kernels running on it: in the interpreter or on a GPU.
class SelectionDevice {
 public:
  virtual ~SelectionDevice() = default;

  /// A buffer whose every byte is 0xFF: NaN, or -1.
  template <typename T>
  [[nodiscard]] T* allocate(const std::string& name, std::int64_t count) {
    return static_cast<T*>(new_buffer(name, count * static_cast<std::int64_t>(sizeof(T))));
  }
  template <typename T>
  [[nodiscard]] T* upload(const std::string& name, const std::vector<T>& values) {
    T* buffer = allocate<T>(name, static_cast<std::int64_t>(values.size()));
    write(buffer, std::as_bytes(std::span(values)));
    return buffer;
  }
  template <typename T>
  [[nodiscard]] std::vector<T> download(const T* buffer, std::int64_t count) const {
    std::vector<T> values(static_cast<std::size_t>(count));
    read(buffer, std::as_writable_bytes(std::span(values)));
    return values;
  }
  /// The lists of all pairs.
  [[nodiscard]] std::vector<std::vector<std::int32_t>> download(const gpu::DevicePlaces& lists,
                                                                std::int64_t pairs) const;
  [[nodiscard]] gpu::DevicePlaces allocate_places(const std::string& name, std::int64_t pairs, std::int64_t stride);
  [[nodiscard]] gpu::DevicePlaces upload_places(const std::string& name,
                                                const std::vector<std::vector<std::int32_t>>& lists);

  virtual void write(void* buffer, std::span<const std::byte> bytes) = 0;
  virtual void read(const void* buffer, std::span<std::byte> bytes) const = 0;

  virtual void run(const gpu::CandidateProblem& problem) = 0;
  virtual void run(const gpu::ObservationProblem& problem) = 0;
  virtual void run(const gpu::NormProblem& problem) = 0;
  virtual void run(const gpu::SelectionProblem& problem) = 0;
  virtual void run(const gpu::MergeProblem& problem) = 0;
  virtual void run(const gpu::CompactionProblem& problem) = 0;

 private:
  virtual void* new_buffer(const std::string& name, std::int64_t bytes) = 0;
};

/// The interpreter, or the GPU in the program of tests that is built for one.
/// @param seed  of the order in which the interpreter's threads take their turns
[[nodiscard]] std::unique_ptr<SelectionDevice> make_selection_device(std::uint64_t seed = 1);

/// The same operations by the functions of the cache on the CPU: the reference.
[[nodiscard]] std::unique_ptr<SelectionDevice> make_reference_device();

}  // namespace kvscope::testing
