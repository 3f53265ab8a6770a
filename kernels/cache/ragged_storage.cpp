#include "kernels/cache/ragged_storage.h"

#include "collectors/base/error.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/convert.h"
#include "kernels/attention/compact.h"

#include <cstring>
#include <new>
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

RaggedStorage::RaggedStorage(std::int64_t rows, std::span<const HeadSlots> heads, std::int64_t head_dim,
                             ElementType key_type, ElementType value_type)
    : rows_(rows), head_dim_(head_dim), keys_{key_type, nullptr}, values_{value_type, nullptr} {
  for (const HeadSlots& asked : heads) {
    const bool has_codes = asked.quantisation != nullptr;
    std::int64_t& taken = has_codes ? row_code_slots_ : row_slots_;
    Head head{
        .capacity = asked.capacity, .has_codes = has_codes, .first_slot = taken, .key_codes = {}, .value_codes = {}};
    if (has_codes) {
      head.key_codes = asked.quantisation->key;
      head.value_codes = asked.quantisation->value;
    }
    heads_.push_back(std::move(head));
    taken += asked.capacity;
  }
  keys_.bytes = allocate(buffer_bytes(keys_));
  values_.bytes = allocate(buffer_bytes(values_));
}

KeyValueSegment RaggedStorage::slots(std::int64_t row, std::int64_t head) const {
  KeyValueSegment segment{.keys = first(keys_, row, head),
                          .values = first(values_, row, head),
                          .key_type = type_of(keys_, head),
                          .value_type = type_of(values_, head),
                          .key_stride = head_dim_,
                          .value_stride = head_dim_};
  if (at(head).has_codes) {
    segment.key_codes = at(head).key_codes.parameters();
    segment.value_codes = at(head).value_codes.parameters();
  }
  return segment;
}

void RaggedStorage::compact(std::int64_t row, std::int64_t head, std::span<const std::int32_t> kept) {
  for (const Side* side : {&keys_, &values_}) compact_rows(first(*side, row, head), slot_bytes(*side, head), kept);
}

StoredCodes RaggedStorage::store_key(std::int64_t row, std::int64_t head, std::int64_t slot, const void* key,
                                     ElementType type) {
  return store(keys_, at(head).key_codes.parameters(), row, head, slot, key, type);
}

StoredCodes RaggedStorage::store_value(std::int64_t row, std::int64_t head, std::int64_t slot, const void* value,
                                       ElementType type) {
  return store(values_, at(head).value_codes.parameters(), row, head, slot, value, type);
}

StoredCodes RaggedStorage::store(const Side& side, CodeParameters codes, std::int64_t row, std::int64_t head,
                                 std::int64_t slot, const void* source, ElementType type) {
  const std::int64_t bytes = slot_bytes(side, head);
  std::byte* target = first(side, row, head) + slot * bytes;
  if (!at(head).has_codes) {
    require(type == side.type, "RaggedStorage: a token of another element type");
    std::memcpy(target, source, static_cast<std::size_t>(bytes));
    return {};
  }
  thread_local AlignedBuffer buffer;
  float* values = buffer.reserve(head_dim_);
  convert_to_float(source, type, head_dim_, values);
  return {.elements = head_dim_,
          .saturated = quantise(values, codes, head_dim_, reinterpret_cast<std::int8_t*>(target))};
}

ElementType RaggedStorage::type_of(const Side& side, std::int64_t head) const {
  return at(head).has_codes ? ElementType::kInt8 : side.type;
}

std::int64_t RaggedStorage::slot_bytes(const Side& side, std::int64_t head) const {
  return head_dim_ * element_bytes(type_of(side, head));
}

std::byte* RaggedStorage::first(const Side& side, std::int64_t row, std::int64_t head) const {
  const std::int64_t row_slots = at(head).has_codes ? row_code_slots_ : row_slots_;
  const std::int64_t before = at(head).has_codes ? rows_ * row_slots_ * head_dim_ * element_bytes(side.type) : 0;
  return side.bytes.get() + before + (row * row_slots + at(head).first_slot) * slot_bytes(side, head);
}

std::int64_t RaggedStorage::token_bytes(std::int64_t head) const {
  return slot_bytes(keys_, head) + slot_bytes(values_, head);
}

std::int64_t RaggedStorage::buffer_bytes(const Side& side) const noexcept {
  return rows_ * head_dim_ * (row_slots_ * element_bytes(side.type) + row_code_slots_);
}

std::int64_t RaggedStorage::allocated_bytes() const noexcept {
  std::size_t parameters = 0;
  for (const Head& head : heads_) {
    for (const ChannelQuantisation* codes : {&head.key_codes, &head.value_codes})
      parameters += codes->scale.size() + codes->offset.size();
  }
  return buffer_bytes(keys_) + buffer_bytes(values_) + static_cast<std::int64_t>(parameters * sizeof(float));
}

}  // namespace kvscope
