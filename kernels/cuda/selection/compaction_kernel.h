#pragma once

#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/token_view.h"

#include <cstdint>

namespace kvscope::gpu {

/// CompactionProblem as its kernel carries it.
struct CompactionArguments {
  TokenView keys;
  TokenView values;
  DevicePlaces kept;
  std::int32_t parts;  ///< of a token's bytes, a block for each; a multiple of 16 bytes
  std::int32_t* token;
  std::int32_t first_own_token;
  float* collected;
  const float* collected_now;
  std::int64_t collected_stride;
};

/// Moves what is kept together, in place: a chunk of rows is read into registers, the block meets, then the chunk is
/// written. Row i goes to slot i and kept[i] >= i, so no later chunk reads what this one writes, and this one has been
/// read when it is written. Columns do not meddle with each other: blocks take parts of a row, of K or of V, and one
/// more what is known of the tokens.
///
/// Reads and writes what changes place once. Rows in place are left alone.
struct CompactTokens {
  static constexpr int kThreads = 512;
  static constexpr int kBlocksPerMultiprocessor = 2;
  static constexpr int kSharedBytes = 0;
  static constexpr int kPacketsPerThread = 4;

  CompactionArguments a;

  /// Blocks for each pair.
  [[nodiscard]] static int jobs(const CompactionArguments& a) { return 2 * a.parts + 1; }

  KVSCOPE_DEVICE void operator()() const {
    const int jobs = 2 * a.parts + 1;
    const int pair = block_index() / jobs;
    const int job = block_index() % jobs;
    if (job == 2 * a.parts) {
      const PairTokens tokens(a.keys, pair);
      move_facts(tokens, Kept(a, tokens, pair), pair);
    } else {
      const PairTokens tokens(job < a.parts ? a.keys : a.values, pair);
      move_rows(tokens, Kept(a, tokens, pair), job % a.parts);
    }
  }

 private:
  /// The kept places of a pair, from the first that can move on.
  struct Kept {
    const std::int32_t* places;
    int first;
    int count;

    KVSCOPE_DEVICE Kept(const CompactionArguments& a, const PairTokens& tokens, int pair)
        : places(a.kept.places == nullptr ? nullptr : a.kept.places + pair * a.kept.stride),
          first(places == nullptr ? tokens.held() : 0),
          count(places == nullptr ? tokens.places() : load(a.kept.count + pair)) {}

    [[nodiscard]] KVSCOPE_DEVICE int place(int i) const { return places == nullptr ? i : load(places + i); }
  };

  KVSCOPE_DEVICE void move_rows(const PairTokens& tokens, const Kept& kept, int part) const {
    const int bytes = a.keys.token_bytes / a.parts;
    const int packets = bytes / 16;
    constexpr int kChunk = kThreads * kPacketsPerThread;
    // Rows of a chunk are whole: a row is written when all of the chunk has been read.
    const int rows = kChunk / packets;
    for (int first = kept.first; first < kept.count; first += rows) {
      Packet read[kPacketsPerThread];
      bool moves[kPacketsPerThread];
      KVSCOPE_UNROLL
      for (int u = 0; u < kPacketsPerThread; ++u) {
        const int item = u * kThreads + thread_index();
        const int i = first + item / packets;
        moves[u] = item < rows * packets && i < kept.count;
        if (!moves[u]) continue;
        const int place = kept.place(i);
        moves[u] = place != i || place >= tokens.held();
        if (moves[u]) read[u] = load_packet(tokens.token(place) + part * bytes + item % packets * 16);
      }
      synchronize_block();
      KVSCOPE_UNROLL
      for (int u = 0; u < kPacketsPerThread; ++u) {
        const int item = u * kThreads + thread_index();
        if (moves[u]) store_packet(tokens.slot(first + item / packets) + part * bytes + item % packets * 16, read[u]);
      }
    }
  }

  /// Token numbers, and what was collected of attention.
  KVSCOPE_DEVICE void move_facts(const PairTokens& tokens, const Kept& kept, int pair) const {
    // What was collected changes even where the tokens stay.
    for (int first = a.collected == nullptr ? kept.first : 0; first < kept.count; first += kThreads) {
      const int i = first + thread_index();
      const bool is_there = i < kept.count;
      const int place = is_there ? kept.place(i) : 0;
      int token = a.first_own_token + place - tokens.held();
      if (is_there && a.token != nullptr && place < tokens.held()) token = load(a.token + tokens.first_slot() + place);
      synchronize_block();
      if (!is_there) continue;
      if (a.token != nullptr) store(a.token + tokens.first_slot() + i, token);
      if (a.collected != nullptr) {
        store(a.collected + tokens.first_slot() + i, load(a.collected_now + pair * a.collected_stride + place));
      }
    }
  }
};

}  // namespace kvscope::gpu
