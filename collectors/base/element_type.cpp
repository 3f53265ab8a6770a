#include "collectors/base/element_type.h"

#include <array>

namespace kvscope {
namespace {

struct ElementTypeRow {
  ElementType type;
  std::int64_t bytes;
  std::string_view name;
  std::string_view short_name;
};

// In the order of the enumerators, so that a row is found by its number.
constexpr std::array kRows = {
    ElementTypeRow{ElementType::kFloat64, 8, "float64", "fp64"},
    ElementTypeRow{ElementType::kFloat32, 4, "float32", "fp32"},
    ElementTypeRow{ElementType::kFloat16, 2, "float16", "fp16"},
    ElementTypeRow{ElementType::kBFloat16, 2, "bfloat16", "bf16"},
    ElementTypeRow{ElementType::kInt64, 8, "int64", "i64"},
    ElementTypeRow{ElementType::kInt32, 4, "int32", "i32"},
    ElementTypeRow{ElementType::kInt16, 2, "int16", "i16"},
    ElementTypeRow{ElementType::kInt8, 1, "int8", "i8"},
    ElementTypeRow{ElementType::kUInt8, 1, "uint8", "u8"},
    ElementTypeRow{ElementType::kBool, 1, "bool", "bool"},
};

const ElementTypeRow& row_of(ElementType type) noexcept {
  return kRows[static_cast<std::size_t>(type)];
}

}  // namespace

std::int64_t element_bytes(ElementType type) noexcept {
  return row_of(type).bytes;
}

std::string_view element_name(ElementType type) noexcept {
  return row_of(type).name;
}

std::optional<ElementType> element_type_from_name(std::string_view name) noexcept {
  for (const auto& row : kRows) {
    if (row.name == name || row.short_name == name) return row.type;
  }
  return std::nullopt;
}

}  // namespace kvscope
