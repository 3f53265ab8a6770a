#include "collectors/checkpoint/safetensors_file.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/byte_cursor.h"
#include "collectors/checkpoint/tensor_name.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>
#include <utility>

namespace kvscope {
namespace {

using Bytes = std::span<const std::byte>;
using Json = nlohmann::ordered_json;

/// The format's own limit on the header.
constexpr std::uint64_t kLargestHeader = 100'000'000;
constexpr std::size_t kHighestRank = 64;
constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  ElementType type;
  std::string_view name;
};

constexpr std::array kTypeNames = {
    TypeName{ElementType::kFloat64, "F64"}, TypeName{ElementType::kFloat32, "F32"},
    TypeName{ElementType::kFloat16, "F16"}, TypeName{ElementType::kBFloat16, "BF16"},
    TypeName{ElementType::kInt64, "I64"},   TypeName{ElementType::kInt32, "I32"},
    TypeName{ElementType::kInt16, "I16"},   TypeName{ElementType::kInt8, "I8"},
    TypeName{ElementType::kUInt8, "U8"},    TypeName{ElementType::kBool, "BOOL"},
};

/// Parses the header; names that are there twice and nesting that no header has are errors.
Json parse_header(std::string_view text, std::string_view where) {
  constexpr int kDeepest = 3;  // { name: { shape: [ ] } }
  std::unordered_set<std::string> names;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kDeepest) throw bad_input("{}: the header is nested too deeply", where);
    if (event == Json::parse_event_t::key && depth == 1 && !names.insert(value.get<std::string>()).second) {
      throw bad_input("{}: tensor '{}' is there twice", where, printable(value.get<std::string>()));
    }
    return true;
  };
  try {
    Json header = Json::parse(text, watch);
    if (!header.is_object()) throw bad_input("{}: the header is no JSON object", where);
    return header;
  } catch (const nlohmann::json::parse_error& error) {
    throw bad_input("{}: the header is no JSON, from its byte {} on", where, error.byte);
  } catch (const nlohmann::json::exception&) {
    // A number that no type holds (1e999) is an exception of another kind.
    throw bad_input("{}: the header holds a number that is out of range", where);
  }
}

/// A tensor as the header describes it.
struct Description {
  std::string name;
  ElementType type = ElementType::kFloat32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// The unsigned numbers of a JSON array.
std::vector<std::uint64_t> numbers(const Json& entry, const char* field, std::string_view where) {
  const auto found = entry.find(field);
  const bool sound = found != entry.end() && found->is_array() && found->size() <= kHighestRank &&
                     std::all_of(found->begin(), found->end(), [](const Json& n) { return n.is_number_unsigned(); });
  if (!sound) throw bad_input("{}: '{}' is not a short list of whole numbers", where, field);
  return found->get<std::vector<std::uint64_t>>();
}

ElementType type_of(const Json& entry, std::string_view where) {
  const auto found = entry.find("dtype");
  if (found == entry.end() || !found->is_string()) throw bad_input("{}: 'dtype' is missing", where);
  const auto name = found->get<std::string>();
  const auto type = element_type_of_safetensors(name);
  if (!type.has_value()) throw bad_input("{}: elements of type '{}' are not known", where, printable(name));
  return *type;
}

/// Bytes of a dense tensor; nothing if they cannot be counted.
std::optional<std::uint64_t> dense_bytes(const std::vector<std::uint64_t>& shape, ElementType type) {
  std::uint64_t bytes = static_cast<std::uint64_t>(element_bytes(type));
  bool empty = false;
  for (const auto extent : shape) {
    if (extent > INT64_MAX) return std::nullopt;
    empty = empty || extent == 0;
    if (extent > 0 && __builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  if (bytes > INT64_MAX) return std::nullopt;
  return empty ? 0 : bytes;
}

Description describe(const std::string& name, const Json& entry, std::string_view file) {
  check_tensor_name(name, file);
  const std::string where = fmt::format("{}: tensor '{}'", file, printable(name));
  if (!entry.is_object()) throw bad_input("{}: no JSON object", where);
  Description description{name, type_of(entry, where), {}, 0, 0};
  const auto shape = numbers(entry, "shape", where);
  const auto offsets = numbers(entry, "data_offsets", where);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) throw bad_input("{}: 'data_offsets' is no interval", where);
  description.begin = offsets[0];
  description.end = offsets[1];
  const auto bytes = dense_bytes(shape, description.type);
  if (!bytes.has_value() || *bytes != description.end - description.begin) {
    throw bad_input("{}: {} bytes of data do not match its shape", where, description.end - description.begin);
  }
  description.shape.assign(shape.begin(), shape.end());
  return description;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * std::max<std::int64_t>(shape[axis], 1);
  }
  return strides;
}

/// Tensors must fill the data without overlap or hole; `descriptions` are in the order of their data.
void check_coverage(const std::vector<Description>& descriptions, std::uint64_t data_bytes, std::string_view where) {
  std::uint64_t filled = 0;
  for (const auto& description : descriptions) {
    if (description.end > data_bytes) {
      throw bad_input("{}: tensor '{}' ends at byte {} of the data, of which there are {}: the file is cut short",
                      where, description.name, description.end, data_bytes);
    }
    if (description.begin != filled) {
      throw bad_input("{}: tensor '{}' begins at byte {} of the data, expected {}", where, description.name,
                      description.begin, filled);
    }
    filled = description.end;
  }
  if (filled != data_bytes) {
    throw bad_input("{}: {} bytes behind the last tensor belong to none", where, data_bytes - filled);
  }
}

}  // namespace

std::optional<ElementType> element_type_of_safetensors(std::string_view name) noexcept {
  for (const auto& row : kTypeNames) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::string_view safetensors_name(ElementType type) noexcept {
  return std::find_if(kTypeNames.begin(), kTypeNames.end(), [&](const TypeName& row) { return row.type == type; })
      ->name;
}

bool is_safetensors(Bytes file) noexcept {
  if (file.size() < 9 || file[8] != std::byte{'{'}) return false;
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = (length << 8) | std::to_integer<std::uint64_t>(file[i]);
  return length <= kLargestHeader;
}

std::vector<CheckpointTensor> read_safetensors(Bytes file, std::string_view where) {
  ByteCursor cursor(file, where);
  const auto header_bytes = cursor.take_number<std::uint64_t>();
  if (header_bytes > kLargestHeader) {
    throw bad_input("{}: a header of {} bytes; the format allows {}", where, header_bytes, kLargestHeader);
  }
  const Json header = parse_header(cursor.take_text(header_bytes), where);
  const Bytes data = cursor.take(cursor.remaining());

  std::vector<Description> descriptions;
  for (const auto& [name, entry] : header.items()) {
    if (name != kMetadata) descriptions.push_back(describe(name, entry, where));
  }
  if (descriptions.empty()) throw bad_input("{}: holds no tensors", where);
  std::stable_sort(descriptions.begin(), descriptions.end(), [](const Description& a, const Description& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_coverage(descriptions, data.size(), where);

  std::vector<CheckpointTensor> tensors;
  for (auto& description : descriptions) {
    const auto storage = data.subspan(static_cast<std::size_t>(description.begin),
                                      static_cast<std::size_t>(description.end - description.begin));
    tensors.push_back({std::move(description.name), description.type, description.shape,
                       row_major_strides(description.shape), storage});
  }
  return tensors;
}

}  // namespace kvscope
