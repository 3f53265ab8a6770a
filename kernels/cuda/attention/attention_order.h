#pragma once

#include "kernels/cuda/attention/attention_arguments.h"

namespace kvscope::gpu {

/// Ranks the (row, key/value head) pairs by their keys, most first, the lower pair first among equals, and sets the
/// counter of items to 0. Every pair counts those before it: with some thousand pairs a few microseconds.
template <typename Element>
struct OrderPairs {
  static constexpr int kThreads = 128;
  static constexpr int kBlocksPerMultiprocessor = 1;
  static constexpr int kSharedBytes = kThreads * static_cast<int>(sizeof(std::int32_t));

  AttentionArguments<Element> arguments;
  std::int32_t* order = nullptr;  ///< [pairs]

  /// One block for every kThreads pairs.
  KVSCOPE_DEVICE void operator()() const {
    auto* shared = reinterpret_cast<std::int32_t*>(shared_memory());
    const int pairs = arguments.rows * arguments.kv_heads;
    const int pair = block_index() * kThreads + thread_index();
    const int keys = pair < pairs ? arguments.keys_of(pair) : 0;
    int rank = 0;
    for (int first = 0; first < pairs; first += kThreads) {
      const int other = first + thread_index();
      synchronize_block();
      store(shared + thread_index(), other < pairs ? arguments.keys_of(other) : 0);
      synchronize_block();
      const int count = pairs - first < kThreads ? pairs - first : kThreads;
      for (int i = 0; i < count; ++i) {
        const int other_keys = load(shared + i);
        rank += other_keys > keys || (other_keys == keys && first + i < pair) ? 1 : 0;
      }
    }
    if (pair < pairs) store(order + rank, pair);
    if (pair == 0) store(arguments.counter, 0);
  }
};

}  // namespace kvscope::gpu
