#pragma once

#include "collectors/checkpoint/checkpoint.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope {

/// The element type of a safetensors name ("F32", "BF16", ...); nothing for those kvscope does not know.
[[nodiscard]] std::optional<ElementType> element_type_of_safetensors(std::string_view name) noexcept;
[[nodiscard]] std::string_view safetensors_name(ElementType type) noexcept;

/// True if the bytes begin as a safetensors file does: a header length that is possible, then a '{'.
[[nodiscard]] bool is_safetensors(std::span<const std::byte> file) noexcept;

/// The tensors of a safetensors file, as views into `file`, in the order of their data.
///
/// Eight bytes header length, the header (JSON: name -> dtype, shape, data_offsets; `__metadata__` is ignored), the
/// data. As the format demands, tensors fill the data from its first to its last byte, without overlap or hole.
/// @param where  begins error messages: the file's path
/// @throws Error  kBadInput naming the tensor
[[nodiscard]] std::vector<CheckpointTensor> read_safetensors(std::span<const std::byte> file, std::string_view where);

}  // namespace kvscope
