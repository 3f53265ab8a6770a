#pragma once

#include "classifiers/plan/plan.h"
#include "classifiers/plan/plan_request.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

// Closed forms for what a plan costs. They reproduce the tables of HACK (arXiv 2504.09261) and HACK++
// (arXiv 2606.08302); the formulas are derived from the published numbers.

/// Size of one element of K and of V, in bytes.
struct ElementBytes {
  std::int64_t key = 0;
  std::int64_t value = 0;
};

/// How the published implementations keep their cache under autocast: K in float32, V in 16 bit.
inline constexpr ElementBytes kPublishedElements{4, 2};
/// Both in 16 bit, as attention kernels read them anyway.
inline constexpr ElementBytes kHalfElements{2, 2};

/// As the run's cache holds them.
[[nodiscard]] ElementBytes element_bytes(const ModelInfo& model);

/// Rows of one sample: 2 under classifier-free guidance, else 1.
[[nodiscard]] std::int64_t rows_per_sample(const ModelInfo& model);

/// D (bytes_K + bytes_V): one token of one row in one layer and key/value head.
[[nodiscard]] std::int64_t token_bytes(const ModelInfo& model, ElementBytes elements);
/// The same as this head stores it: at the run's element types, or one byte per element of K and of V.
[[nodiscard]] std::int64_t token_bytes(const ModelInfo& model, const HeadBudget& budget);

/// What the scales and offsets of a head that stores 8-bit codes take, in float32: 16 D for K and V together, once for
/// all rows and samples; else 0.
[[nodiscard]] std::int64_t parameter_bytes(const ModelInfo& model, const HeadBudget& budget);

/// T * L * H * D * rows * (bytes_K + bytes_V) for T tokens in every key/value head.
[[nodiscard]] std::int64_t cache_bytes(const ModelInfo& model, std::int64_t tokens, std::int64_t rows,
                                       ElementBytes elements);

/// Tokens of one head with the same real-valued budgets at every step:
///   keys_k = min(c_{k-1} + N_k, B_a),   c_k = min(c_{k-1} + N_k, B_c),   c_0 = 0.
struct BudgetFlow {
  std::vector<double> keys;     ///< [K] attended to per query of step k
  std::vector<double> carried;  ///< [K] held after step k, as the formula has it also after the last
};
[[nodiscard]] BudgetFlow budget_flow(const StepTable& steps, double attend_budget, double carry_budget);

/// sum_k N_k keys_k: pairs of query and key that attention forms in one row and head.
[[nodiscard]] double attention_pairs(const StepTable& steps, std::span<const double> keys);

/// 4 D rows * pairs: multiplications and additions of Q K^T and of A V.
/// @param pairs  query-key pairs per row, summed over all layers and query heads
[[nodiscard]] double attention_flops(const ModelInfo& model, double pairs, std::int64_t rows);

/// What a plan costs per sample. Sums are over all layers and heads.
struct PlanTotals {
  std::int64_t rows = 0;                  ///< of one sample
  std::int64_t heads = 0;                 ///< layers * kv_heads
  std::int64_t key_tokens = 0;            ///< T_K, keys of the last step without compression
  std::int64_t earlier_tokens = 0;        ///< T_{K-1}, those of them that were carried into it
  std::vector<std::int64_t> attended;     ///< [K] tokens attended to at step k, sum over key/value heads, per row
  std::vector<std::int64_t> carried;      ///< [K] tokens held after step k, likewise
  std::vector<std::int64_t> bytes_after;  ///< [K] bytes of keys and values held after step k, all rows of a sample
  std::int64_t peak_bytes = 0;            ///< largest of bytes_after
  double average_bytes = 0.0;             ///< mean of bytes_after over all steps but the last; 0 of a single step
  std::int64_t allocated_bytes = 0;  ///< buffers of cache_capacity() slots a head, and parameter_bytes: >= peak_bytes
  std::int64_t parameter_bytes = 0;  ///< of quantisation, all heads; a batch of samples shares them
  std::int64_t published_bytes = 0;  ///< all tokens, K float32 and V 16 bit
  std::int64_t full_bytes = 0;       ///< all tokens at the run's element types
  std::int64_t lossless_bytes = 0;   ///< only tokens that a later step reads, at the run's element types
  double full_flops = 0.0;           ///< attention without compression
  double compressed_flops = 0.0;     ///< attention under the plan, selection not included

  /// What a cache for a batch allocates: slots for every sample, parameters once.
  [[nodiscard]] std::int64_t allocated_bytes_of(std::int64_t samples) const;

  /// Mean over heads of the tokens attended to at the last step, as a share of T_K: eta_a of HACK++.
  [[nodiscard]] double attended_share() const;
  /// Mean over heads of the most tokens ever held, as a share of T_K (eta_c of HACK++) or of T_{K-1} (ScaleKV).
  /// Not-a-number for a single step, which carries nothing.
  [[nodiscard]] double carried_share_of_all() const;
  [[nodiscard]] double carried_share_of_earlier() const;
};
[[nodiscard]] PlanTotals plan_totals(const Plan& plan);

/// What a budget in bytes limits: of keys, values and parameters of quantisation, per sample.
[[nodiscard]] double limited_bytes(const PlanTotals& totals, BudgetLimit limit);

/// The "totals" of plan.json.
[[nodiscard]] Json to_json(const PlanTotals& totals, ElementBytes elements);

}  // namespace kvscope
