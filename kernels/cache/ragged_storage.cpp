#include "kernels/cache/ragged_storage.h"

#include "collectors/base/error.h"

#include <new>
#include <numeric>
#include <utility>

namespace kvscope {
namespace {

/// Uninitialised: pages that are never written take no memory.
std::unique_ptr<std::byte[]> allocate(std::int64_t bytes) {
  try {
    return std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(bytes));
  } catch (const std::bad_alloc&) {
    throw environment_error("no memory for {} bytes of keys or values", bytes);
  }
}

}  // namespace

RaggedStorage::RaggedStorage(std::int64_t rows, std::vector<std::int64_t> capacity, std::int64_t head_dim,
                             ElementType key_type, ElementType value_type)
    : rows_(rows),
      head_dim_(head_dim),
      key_type_(key_type),
      value_type_(value_type),
      capacity_(std::move(capacity)),
      head_offset_(capacity_.size() + 1, 0) {
  std::partial_sum(capacity_.begin(), capacity_.end(), head_offset_.begin() + 1);
  keys_ = allocate(rows_ * head_offset_.back() * key_row_bytes());
  values_ = allocate(rows_ * head_offset_.back() * value_row_bytes());
}

std::int64_t RaggedStorage::first_slot(std::int64_t row, std::int64_t head) const noexcept {
  return row * head_offset_.back() + head_offset_[static_cast<std::size_t>(head)];
}

std::byte* RaggedStorage::keys(std::int64_t row, std::int64_t head) noexcept {
  return keys_.get() + first_slot(row, head) * key_row_bytes();
}

std::byte* RaggedStorage::values(std::int64_t row, std::int64_t head) noexcept {
  return values_.get() + first_slot(row, head) * value_row_bytes();
}

std::int64_t RaggedStorage::allocated_bytes() const noexcept {
  return rows_ * head_offset_.back() * token_bytes();
}

}  // namespace kvscope
