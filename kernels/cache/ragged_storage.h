#pragma once

#include "classifiers/plan/stored_elements.h"
#include "collectors/base/element_type.h"
#include "collectors/compute/key_value_segment.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvscope {

/// How many elements became 8-bit codes, and how many of them were beyond what codes reach.
struct StoredCodes {
  std::int64_t elements = 0;
  std::int64_t saturated = 0;

  StoredCodes& operator+=(const StoredCodes& other) noexcept {
    elements += other.elements;
    saturated += other.saturated;
    return *this;
  }
};

/// What a head asks of the storage.
struct HeadSlots {
  std::int64_t capacity = 0;
  const HeadQuantisation* quantisation = nullptr;  ///< null: elements of the layer's types; is copied
};

/// Keys and values of one layer, as small as its heads' capacities: one flat buffer for K and one for V, in which
/// (row, head) owns capacity slots of [head_dim] elements, row after row, head after head; heads that store 8-bit codes
/// come after all others, so that every element is aligned. Every offset is known when the buffers are allocated.
/// Contents start undefined.
class RaggedStorage {
 public:
  RaggedStorage(std::int64_t rows, std::span<const HeadSlots> heads, std::int64_t head_dim, ElementType key_type,
                ElementType value_type);

  /// The slots of (row, head), with no token taken yet.
  [[nodiscard]] KeyValueSegment slots(std::int64_t row, std::int64_t head) const;
  [[nodiscard]] std::int64_t capacity(std::int64_t head) const { return at(head).capacity; }

  /// Moves slot kept[i] to place i (compact_rows()): no element changes.
  void compact(std::int64_t row, std::int64_t head, std::span<const std::int32_t> kept);
  /// Puts a key or a value of another place into a slot: bit for bit, or as codes if the head stores codes.
  /// @param type  of the source: the layer's where the head stores no codes
  StoredCodes store_key(std::int64_t row, std::int64_t head, std::int64_t slot, const void* key, ElementType type);
  StoredCodes store_value(std::int64_t row, std::int64_t head, std::int64_t slot, const void* value, ElementType type);

  /// Of the layer: what heads without codes store.
  [[nodiscard]] ElementType key_type() const noexcept { return keys_.type; }
  [[nodiscard]] ElementType value_type() const noexcept { return values_.type; }
  /// Bytes of one token of a head, K and V.
  [[nodiscard]] std::int64_t token_bytes(std::int64_t head) const;
  /// All slots, and the scales and offsets of heads that store codes.
  [[nodiscard]] std::int64_t allocated_bytes() const noexcept;

 private:
  struct Head {
    std::int64_t capacity;
    bool has_codes;
    std::int64_t first_slot;                     ///< within a row, among the heads that store alike
    ChannelQuantisation key_codes, value_codes;  ///< empty without codes
  };
  /// The buffer of K or of V.
  struct Side {
    ElementType type;
    std::unique_ptr<std::byte[]> bytes;
  };

  [[nodiscard]] const Head& at(std::int64_t head) const { return heads_.at(static_cast<std::size_t>(head)); }
  [[nodiscard]] ElementType type_of(const Side& side, std::int64_t head) const;
  [[nodiscard]] std::int64_t slot_bytes(const Side& side, std::int64_t head) const;
  [[nodiscard]] std::byte* first(const Side& side, std::int64_t row, std::int64_t head) const;
  StoredCodes store(const Side& side, CodeParameters codes, std::int64_t row, std::int64_t head, std::int64_t slot,
                    const void* source, ElementType type);
  [[nodiscard]] std::int64_t buffer_bytes(const Side& side) const noexcept;

  std::int64_t rows_;
  std::int64_t head_dim_;
  std::vector<Head> heads_;
  std::int64_t row_slots_ = 0;       ///< of one row, in heads without codes
  std::int64_t row_code_slots_ = 0;  ///< of one row, in heads with codes
  Side keys_;
  Side values_;
};

}  // namespace kvscope
