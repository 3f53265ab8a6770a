#pragma once

#include "kernels/cuda/attention/attention_plan.h"
#include "kernels/cuda/attention/attention_softmax.h"
#include "kernels/cuda/attention/key_value_ring.h"

namespace kvscope::gpu {

/// What one warp of PackedAttention keeps in registers: kRowTiles times 16 queries against blocks of 64 keys.
///
/// The products are m16n8k16 with float sums. Lane l holds of every product the queries l / 4 and l / 4 + 8 and two
/// neighbouring columns; logits in that layout are, rounded to Element, the left operand of the product with the
/// values, so weights never leave the registers.
template <typename Element, int kHeadDim, int kRowTiles>
class PackedWarp {
 public:
  static constexpr int kKeys = 64;
  using Tile = SharedTile<Element, kHeadDim>;

  /// @param queries  this warp's rows of the shared tile; later its place to write from
  KVSCOPE_DEVICE PackedWarp(std::byte* queries, const SoftmaxRule& rule) : queries_(queries), rule_(rule) {
    KVSCOPE_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      KVSCOPE_UNROLL
      for (int half = 0; half < 2; ++half) state_[m][half] = {rule.shift, 0.0F};
      KVSCOPE_UNROLL
      for (int n = 0; n < kHeadDim / 8; ++n) clear(output_[m][n]);
    }
  }

