#pragma once

#include "collectors/checkpoint/checkpoint.h"
#include "collectors/checkpoint/tensor_name.h"

#include <cstddef>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope::fuzzing {

/// Ends the process so that libFuzzer keeps the input.
inline void demand(bool condition) {
  if (!condition) std::abort();
}

/// What every reader promises of what it accepts: plain names, and views of which every element lies in the file. All
/// of them are read.
inline void check_tensors(const std::vector<CheckpointTensor>& tensors, std::span<const std::byte> file) {
  for (const CheckpointTensor& tensor : tensors) {
    demand(is_plain_text(tensor.name) && tensor.strides.size() == tensor.shape.size());
    const bool inside =
        tensor.storage.empty() || (tensor.storage.data() >= file.data() &&
                                   tensor.storage.data() + tensor.storage.size() <= file.data() + file.size());
    demand(inside);
    demand(contiguous_bytes(tensor).size() == static_cast<std::size_t>(tensor.elements() * element_bytes(tensor.type)));
  }
}

/// What every refusal promises: one line.
inline void check_message(std::string_view message) {
  demand(message.find('\n') == std::string_view::npos);
}

}  // namespace kvscope::fuzzing
