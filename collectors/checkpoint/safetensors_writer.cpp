#include "collectors/checkpoint/safetensors_writer.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/half.h"
#include "collectors/base/interrupt.h"
#include "collectors/checkpoint/safetensors_file.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace kvscope {
namespace {

using Bytes = std::span<const std::byte>;

/// The header is padded so that data begins at a multiple of this.
constexpr std::size_t kAlignment = 8;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

bool is_floating(ElementType type) noexcept {
  return type == ElementType::kFloat64 || type == ElementType::kFloat32 || type == ElementType::kFloat16 ||
         type == ElementType::kBFloat16;
}

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

double load_number(const std::byte* from, ElementType type) {
  switch (type) {
    case ElementType::kFloat64:
      return load<double>(from);
    case ElementType::kFloat32:
      return static_cast<double>(load<float>(from));
    case ElementType::kFloat16:
      return static_cast<double>(float_of_float16(load<std::uint16_t>(from)));
    default:
      return static_cast<double>(float_of_bfloat16(load<std::uint16_t>(from)));
  }
}

/// The float next to `value` that rounds further as `value` itself would: where float cannot hold it, the neighbour
/// with an odd mantissa ("round to odd"; Boldo and Melquiond 2008, IEEE Trans. Computers 57, theorem 1).
float narrowed_for_rounding(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || !std::isfinite(nearest)) return nearest;
  if ((std::bit_cast<std::uint32_t>(nearest) & 1U) != 0) return nearest;
  const bool too_small = static_cast<double>(nearest) < value;
  return std::nextafter(nearest, too_small ? INFINITY : -INFINITY);
}

/// Stores `value` and returns what was stored.
double store_number(std::byte* to, double value, ElementType type) {
  switch (type) {
    case ElementType::kFloat64:
      store(to, value);
      return value;
    case ElementType::kFloat32:
      store(to, static_cast<float>(value));
      return static_cast<double>(static_cast<float>(value));
    case ElementType::kFloat16: {
      const std::uint16_t bits = float16_bits(narrowed_for_rounding(value));
      store(to, bits);
      return static_cast<double>(float_of_float16(bits));
    }
    default: {
      const std::uint16_t bits = bfloat16_bits(narrowed_for_rounding(value));
      store(to, bits);
      return static_cast<double>(float_of_bfloat16(bits));
    }
  }
}

std::vector<const CheckpointTensor*> in_file_order(std::span<const CheckpointTensor> tensors,
                                                   std::optional<ElementType> floating_type) {
  std::vector<const CheckpointTensor*> order;
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [&](const CheckpointTensor* a, const CheckpointTensor* b) {
    return element_bytes(written_type(a->type, floating_type)) > element_bytes(written_type(b->type, floating_type));
  });
  return order;
}

std::string header_of(std::span<const CheckpointTensor* const> order, std::optional<ElementType> floating_type) {
  nlohmann::ordered_json header;
  // Loaders of other frameworks ask for it.
  header["__metadata__"] = {{"format", "pt"}};
  std::int64_t offset = 0;
  for (const CheckpointTensor* tensor : order) {
    const ElementType type = written_type(tensor->type, floating_type);
    const std::int64_t end = offset + tensor->elements() * element_bytes(type);
    header[tensor->name] = {
        {"dtype", safetensors_name(type)}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

std::string length_of(const std::string& header) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((header.size() >> (8 * i)) & 0xFFU);
  return bytes;
}

/// Writes one tensor; throws kInterrupted between pieces once a signal came.
void write_tensor(FileWriter& file, const CheckpointTensor& tensor, ElementType type) {
  for_each_block(tensor, [&](Bytes block) {
    for (std::size_t begin = 0; begin < block.size(); begin += kPieceBytes) {
      throw_if_interrupted();
      const Bytes piece = block.subspan(begin, std::min(kPieceBytes, block.size() - begin));
      if (type == tensor.type) {
        file.write(piece);
      } else {
        file.write(convert_elements(piece, tensor.type, type, tensor.name));
      }
    }
  });
}

}  // namespace

ElementType written_type(ElementType type, std::optional<ElementType> floating_type) noexcept {
  return is_floating(type) ? floating_type.value_or(type) : type;
}

std::vector<std::byte> convert_elements(Bytes elements, ElementType from, ElementType to, std::string_view name) {
  require(is_floating(from) && is_floating(to), "convert_elements: only floating-point numbers are converted");
  const auto from_bytes = static_cast<std::size_t>(element_bytes(from));
  const auto to_bytes = static_cast<std::size_t>(element_bytes(to));
  const std::size_t count = elements.size() / from_bytes;
  std::vector<std::byte> converted(count * to_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const double value = load_number(elements.data() + i * from_bytes, from);
    const double stored = store_number(converted.data() + i * to_bytes, value, to);
    if (std::isinf(stored) && !std::isinf(value)) {
      throw bad_input("tensor '{}': {} is too large for {}", name, value, element_name(to));
    }
  }
  return converted;
}

std::int64_t write_safetensors(const std::filesystem::path& path, std::span<const CheckpointTensor> tensors,
                               std::optional<ElementType> floating_type) {
  require(!floating_type.has_value() || is_floating(*floating_type), "write_safetensors: no floating-point type");
  const auto order = in_file_order(tensors, floating_type);
  const std::string header = header_of(order, floating_type);
  FileWriter file(path);
  file.write(length_of(header));
  file.write(header);
  auto bytes = static_cast<std::int64_t>(8 + header.size());
  for (const CheckpointTensor* tensor : order) {
    const ElementType type = written_type(tensor->type, floating_type);
    write_tensor(file, *tensor, type);
    bytes += tensor->elements() * element_bytes(type);
  }
  file.commit();
  return bytes;
}

}  // namespace kvscope
