#pragma once

#include "kernels/cuda/attention/attention_arguments.h"
#include "kernels/cuda/shared_tile.h"

#include <cstdint>

namespace kvscope::gpu {

/// Where the candidates of a pair lie: token j at address + j * stride, of the history below `held`.
struct TokenAddresses {
  std::uint64_t history;
  std::uint64_t own;  ///< where own token -held would be
  std::int32_t own_stride_bytes;
};

/// All that fetching the tokens of an item takes, in shared memory: registers are scarce in the main loop.
struct KeySource {
  TokenAddresses keys;
  TokenAddresses values;
  const std::int32_t* index;  ///< from the item's first key on; null: keys are candidates one by one
  std::int32_t held;
  std::int32_t end_key;  ///< of the item, among those attended to
  std::int32_t n_key;    ///< of the item
};

/// How the threads of a block share the packets of a tile: kLanes neighbours a row, as many as fill the banks of
/// shared memory once; each has every kLanes-th packet of every kPassRows-th row.
template <typename Tile, int kRows, int kThreads>
struct TileShare {
  static constexpr int kLanes = Tile::kRowPackets % 8 == 0 ? 8 : 4;
  static constexpr int kPassRows = kThreads / kLanes;
  static constexpr int kPasses = kRows / kPassRows;
  static constexpr int kPackets = Tile::kRowPackets / kLanes;
  static_assert(kRows % kPassRows == 0 && kPassRows % 8 == 0, "rows of a thread share their swizzle");

  KVSCOPE_DEVICE static int row() { return thread_index() / kLanes; }
  KVSCOPE_DEVICE static int packet() { return thread_index() % kLanes; }
  /// Copies the thread's packets of row() + kPassRows * pass; 0 if the row is not there.
  /// @param token  its packet() of the row
  KVSCOPE_DEVICE static void copy(std::byte* tile, int pass, const std::byte* token, bool is_there) {
    std::byte* target = Tile::packet(tile, row(), packet()) + pass * kPassRows * Tile::kRowBytes;
    KVSCOPE_UNROLL
    for (int i = 0; i < kPackets; ++i) {
      constexpr int kStep = kLanes * kPacketBytes;
      copy_async(target + i * kStep, token + i * kStep, is_there ? kPacketBytes : 0);
    }
  }
};

/// Sends for a tile of queries; those that are not there become 0.
template <int kTile, int kThreads, int kHeadDim, typename Element>
KVSCOPE_DEVICE void bring_queries(std::byte* tile, const AttentionArguments<Element>& arguments,
                                  const AttentionItem& item) {
  using Share = TileShare<SharedTile<Element, kHeadDim>, kTile, kThreads>;
  if (!item.has_keys()) return;
  const auto* first =
      reinterpret_cast<const std::byte*>(arguments.queries.token(item.row, item.head, item.first_query));
  const std::int64_t stride_bytes = arguments.queries.token_stride * static_cast<int>(sizeof(Element));
  const int last = arguments.n_query - item.first_query - 1;
  KVSCOPE_UNROLL
  for (int pass = 0; pass < Share::kPasses; ++pass) {
    const int row = Share::row() + pass * Share::kPassRows;
    const bool is_there = row <= last;
    Share::copy(tile, pass, first + (is_there ? row : last) * stride_bytes + Share::packet() * kPacketBytes, is_there);
  }
}

/// Brings the keys and values of an item into shared memory, block of keys by block of keys, ahead of their use: a
/// ring of kStages tiles that hold the keys of block 0, its values, the keys of block 1, and so on. While one tile is
/// used, the next kStages - 1 are on their way.
///
/// History and current step are one sequence of candidates, so only an item's last block is not full: what it lacks is
/// 0 in shared memory. Candidates named by an index are fetched row by row like others; their numbers are brought a
/// block earlier.
template <typename Element, int kHeadDim, int kKeys, int kStages, int kThreads>
class KeyValueRing {
 public:
  using Tile = SharedTile<Element, kHeadDim>;
  static constexpr int kTileBytes = kKeys * Tile::kRowBytes;
  static constexpr int kIndexBytes = 2 * kKeys * static_cast<int>(sizeof(std::int32_t));
  static constexpr int kSharedBytes = kStages * kTileBytes + kIndexBytes + static_cast<int>(sizeof(KeySource));