  /// Once the queries are in shared memory.
  KVSCOPE_DEVICE void take_queries() {
    if constexpr (kKeepQueries) {
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        KVSCOPE_UNROLL
        for (int k = 0; k < kHeadDim / 16; ++k) load_queries(m, k, kept_[m][k]);
      }
    }
  }

  /// Logits and weights of a block of keys, of which `n_key` are there.
  KVSCOPE_DEVICE void weigh(const std::byte* keys, int n_key) {
    float logits[kRowTiles][kKeys / 8][4];
    multiply_with(keys, logits);
    if (n_key < kKeys) mask(logits, n_key);
    KVSCOPE_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      if (!rule_.is_bounded) raise_shift(m, logits[m]);
      exponentiate(m, logits[m]);
    }
  }

  /// output += weights * values
  KVSCOPE_DEVICE void add(const std::byte* values) {
    const int lane = lane_index();
    KVSCOPE_UNROLL
    for (int k = 0; k < kKeys / 16; ++k) {
      KVSCOPE_UNROLL
      for (int n = 0; n < kHeadDim / 16; ++n) {
        std::uint32_t b[4];
        load_matrices_transposed(b, Tile::packet(values, k * 16 + lane % 16, 2 * n + lane / 16));
        KVSCOPE_UNROLL
        for (int m = 0; m < kRowTiles; ++m) {
          multiply_add<Element>(output_[m][2 * n], weights_[m][k], {b[0], b[1]});
          multiply_add<Element>(output_[m][2 * n + 1], weights_[m][k], {b[2], b[3]});
        }
      }
    }
  }

  KVSCOPE_DEVICE void write(const AttentionArguments<Element>& arguments, const AttentionItem& item, int first_row) {
    KVSCOPE_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      KVSCOPE_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int row = m * 16 + half * 8 + lane_index() / 4;
        const QueryResult<Element> result{arguments, item, item.first_query + first_row + row};
        const float sum = sum_of_lanes<4>(state_[m][half].sum);
        if (lane_index() % 4 == 0 && result.is_there()) result.write_statistics(state_[m][half].shift, sum);
        if (result.is_part()) {
          if (result.is_there()) write_part(m, half, result.part(kHeadDim));
        } else {
          finish(m, half, sum > 0.0F ? 1.0F / sum : 0.0F);
        }
      }
    }
    if (arguments.splits > 1) return;
    stage_output();
    copy_output(arguments, item, first_row);
  }

 private:
  // For others registers do not suffice, and queries are read from shared memory again for every block of keys.
  static constexpr bool kKeepQueries = kHeadDim * kRowTiles <= 128 && kHeadDim < 128;

  KVSCOPE_DEVICE static void clear(float (&d)[4]) {
    KVSCOPE_UNROLL
    for (float& x : d) x = 0.0F;
  }

  KVSCOPE_DEVICE void load_queries(int m, int k, std::uint32_t (&a)[4]) const {
    load_matrices(a, Tile::packet(queries_, m * 16 + lane_index() % 16, 2 * k + lane_index() / 16));
  }

  KVSCOPE_DEVICE void multiply_with(const std::byte* keys, float (&logits)[kRowTiles][kKeys / 8][4]) const {
    const int lane = lane_index();
    KVSCOPE_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      KVSCOPE_UNROLL
      for (int n = 0; n < kKeys / 8; ++n) clear(logits[m][n]);
    }
    KVSCOPE_UNROLL
    for (int k = 0; k < kHeadDim / 16; ++k) {
      std::uint32_t a[kRowTiles][4];
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        if constexpr (kKeepQueries) {
          KVSCOPE_UNROLL
          for (int i = 0; i < 4; ++i) a[m][i] = kept_[m][k][i];
        } else {
          load_queries(m, k, a[m]);
        }
      }
      KVSCOPE_UNROLL
      for (int n = 0; n < kKeys / 16; ++n) {
        std::uint32_t b[4];
        load_matrices(b, Tile::packet(keys, n * 16 + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
        KVSCOPE_UNROLL
        for (int m = 0; m < kRowTiles; ++m) {
          multiply_add<Element>(logits[m][2 * n], a[m], {b[0], b[1]});
          multiply_add<Element>(logits[m][2 * n + 1], a[m], {b[2], b[3]});
        }
      }
    }
  }

  KVSCOPE_DEVICE static void mask(float (&logits)[kRowTiles][kKeys / 8][4], int n_key) {
    const int first = lane_index() % 4 * 2;
    KVSCOPE_UNROLL
    for (int n = 0; n < kKeys / 8; ++n) {
      KVSCOPE_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (n * 8 + first + i % 2 < n_key) continue;
        KVSCOPE_UNROLL
        for (int m = 0; m < kRowTiles; ++m) logits[m][n][i] = -kInfinity;
      }
    }
  }

  KVSCOPE_DEVICE void raise_shift(int m, const float (&logits)[kKeys / 8][4]) {
    float factor[2];
    KVSCOPE_UNROLL
    for (int half = 0; half < 2; ++half) {
      float largest = larger(logits[0][2 * half], logits[0][2 * half + 1]);
      KVSCOPE_UNROLL
      for (int n = 1; n < kKeys / 8; ++n) {
        largest = larger(largest, larger(logits[n][2 * half], logits[n][2 * half + 1]));
      }
      factor[half] = state_[m][half].raise(largest_of_lanes<4>(largest) * rule_.scale);
    }
    // Most blocks of keys bring no new maximum.
    if (ballot(factor[0] != 1.0F || factor[1] != 1.0F) == 0) return;
    KVSCOPE_UNROLL
    for (int n = 0; n < kHeadDim / 8; ++n) {
      KVSCOPE_UNROLL
      for (int i = 0; i < 4; ++i) output_[m][n][i] *= factor[i / 2];
    }
  }

  KVSCOPE_DEVICE void exponentiate(int m, float (&logits)[kKeys / 8][4]) {
    KVSCOPE_UNROLL
    for (int n = 0; n < kKeys / 8; ++n) {
      KVSCOPE_UNROLL
      for (int half = 0; half < 2; ++half) {
        float weight[2];
        KVSCOPE_UNROLL
        for (int i = 0; i < 2; ++i) {
          weight[i] = exp2_approximately(multiply_add(logits[n][2 * half + i], rule_.scale, -state_[m][half].shift));
          state_[m][half].sum += weight[i];
        }
        weights_[m][n / 2][n % 2 * 2 + half] = pack2<Element>(weight[0], weight[1]);
      }
    }
  }

  KVSCOPE_DEVICE void write_part(int m, int half, float* part) const {
    KVSCOPE_UNROLL
    for (int n = 0; n < kHeadDim / 8; ++n) {
      store(reinterpret_cast<FloatPair*>(part + n * 8) + lane_index() % 4,
            {output_[m][n][2 * half], output_[m][n][2 * half + 1]});
    }
  }

  KVSCOPE_DEVICE void finish(int m, int half, float factor) {
    KVSCOPE_UNROLL
    for (int n = 0; n < kHeadDim / 8; ++n) {
      output_[m][n][2 * half] *= factor;
      output_[m][n][2 * half + 1] *= factor;
    }
  }

  /// Into the queries' place, from where whole packets can be written. Since they were last read, all have met for
  /// the values.
  KVSCOPE_DEVICE void stage_output() const {
    KVSCOPE_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      KVSCOPE_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int row = m * 16 + half * 8 + lane_index() / 4;
        KVSCOPE_UNROLL
        for (int n = 0; n < kHeadDim / 8; ++n) {
          auto* words = reinterpret_cast<std::uint32_t*>(Tile::packet(queries_, row, n));
          store(words + lane_index() % 4, pack2<Element>(output_[m][n][2 * half], output_[m][n][2 * half + 1]));
        }
      }
    }
    synchronize_warp();
  }

  KVSCOPE_DEVICE void copy_output(const AttentionArguments<Element>& arguments, const AttentionItem& item,
                                  int first_row) const {
    for (int number = lane_index(); number < kRowTiles * 16 * Tile::kRowPackets; number += kWarpThreads) {
      const int row = number / Tile::kRowPackets;
      const int packet = number - row * Tile::kRowPackets;
      const QueryResult<Element> result{arguments, item, item.first_query + first_row + row};
      if (!result.is_there()) continue;
      store_packet(result.output() + packet * Tile::kPacketElements,
                   load_packet(Tile::packet(static_cast<const std::byte*>(queries_), row, packet)));
    }
  }

  std::byte* queries_;
  SoftmaxRule rule_;
  SoftmaxState state_[kRowTiles][2];
  float output_[kRowTiles][kHeadDim / 8][4];
  std::uint32_t weights_[kRowTiles][kKeys / 16][4];
  std::uint32_t kept_[kRowTiles][kKeepQueries ? kHeadDim / 16 : 1][4];
};

