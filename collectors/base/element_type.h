#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvscope {

/// Element types that checkpoints, caches and kernels know.
enum class ElementType { kFloat64, kFloat32, kFloat16, kBFloat16, kInt64, kInt32, kInt16, kInt8, kUInt8, kBool };

/// Size of one element in bytes.
[[nodiscard]] std::int64_t element_bytes(ElementType type) noexcept;

/// "float32", "bfloat16", ...: the spelling in every file kvscope writes.
[[nodiscard]] std::string_view element_name(ElementType type) noexcept;

/// The type of that name, also by its short name ("fp32", "bf16", "fp16"); nothing if there is none.
[[nodiscard]] std::optional<ElementType> element_type_from_name(std::string_view name) noexcept;

}  // namespace kvscope
