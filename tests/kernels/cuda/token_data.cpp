#include "cuda/token_data.h"

#include "collectors/compute/convert.h"
#include "support/attention_data.h"

#include <algorithm>

namespace kvscope::testing {

std::vector<std::byte> stored(const std::vector<float>& values, ElementType type) {
  std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(element_bytes(type)));
  convert_from_float(values.data(), static_cast<std::int64_t>(values.size()), type, bytes.data());
  return bytes;
}

std::vector<float> rounded(const std::vector<float>& values, ElementType type) {
  std::vector<float> result(values.size());
  convert_to_float(stored(values, type).data(), type, static_cast<std::int64_t>(values.size()), result.data());
  return result;
}

TokenData::TokenData(SelectionDevice& device, const TokenShape& shape, std::uint32_t seed, float deviation)
    : device_(device), shape_(shape), first_slot_(shape.held.size()) {
  const std::int64_t element = element_bytes(shape.type);
  const auto pairs = static_cast<std::int64_t>(shape.held.size());
  std::int64_t most = shape.n_own;
  for (std::int64_t pair = pairs - 1; pair >= 0; --pair) {
    first_slot_[at(pair)] = slots_;
    slots_ += shape.held[at(pair)] + shape.n_own;
    most = std::max(most, shape.held[at(pair)] + shape.n_own);
  }
  const StridedHeads<void*> own{.type = shape.type,
                                .row_stride = shape.n_own * shape.kv_heads * shape.head_dim,
                                .head_stride = shape.head_dim,
                                .token_stride = shape.kv_heads * shape.head_dim};
  const auto buffer = [&](const char* name, std::int64_t tokens) {
    return static_cast<void*>(device.allocate<std::byte>(name, tokens * shape.head_dim * element));
  };
  tokens_ = {.type = shape.type,
             .rows = shape.rows,
             .kv_heads = shape.kv_heads,
             .head_dim = shape.head_dim,
             .n_own = shape.n_own,
             .held_keys = buffer("held keys", slots_),
             .held_values = buffer("held values", slots_),
             .first_slot = device.upload("first slots", first_slot_),
             .held = device.upload("held counts", shape.held),
             .own_keys = own,
             .own_values = own,
             .most_candidates = most};
  tokens_.own_keys.data = buffer("own keys", pairs * shape.n_own);
  tokens_.own_values.data = buffer("own values", pairs * shape.n_own);
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const auto number = static_cast<std::uint32_t>(2 * pair);
    keys_.push_back(normal_values(places(pair) * shape.head_dim, seed + number, deviation));
    values_.push_back(normal_values(places(pair) * shape.head_dim, seed + number + 1, deviation));
    write(tokens_.held_keys, tokens_.own_keys, pair, keys_.back());
    write(tokens_.held_values, tokens_.own_values, pair, values_.back());
  }
}

std::int64_t TokenData::places(std::int64_t pair) const {
  return shape_.held[at(pair)] + shape_.n_own;
}

std::int64_t TokenData::first_slot(std::int64_t pair) const {
  return first_slot_[at(pair)];
}

std::byte* TokenData::address(void* held, const StridedHeads<void*>& own, std::int64_t pair, std::int64_t place) const {
  const std::int64_t token_bytes = shape_.head_dim * element_bytes(shape_.type);
  const std::int64_t n_held = shape_.held[at(pair)];
  if (place < n_held) return static_cast<std::byte*>(held) + (first_slot_[at(pair)] + place) * token_bytes;
  return static_cast<std::byte*>(own.token(pair / shape_.kv_heads, pair % shape_.kv_heads, place - n_held));
}

void TokenData::write(void* held, const StridedHeads<void*>& own, std::int64_t pair, std::vector<float>& rows) {
  rows = rounded(rows, shape_.type);
  const std::vector<std::byte> bytes = stored(rows, shape_.type);
  const std::size_t token_bytes = at(shape_.head_dim * element_bytes(shape_.type));
  for (std::int64_t place = 0; place < places(pair); ++place) {
    device_.write(address(held, own, pair, place), std::span(bytes).subspan(at(place) * token_bytes, token_bytes));
  }
}

std::vector<float> TokenData::read(void* held, const StridedHeads<void*>& own, std::int64_t pair, std::int64_t count,
                                   bool from_slab) const {
  const std::size_t token_bytes = at(shape_.head_dim * element_bytes(shape_.type));
  std::vector<std::byte> bytes(at(count) * token_bytes);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::byte* source =
        from_slab ? static_cast<std::byte*>(held) + (first_slot_[at(pair)] + i) * static_cast<std::int64_t>(token_bytes)
                  : address(held, own, pair, i);
    device_.read(source, std::span(bytes).subspan(at(i) * token_bytes, token_bytes));
  }
  std::vector<float> rows(at(count * shape_.head_dim));
  convert_to_float(bytes.data(), shape_.type, count * shape_.head_dim, rows.data());
  return rows;
}

std::vector<float> TokenData::held_keys_now(std::int64_t pair, std::int64_t count) const {
  return read(tokens_.held_keys, tokens_.own_keys, pair, count, true);
}
std::vector<float> TokenData::held_values_now(std::int64_t pair, std::int64_t count) const {
  return read(tokens_.held_values, tokens_.own_values, pair, count, true);
}
std::vector<float> TokenData::keys_now(std::int64_t pair) const {
  return read(tokens_.held_keys, tokens_.own_keys, pair, places(pair), false);
}
std::vector<float> TokenData::values_now(std::int64_t pair) const {
  return read(tokens_.held_values, tokens_.own_values, pair, places(pair), false);
}

void TokenData::set_keys(std::int64_t pair, const std::vector<float>& keys) {
  keys_[at(pair)] = keys;
  write(tokens_.held_keys, tokens_.own_keys, pair, keys_[at(pair)]);
}

}  // namespace kvscope::testing