  KVSCOPE_DEVICE KeyValueRing(const AttentionArguments<Element>& arguments, std::byte* memory)
      : arguments_(arguments),
        memory_(memory),
        index_(reinterpret_cast<std::int32_t*>(memory + kStages * kTileBytes)),
        source_(reinterpret_cast<KeySource*>(memory + kStages * kTileBytes + kIndexBytes)) {}

  /// Says what the next item reads. To be followed by a barrier. @return its keys
  KVSCOPE_DEVICE int open(const AttentionItem& item) {
    const int n_key = item.has_keys() ? item.end_key - item.first_key : 0;
    stage_ = 0;
    const std::int32_t* index =
        is_indexed() ? arguments_.index + item.pair * arguments_.index_stride + item.first_key : nullptr;
    if (thread_index() == 0) describe(item, index, n_key);
    if (is_indexed() && n_key > 0) {
      bring_index(0, index, n_key);
      commit_copies();
      wait_for_copies<0>();
    }
    return n_key;
  }

  /// Sends for the first tiles of an item with so many keys, together with what the caller has sent for since open().
  KVSCOPE_DEVICE void start(int n_key) {
    if (n_key > 0) bring_keys(n_key, 0);
    commit_copies();
    if constexpr (kStages > 2) {
      if (n_key > 0) bring_values(n_key, 1);
      commit_copies();
    }
  }

  /// Waits for the keys of the block after which `left` - kKeys keys are left, and lets go of the tile before. All
  /// threads of the block.
  KVSCOPE_DEVICE const std::byte* keys_of(int left) {
    return turn([&](int stage) {
      if constexpr (kStages > 2) {
        if (left > kKeys) bring_keys(left - kKeys, stage);
      } else {
        bring_values(left, stage);
      }
    });
  }
  KVSCOPE_DEVICE const std::byte* values_of(int left) {
    return turn([&](int stage) {
      if (left <= kKeys) return;
      if constexpr (kStages > 2) {
        bring_values(left - kKeys, stage);
      } else {
        bring_keys(left - kKeys, stage);
      }
    });
  }

 private:
  using Share = TileShare<Tile, kKeys, kThreads>;
  static_assert(kStages == 2 || kStages == 3);
  static_assert((kKeys & (kKeys - 1)) == 0);

  KVSCOPE_DEVICE bool is_indexed() const { return arguments_.index != nullptr; }

  KVSCOPE_DEVICE void describe(const AttentionItem& item, const std::int32_t* index, int n_key) {
    const int kv_head = item.pair - item.row * arguments_.kv_heads;
    const std::int64_t slot = arguments_.first_slot == nullptr ? 0 : load(arguments_.first_slot + item.pair);
    const int held = arguments_.history_of(item.pair);
    describe(source_->keys, arguments_.held_keys, slot, arguments_.own_keys, item.row, kv_head, held);
    describe(source_->values, arguments_.held_values, slot, arguments_.own_values, item.row, kv_head, held);
    store(&source_->index, index);
    store(&source_->held, held);
    store(&source_->end_key, item.end_key);
    store(&source_->n_key, n_key);
  }

