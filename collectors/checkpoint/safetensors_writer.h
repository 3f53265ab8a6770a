#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// The element type a tensor is written with: floating-point tensors become `floating_type` if there is one,
/// all others keep theirs.
[[nodiscard]] ElementType written_type(ElementType type, std::optional<ElementType> floating_type) noexcept;

/// `elements` (raw, of floating-point type `from`) as raw elements of the floating-point type `to`, rounded to
/// nearest, ties to even. Infinities and NaN stay what they are.
/// @param name  names the tensor in the error message
/// @throws Error  kBadInput if a finite number becomes infinite.
[[nodiscard]] std::vector<std::byte> convert_elements(std::span<const std::byte> elements, ElementType from,
                                                      ElementType to, std::string_view name);

/// Writes tensors into a safetensors file, one after the other and never more than one block in memory besides
/// the mapped sources. The largest elements come first, so that all data stays aligned; otherwise in the given order.
/// The file appears under its name once it is whole (see FileWriter).
/// @param floating_type  see written_type
/// @return bytes of the file
/// @throws Error  kBadInput where a number does not fit `floating_type`, kEnvironment if the disk is full.
std::int64_t write_safetensors(const std::filesystem::path& path, std::span<const CheckpointTensor> tensors,
                               std::optional<ElementType> floating_type = std::nullopt);

}  // namespace kvscope
