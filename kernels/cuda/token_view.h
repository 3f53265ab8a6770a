#pragma once

#include "kernels/cuda/device_tokens.h"
#include "kernels/cuda/primitives.h"

#include <cstddef>
#include <cstdint>

namespace kvscope::gpu {

/// The keys or the values of DeviceTokens as a kernel carries them: bytes, so that one kernel serves all types.
struct TokenView {
  std::byte* held_rows;
  std::byte* own_rows;
  std::int64_t own_row_bytes;    ///< from one row of the batch to the next
  std::int64_t own_head_bytes;   ///< from one head to the next
  std::int64_t own_token_bytes;  ///< from one token to the next
  const std::int64_t* first_slot;
  const std::int32_t* held;
  const std::int32_t* index;
  const std::int32_t* indexed;
  std::int64_t index_stride;
  std::int32_t kv_heads;
  std::int32_t n_own;
  std::int32_t token_bytes;  ///< of one token: head_dim elements
};

[[nodiscard]] TokenView view_of_keys(const DeviceTokens& tokens);
[[nodiscard]] TokenView view_of_values(const DeviceTokens& tokens);

/// Checks what all selection kernels ask of their tokens.
/// @throws Error  kUsage naming `who` for shapes, types or strides that do not fit.
void check_tokens(const DeviceTokens& tokens, const char* who);

/// One pair's part of a TokenView.
class PairTokens {
 public:
  KVSCOPE_DEVICE PairTokens(const TokenView& view, int pair)
      : held_(view.held == nullptr ? 0 : load(view.held + pair)),
        first_slot_(view.first_slot == nullptr ? 0 : load(view.first_slot + pair)),
        index_(view.index == nullptr ? nullptr : view.index + pair * view.index_stride),
        count_(view.index == nullptr ? held_ + view.n_own : load(view.indexed + pair)),
        n_own_(view.n_own),
        token_bytes_(view.token_bytes),
        own_token_bytes_(view.own_token_bytes) {
    const int row = pair / view.kv_heads;
    const int head = pair % view.kv_heads;
    held_rows_ = view.held_rows + first_slot_ * token_bytes_;
    own_rows_ = view.own_rows + row * view.own_row_bytes + head * view.own_head_bytes;
  }

  /// Held tokens, whether candidates or not.
  [[nodiscard]] KVSCOPE_DEVICE int held() const { return held_; }
  [[nodiscard]] KVSCOPE_DEVICE int places() const { return held_ + n_own_; }
  /// Held tokens that are no candidates.
  [[nodiscard]] KVSCOPE_DEVICE int dormant() const { return held_ + n_own_ - count_; }
  [[nodiscard]] KVSCOPE_DEVICE std::int64_t first_slot() const { return first_slot_; }
  /// Candidates.
  [[nodiscard]] KVSCOPE_DEVICE int count() const { return count_; }
  /// The place of candidate j.
  [[nodiscard]] KVSCOPE_DEVICE int place(int j) const { return index_ == nullptr ? j : load(index_ + j); }
  /// Whether candidates are named by a list; else candidate j is place j.
  [[nodiscard]] KVSCOPE_DEVICE bool is_listed() const { return index_ != nullptr; }
  /// The first byte of the token at a place.
  [[nodiscard]] KVSCOPE_DEVICE std::byte* token(int place) const {
    return place < held_ ? held_rows_ + static_cast<std::int64_t>(place) * token_bytes_
                         : own_rows_ + (place - held_) * own_token_bytes_;
  }
  /// The first byte of a slot, held or not.
  [[nodiscard]] KVSCOPE_DEVICE std::byte* slot(int i) const {
    return held_rows_ + static_cast<std::int64_t>(i) * token_bytes_;
  }

 private:
  int held_;
  std::int64_t first_slot_;
  const std::int32_t* index_;
  int count_;
  int n_own_;
  int token_bytes_;
  std::int64_t own_token_bytes_;
  std::byte* held_rows_;
  std::byte* own_rows_;
};

}  // namespace kvscope::gpu