  KVSCOPE_DEVICE void describe(TokenAddresses& addresses, const Element* slab, std::int64_t slot,
                               const OperandRows<const Element>& own, int row, int kv_head, int held) {
    // In integers, for "own token -held" need not lie in the same array.
    constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Element));
    const std::int64_t own_offset = row * own.row_stride + kv_head * own.head_stride - held * own.token_stride;
    store(&addresses.history, reinterpret_cast<std::uint64_t>(slab) + slot * Tile::kRowBytes);
    store(&addresses.own, reinterpret_cast<std::uint64_t>(own.data) + own_offset * kBytes);
    store(&addresses.own_stride_bytes, static_cast<std::int32_t>(own.token_stride * kBytes));
  }

  template <typename Bring>
  KVSCOPE_DEVICE const std::byte* turn(const Bring& bring) {
    wait_for_copies<kStages - 2>();
    synchronize_block();
    const std::byte* tile = memory_ + stage_ * kTileBytes;
    bring(stage_ == 0 ? kStages - 1 : stage_ - 1);  // the tile that all have just let go of
    commit_copies();
    stage_ = stage_ + 1 == kStages ? 0 : stage_ + 1;
    return tile;
  }

  KVSCOPE_DEVICE void bring_keys(int left, int stage) {
    bring_rows(left, stage, source_->keys);
    if (!is_indexed() || left <= kKeys) return;
    const int n_key = load(&source_->n_key);
    bring_index(n_key - left + kKeys, load(&source_->index), n_key);
  }
  KVSCOPE_DEVICE void bring_values(int left, int stage) { bring_rows(left, stage, source_->values); }

  /// Two blocks' candidates have their places, in turn.
  KVSCOPE_DEVICE std::int32_t* index_from(int first) const { return index_ + (first & kKeys); }

  KVSCOPE_DEVICE void bring_rows(int left, int stage, const TokenAddresses& addresses) {
    const std::uint64_t history = load(&addresses.history) + Share::packet() * kPacketBytes;
    const std::uint64_t own = load(&addresses.own) + Share::packet() * kPacketBytes;
    const int own_stride = load(&addresses.own_stride_bytes);
    const int held = load(&source_->held);
    const int begin = load(&source_->end_key) - left;
    std::byte* tile = memory_ + stage * kTileBytes;
    if constexpr (Share::kPackets == 1) {
      // Finding a row costs more than copying its one packet; most blocks are full and lie in one segment.
      if (!is_indexed() && left >= kKeys && (begin >= held || begin + kKeys <= held)) {
        const std::int64_t stride = begin < held ? Tile::kRowBytes : own_stride;
        std::uint64_t token = (begin < held ? history : own) + (begin + Share::row()) * stride;
        KVSCOPE_UNROLL
        for (int pass = 0; pass < Share::kPasses; ++pass, token += Share::kPassRows * stride) {
          Share::copy(tile, pass, reinterpret_cast<const std::byte*>(token), true);
        }
        return;
      }
    }
    const std::int32_t* index = is_indexed() ? index_from(load(&source_->n_key) - left) : nullptr;
    KVSCOPE_UNROLL
    for (int pass = 0; pass < Share::kPasses; ++pass) {
      const int row = Share::row() + pass * Share::kPassRows;
      const bool is_there = row < left;
      const int candidate = is_indexed() ? load(index + row) : begin + (is_there ? row : 0);
      const bool is_held = candidate < held;
      const std::uint64_t token =
          (is_held ? history : own) + static_cast<std::int64_t>(candidate) * (is_held ? Tile::kRowBytes : own_stride);
      Share::copy(tile, pass, reinterpret_cast<const std::byte*>(token), is_there);
    }
  }

  /// Candidates of the block that begins at `first` of the item's keys; 0 beyond the last.
  KVSCOPE_DEVICE void bring_index(int first, const std::int32_t* index, int n_key) {
    constexpr int kNumbers = kPacketBytes / static_cast<int>(sizeof(std::int32_t));
    if (thread_index() >= kKeys / kNumbers) return;
    const int within = thread_index() * kNumbers;
    const int left = n_key - first - within;
    const int numbers = left < 0 ? 0 : left < kNumbers ? left : kNumbers;
    copy_async(index_from(first) + within, index + first + (numbers == 0 ? 0 : within),
               numbers * static_cast<int>(sizeof(std::int32_t)));
  }

  const AttentionArguments<Element>& arguments_;
  std::byte* memory_;
  std::int32_t* index_;
  KeySource* source_;
  int stage_ = 0;
};

}  // namespace kvscope::gpu
