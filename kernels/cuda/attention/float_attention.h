#pragma once

#include "kernels/cuda/attention/attention_plan.h"
#include "kernels/cuda/attention/attention_softmax.h"
#include "kernels/cuda/attention/key_value_ring.h"

namespace kvscope::gpu {

/// What one warp of FloatAttention keeps in registers: 16 queries against blocks of 32 keys.
///
/// Lane l has the queries l / 8 + 4 i, of them the keys l % 8 + 8 j and, of the output, the packets of four channels
/// l % 8 + 8 m. Weights change lanes through shared memory.
template <int kHeadDim>
class FloatWarp {
 public:
  static constexpr int kKeys = 32;
  static constexpr int kRows = 16;
  using Tile = SharedTile<float, kHeadDim>;
  using WeightTile = SharedTile<float, kKeys>;

  /// @param queries  this warp's rows of the shared tile
  /// @param weights  shared, [kRows, kKeys], this warp's
  KVSCOPE_DEVICE FloatWarp(const std::byte* queries, std::byte* weights, const SoftmaxRule& rule)
      : queries_(queries), weights_(weights), rule_(rule) {
    KVSCOPE_UNROLL
    for (int i = 0; i < kLaneRows; ++i) {
      state_[i] = {rule.shift, 0.0F};
      KVSCOPE_UNROLL
      for (int m = 0; m < kLanePackets; ++m) {
        KVSCOPE_UNROLL
        for (float& x : output_[i][m]) x = 0.0F;
      }
    }
  }

  /// Logits and weights of a block of keys, of which `n_key` are there. A barrier follows before add().
  KVSCOPE_DEVICE void weigh(const std::byte* keys, int n_key) {
    float logits[kLaneRows][kLaneKeys];
    multiply_with(keys, logits);
    KVSCOPE_UNROLL
    for (int j = 0; j < kLaneKeys; ++j) {
      if (column() + 8 * j < n_key) continue;
      KVSCOPE_UNROLL
      for (int i = 0; i < kLaneRows; ++i) logits[i][j] = -kInfinity;
    }
    KVSCOPE_UNROLL
    for (int i = 0; i < kLaneRows; ++i) {
      if (!rule_.is_bounded) raise_shift(i, logits[i]);
      exponentiate(i, logits[i]);
    }
  }

  /// output += weights * values
  KVSCOPE_DEVICE void add(const std::byte* values) {
    KVSCOPE_UNROLL_BY(2)
    for (int packet = 0; packet < kKeys / 4; ++packet) {
      Packet weights[kLaneRows];
      KVSCOPE_UNROLL
      for (int i = 0; i < kLaneRows; ++i) {
        weights[i] = load_packet(WeightTile::packet(static_cast<const std::byte*>(weights_), row(i), packet));
      }
      KVSCOPE_UNROLL
      for (int key = 0; key < 4; ++key) {
        KVSCOPE_UNROLL
        for (int m = 0; m < kLanePackets; ++m) {
          const Packet value = load_packet(Tile::packet(values, packet * 4 + key, column() + 8 * m));
          KVSCOPE_UNROLL
          for (int i = 0; i < kLaneRows; ++i) {
            const float weight = float_of_bits(weights[i].words[key]);
            KVSCOPE_UNROLL
            for (int x = 0; x < 4; ++x) {
              output_[i][m][x] = multiply_add(weight, float_of_bits(value.words[x]), output_[i][m][x]);
            }
          }
        }
      }
    }
  }

  KVSCOPE_DEVICE void write(const AttentionArguments<float>& arguments, const AttentionItem& item,
                            int first_row) const {
    KVSCOPE_UNROLL
    for (int i = 0; i < kLaneRows; ++i) {
      const QueryResult<float> result{arguments, item, item.first_query + first_row + row(i)};
      const float sum = sum_of_lanes<8>(state_[i].sum);
      if (!result.is_there()) continue;
      if (column() == 0) result.write_statistics(state_[i].shift, sum);
      const float factor = result.is_part() ? 1.0F : sum > 0.0F ? 1.0F / sum : 0.0F;
      float* target = result.is_part() ? result.part(kHeadDim) : result.output();
      KVSCOPE_UNROLL
      for (int m = 0; m < kLanePackets; ++m) {
        Packet packet;
        KVSCOPE_UNROLL
        for (int x = 0; x < 4; ++x) packet.words[x] = float_bits(output_[i][m][x] * factor);
        store_packet(target + (column() + 8 * m) * 4, packet);
      }
    }
  }

 private:
  static constexpr int kLaneRows = kRows / 4;
  static constexpr int kLaneKeys = kKeys / 8;
  static constexpr int kLanePackets = Tile::kRowPackets / 8;

  KVSCOPE_DEVICE static int column() { return lane_index() % 8; }
  KVSCOPE_DEVICE static int row(int i) { return lane_index() / 8 + 4 * i; }