/// Attention of 16-bit elements on tensor cores: kTile queries of a head at a time, 16 or 32 to each of four warps.
///
/// Shared memory: the tile of queries and a ring of three tiles of 64 keys or values, 48 to 80 KiB at 128 channels.
/// Weights are rounded to Element for the product with the values; their sum is not.
template <typename Element, int kHeadDim, int kTile>
struct PackedAttention {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = attention_blocks(true, kHeadDim, kTile);
  static constexpr int kWarpRows = kTile / kWarps;

  using Warp = PackedWarp<Element, kHeadDim, kWarpRows / 16>;
  using Ring = KeyValueRing<Element, kHeadDim, Warp::kKeys, 3, kThreads>;
  using Queue = ItemQueue<Element>;
  using Tile = SharedTile<Element, kHeadDim>;
  static constexpr int kQueryBytes = kTile * Tile::kRowBytes;
  static constexpr int kSharedBytes = kQueryBytes + Ring::kSharedBytes + Queue::kSharedBytes;

  AttentionArguments<Element> arguments;

  KVSCOPE_DEVICE void operator()() const {
    std::byte* memory = shared_memory();
    Ring ring(arguments, memory + kQueryBytes);
    Queue queue(arguments, reinterpret_cast<int*>(memory + kQueryBytes + Ring::kSharedBytes));
    for (int number = queue.first(); number < arguments.items; number = queue.next()) {
      const AttentionItem item = find_item(arguments, number, kTile);
      queue.fetch();
      const int n_key = ring.open(item);
      synchronize_block();
      bring_queries<kTile, kThreads, kHeadDim>(memory, arguments, item);
      ring.start(n_key);
      queue.publish(number);
      attend(ring, queue, memory, item, n_key);
    }
  }

 private:
  KVSCOPE_DEVICE void attend(Ring& ring, const Queue& queue, std::byte* queries, const AttentionItem& item,
                             int n_key) const {
    const int first_row = warp_index() * kWarpRows;
    const bool has_queries = item.first_query + first_row < arguments.n_query;
    Warp warp(queries + first_row * Tile::kRowBytes, softmax_rule(arguments, item.head));
    if (n_key <= 0) synchronize_block();  // for the queue
    for (int left = n_key; left > 0; left -= Warp::kKeys) {
      const std::byte* keys = ring.keys_of(left);
      if (has_queries) {
        if (left == n_key) warp.take_queries();
        warp.weigh(keys, left);
      }
      const std::byte* values = ring.values_of(left);
      if (has_queries) warp.add(values);
    }
    if (!has_queries) return;
    // Found again: its numbers would take registers of the loop. A part without keys is not looked at.
    const AttentionItem done = find_item(arguments, queue.current(), kTile);
    if (done.has_keys() || arguments.splits == 1) warp.write(arguments, done, first_row);
  }
};

}  // namespace kvscope::gpu
