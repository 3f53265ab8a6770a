#pragma once

#include "cuda/device_buffers.h"
#include "kernels/cuda/attention/device_attention.h"

#include <cstdint>
#include <vector>

namespace kvscope::testing {

/// Which random problem.
struct AttentionCase {
  ElementType type = ElementType::kFloat32;
  std::int64_t head_dim = 64;
  std::int64_t rows = 1;
  std::int64_t kv_heads = 1;
  std::int64_t group = 1;  ///< query heads that share a key/value head
  std::int64_t n_query = 5;
  std::int64_t n_own = 5;
  std::vector<std::int64_t> held = {0};  ///< of pair p: held[p % held.size()]
  /// Of pair p attended[p % attended.size()] random candidates, at most all of them; empty: all, without an index.
  std::vector<std::int64_t> attended;
  std::vector<float> logit_bound;  ///< of head h: [h % size]; empty: none
  float scale = 0.2F;
  bool is_normalized = false;  ///< queries and keys of norm 1, as in cosine attention
  std::uint32_t seed = 1;
};

/// An AttentionCase in device memory, with all around operands NaN: slots that nobody holds, what lies between
/// tokens, results.
class AttentionProblem {
 public:
  /// @param multiprocessors  for the size of the workspace
  AttentionProblem(const AttentionCase& description, DeviceBuffers& buffers, int multiprocessors);

  [[nodiscard]] const gpu::DeviceAttention& on_device() const { return device_; }

  /// [rows, heads, n_query, head_dim]
  [[nodiscard]] std::vector<float> output() const;
  /// [rows, heads, n_query]
  [[nodiscard]] std::vector<float> log_sum_exp() const;
  /// Whether what lies between the tokens of the output is as it was.
  [[nodiscard]] bool left_gaps_alone() const;

  /// ragged_attention_reference() of the same numbers.
  [[nodiscard]] std::vector<double> expected_output() const;
  [[nodiscard]] std::vector<double> expected_log_sum_exp() const;

 private:
  [[nodiscard]] std::vector<float> random_tokens(std::int64_t count, bool is_normalized);
  void place_history();
  void place_own_tokens();
  void place_index();
  void place_queries();
  [[nodiscard]] StridedHeads<const void*> upload_heads(const char* name, const std::vector<float>& tokens,
                                                       std::int64_t heads, std::int64_t n_token);
  [[nodiscard]] std::vector<std::byte> stored(const std::vector<float>& values) const;
  [[nodiscard]] std::vector<float> read(const void* source, std::int64_t count) const;
  [[nodiscard]] RaggedAttention on_host() const;

  AttentionCase case_;
  DeviceBuffers* buffers_;
  gpu::DeviceAttention device_;
  std::int64_t pairs_;
  std::uint32_t next_seed_;

  std::vector<std::int64_t> held_;                ///< by pair
  std::vector<std::int64_t> first_slot_;          ///< by pair
  std::vector<std::vector<std::int32_t>> index_;  ///< by pair: slots of the history, then own tokens
  std::vector<std::int64_t> from_history_;        ///< by pair: how many of index_ are slots
  std::vector<float> held_keys_, held_values_;    ///< [slots, head_dim], as the device holds them
  std::vector<float> own_keys_, own_values_;      ///< [rows, kv_heads, n_own, head_dim]
  std::vector<float> queries_;                    ///< [rows, heads, n_query, head_dim]
  std::vector<float> scales_;                     ///< [heads]
  mutable std::vector<RaggedKeys> keys_;
};

}  // namespace kvscope::testing