  KVSCOPE_DEVICE void multiply_with(const std::byte* keys, float (&logits)[kLaneRows][kLaneKeys]) const {
    KVSCOPE_UNROLL
    for (auto& logits_of_row : logits) {
      KVSCOPE_UNROLL
      for (float& logit : logits_of_row) logit = 0.0F;
    }
    KVSCOPE_UNROLL_BY(4)
    for (int packet = 0; packet < Tile::kRowPackets; ++packet) {
      Packet query[kLaneRows];
      KVSCOPE_UNROLL
      for (int i = 0; i < kLaneRows; ++i) query[i] = load_packet(Tile::packet(queries_, row(i), packet));
      KVSCOPE_UNROLL
      for (int j = 0; j < kLaneKeys; ++j) {
        const Packet key = load_packet(Tile::packet(keys, column() + 8 * j, packet));
        KVSCOPE_UNROLL
        for (int i = 0; i < kLaneRows; ++i) {
          KVSCOPE_UNROLL
          for (int x = 0; x < 4; ++x) {
            logits[i][j] = multiply_add(float_of_bits(query[i].words[x]), float_of_bits(key.words[x]), logits[i][j]);
          }
        }
      }
    }
  }

  KVSCOPE_DEVICE void raise_shift(int i, const float (&logits)[kLaneKeys]) {
    float largest = logits[0];
    KVSCOPE_UNROLL
    for (int j = 1; j < kLaneKeys; ++j) largest = larger(largest, logits[j]);
    const float factor = state_[i].raise(largest_of_lanes<8>(largest) * rule_.scale);
    KVSCOPE_UNROLL
    for (int m = 0; m < kLanePackets; ++m) {
      KVSCOPE_UNROLL
      for (float& x : output_[i][m]) x *= factor;
    }
  }

  KVSCOPE_DEVICE void exponentiate(int i, const float (&logits)[kLaneKeys]) {
    KVSCOPE_UNROLL
    for (int j = 0; j < kLaneKeys; ++j) {
      const float weight = exp2_approximately(multiply_add(logits[j], rule_.scale, -state_[i].shift));
      state_[i].sum += weight;
      const int key = column() + 8 * j;
      store(reinterpret_cast<float*>(WeightTile::packet(weights_, row(i), key / 4)) + key % 4, weight);
    }
  }

  const std::byte* queries_;
  std::byte* weights_;
  SoftmaxRule rule_;
  SoftmaxState state_[kLaneRows];
  float output_[kLaneRows][kLanePackets][4];
};

/// Attention of float32 with float32 products (no TF32), so that greedy decoding picks the CPU's tokens: 64 queries of
/// a head at a time, 16 to each of four warps.
///
/// Shared memory: the tile of queries, a ring of two tiles of 32 keys or values, and the weights; 73 KiB at 128
/// channels. A block of keys takes 2048 multiply-adds of every thread, which outlasts the latency of the next.
template <int kHeadDim>
struct FloatAttention {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = attention_blocks(false, kHeadDim, kNarrowTile);

  using Warp = FloatWarp<kHeadDim>;
  using Ring = KeyValueRing<float, kHeadDim, Warp::kKeys, 2, kThreads>;
  using Queue = ItemQueue<float>;
  using Tile = SharedTile<float, kHeadDim>;
  static constexpr int kQueryBytes = kNarrowTile * Tile::kRowBytes;
  static constexpr int kWarpWeightBytes = Warp::kRows * Warp::WeightTile::kRowBytes;
  static constexpr int kRingOffset = kQueryBytes + kWarps * kWarpWeightBytes;
  static constexpr int kSharedBytes = kRingOffset + Ring::kSharedBytes + Queue::kSharedBytes;
  static_assert(kWarps * Warp::kRows == kNarrowTile);

  AttentionArguments<float> arguments;

  KVSCOPE_DEVICE void operator()() const {
    std::byte* memory = shared_memory();
    Ring ring(arguments, memory + kRingOffset);
    Queue queue(arguments, reinterpret_cast<int*>(memory + kRingOffset + Ring::kSharedBytes));
    for (int number = queue.first(); number < arguments.items; number = queue.next()) {
      const AttentionItem item = find_item(arguments, number, kNarrowTile);
      queue.fetch();
      const int n_key = ring.open(item);
      synchronize_block();
      bring_queries<kNarrowTile, kThreads, kHeadDim>(memory, arguments, item);
      ring.start(n_key);
      queue.publish(number);
      attend(ring, queue, memory, item, n_key);
    }
  }

 private:
  KVSCOPE_DEVICE void attend(Ring& ring, const Queue& queue, std::byte* memory, const AttentionItem& item,
                             int n_key) const {
    const int first_row = warp_index() * Warp::kRows;
    const bool has_queries = item.first_query + first_row < arguments.n_query;
    Warp warp(memory + first_row * Tile::kRowBytes, memory + kQueryBytes + warp_index() * kWarpWeightBytes,
              softmax_rule(arguments, item.head));
    if (n_key <= 0) synchronize_block();  // for the queue
    for (int left = n_key; left > 0; left -= Warp::kKeys) {
      const std::byte* keys = ring.keys_of(left);
      if (has_queries) warp.weigh(keys, left);
      const std::byte* values = ring.values_of(left);
      if (has_queries) warp.add(values);
    }
    if (!has_queries) return;
    // Found again: its numbers would take registers of the loop. A part without keys is not looked at.
    const AttentionItem done = find_item(arguments, queue.current(), kNarrowTile);
    if (done.has_keys() || arguments.splits == 1) warp.write(arguments, done, first_row);
  }
};

}  // namespace kvscope::gpu
