#pragma once

#include "collectors/base/element_type.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// Keys and values of one layer, as small as its heads' capacities: one flat buffer for K and one for V, in which
/// (row, head) owns capacity[head] slots of [head_dim] elements, row after row, head after head. Every offset is
/// known when the buffers are allocated. Contents start undefined.
class RaggedStorage {
 public:
  RaggedStorage(std::int64_t rows, std::vector<std::int64_t> capacity, std::int64_t head_dim, ElementType key_type,
                ElementType value_type);

  [[nodiscard]] std::byte* keys(std::int64_t row, std::int64_t head) noexcept;
  [[nodiscard]] std::byte* values(std::int64_t row, std::int64_t head) noexcept;
  [[nodiscard]] std::int64_t capacity(std::int64_t head) const { return capacity_.at(static_cast<std::size_t>(head)); }

  [[nodiscard]] ElementType key_type() const noexcept { return key_type_; }
  [[nodiscard]] ElementType value_type() const noexcept { return value_type_; }
  [[nodiscard]] std::int64_t key_row_bytes() const noexcept { return head_dim_ * element_bytes(key_type_); }
  [[nodiscard]] std::int64_t value_row_bytes() const noexcept { return head_dim_ * element_bytes(value_type_); }
  /// Bytes of one token, K and V.
  [[nodiscard]] std::int64_t token_bytes() const noexcept { return key_row_bytes() + value_row_bytes(); }
  /// rows * sum of the capacities * token_bytes().
  [[nodiscard]] std::int64_t allocated_bytes() const noexcept;

 private:
  [[nodiscard]] std::int64_t first_slot(std::int64_t row, std::int64_t head) const noexcept;

  std::int64_t rows_;
  std::int64_t head_dim_;
  ElementType key_type_;
  ElementType value_type_;
  std::vector<std::int64_t> capacity_;     ///< [head]
  std::vector<std::int64_t> head_offset_;  ///< [head + 1] slots before each head within a row
  std::unique_ptr<std::byte[]> keys_;
  std::unique_ptr<std::byte[]> values_;
};

}  // namespace kvscope
