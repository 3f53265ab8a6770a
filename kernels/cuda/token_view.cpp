#include "kernels/cuda/token_view.h"

#include "collectors/base/error.h"

#include <limits>
#include <string_view>

namespace kvscope::gpu {
namespace {

TokenView view_of(const DeviceTokens& tokens, void* held, const StridedHeads<void*>& own) {
  const std::int64_t element = element_bytes(tokens.type);
  return {.held_rows = static_cast<std::byte*>(held),
          .own_rows = static_cast<std::byte*>(own.data),
          .own_row_bytes = own.row_stride * element,
          .own_head_bytes = own.head_stride * element,
          .own_token_bytes = own.token_stride * element,
          .first_slot = tokens.first_slot,
          .held = tokens.held,
          .index = tokens.index,
          .indexed = tokens.indexed,
          .index_stride = tokens.index_stride,
          .kv_heads = static_cast<std::int32_t>(tokens.kv_heads),
          .n_own = static_cast<std::int32_t>(tokens.n_own),
          .token_bytes = static_cast<std::int32_t>(tokens.head_dim * element)};
}

bool is_aligned(const StridedHeads<void*>& heads, std::int64_t element) {
  constexpr std::int64_t kPacketBytes = 16;
  const auto address = reinterpret_cast<std::uintptr_t>(heads.data);
  return address % kPacketBytes == 0 && heads.row_stride * element % kPacketBytes == 0 &&
         heads.head_stride * element % kPacketBytes == 0 && heads.token_stride * element % kPacketBytes == 0;
}

}  // namespace

TokenView view_of_keys(const DeviceTokens& tokens) {
  return view_of(tokens, tokens.held_keys, tokens.own_keys);
}

TokenView view_of_values(const DeviceTokens& tokens) {
  return view_of(tokens, tokens.held_values, tokens.own_values);
}

void check_tokens(const DeviceTokens& tokens, const char* who) {
  const bool is_float = tokens.type == ElementType::kFloat32 || tokens.type == ElementType::kFloat16 ||
                        tokens.type == ElementType::kBFloat16;
  const auto check = [who](bool condition, std::string_view what) {
    if (!condition) throw usage_error("{}: {}", who, what);
  };
  check(is_float, "keys and values must be float32, float16 or bfloat16");
  check(tokens.head_dim == 32 || tokens.head_dim == 64 || tokens.head_dim == 96 || tokens.head_dim == 128,
        "head_dim must be 32, 64, 96 or 128");
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  check(tokens.rows >= 0 && tokens.kv_heads >= 1 && tokens.n_own >= 0 && tokens.pairs() <= kMost,
        "negative numbers of rows, heads or tokens");
  check(tokens.most_candidates >= tokens.n_own && tokens.most_candidates <= kMost,
        "most_candidates must be at least the tokens of the step");
  const std::int64_t element = element_bytes(tokens.type);
  check(is_aligned(tokens.own_keys, element) && is_aligned(tokens.own_values, element),
        "tokens of the step must start at multiples of 16 bytes");
}

}  // namespace kvscope::gpu
