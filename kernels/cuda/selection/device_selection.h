#pragma once

#include "kernels/cuda/device_tokens.h"
#include "kernels/cuda/selection/device_retention.h"

#include <cstdint>

/// What the selection kernels are asked, in the order in which a layer asks them at one step:
///
///     list_candidates      only where the step does not see all that is held
///     observation_scores   only where a head's rule observes attention
///     token_norms          only where a head's rule looks at the length of V, or merges
///     select_tokens        scores, protection and both budgets: who is attended to, who stays
///     merge_tokens         only where losers join attended tokens
///     ragged attention     with DeviceSelection::attended for its index
///     merge_tokens         only where losers join tokens that are carried on
///     compact_tokens       what stays moves together, own tokens are appended
///
/// launch_NAME(problem, launcher) beside each kernel runs it on a GPU or in the interpreter; queue_NAME() below is the
/// GPU's. Nothing here allocates, waits or reads device memory on the host.
namespace kvscope::gpu {

/// Which of the places are candidates: the held tokens whose step `seen` names, then all own ones.
struct CandidateProblem {
  DeviceTokens tokens;                    ///< `index` is not looked at
  const std::int32_t* token = nullptr;    ///< [slots] place in the generation
  const std::int32_t* step_of = nullptr;  ///< [tokens of a generation]
  const std::uint8_t* seen = nullptr;     ///< [steps] 1 where this step attends to that one
  DevicePlaces candidates;                ///< out; stride >= tokens.most_candidates
};

/// scores[p, j] = sum over the observing queries i of all query heads of the pair of softmax(scale q_i K^T)_j over the
/// pair's candidates j.
///
/// The observers are i_m = floor((m + 1/2) n_query / n), m = 0 .. n - 1, of every query head. float32 accumulation; the
/// bits of a pair's scores depend on its queries and candidates only, not on the other pairs or the device.
/// Reference: observation_scores_reference().
struct ObservationProblem {
  DeviceTokens tokens;
  std::int64_t heads = 0;                   ///< query heads, a multiple of kv_heads
  std::int64_t n_query = 0;                 ///< queries per head
  StridedHeads<const void*> queries;        ///< [rows, heads, n_query, head_dim], of the tokens' type
  const std::int32_t* observers = nullptr;  ///< [kv_heads] n, at most n_query; 0: this head's scores are not written
  std::int64_t most_observers = 0;          ///< the largest of them
  const float* softmax_scale = nullptr;     ///< [heads]
  const float* logit_bound = nullptr;       ///< [heads], or null: see RaggedAttention::logit_bound
  float* workspace = nullptr;               ///< observation_workspace(problem) floats, contents undefined
  float* scores = nullptr;                  ///< [pairs, stride]
  std::int64_t stride = 0;
};

/// Floats that ObservationProblem::workspace needs.
[[nodiscard]] std::int64_t observation_workspace(const ObservationProblem& problem);

enum class TokenPart { kKeys, kValues };

/// norms[p, j] = ||K_j||_2 or ||V_j||_2 of the pair's candidates j; summed in double precision.
struct NormProblem {
  DeviceTokens tokens;
  TokenPart part = TokenPart::kValues;
  float* norms = nullptr;  ///< [pairs, stride]
  std::int64_t stride = 0;
};

/// What decide() (kernels/cache/head_decision.h) decides for one head, for all pairs of a layer. Arrays by candidate
/// are [pairs, stride]; what no rule of the layer asks for may be null.
struct SelectionProblem {
  DeviceTokens tokens;
  int layer = 0;                           ///< of the noise
  int first_row = 0;                       ///< of the noise: row of the generation that row 0 is
  int step = 0;                            ///< being processed
  int steps = 0;                           ///< of a generation
  int first_own_token = 0;                 ///< place in the generation of the first own token
  const std::int32_t* step_of = nullptr;   ///< [tokens of a generation] the step of each
  const std::int32_t* token = nullptr;     ///< [slots] place in the generation of each held token
  const std::uint8_t* outlives = nullptr;  ///< [steps] 1 where a later step reads that step's tokens; null: all do

  const DeviceRule* rules = nullptr;     ///< [kv_heads]
  const std::int32_t* attend = nullptr;  ///< [kv_heads] HeadBudget::attend of the step
  const std::int32_t* carry = nullptr;   ///< [kv_heads] HeadBudget::carry of the step

  const float* attention = nullptr;    ///< [pairs, stride] by candidate: observation scores of the step
  const float* value_norms = nullptr;  ///< [pairs, stride] by candidate
  const float* prior = nullptr;        ///< [kv_heads, steps] phi of this layer and step, by source step
  const float* collected = nullptr;    ///< [slots] attention collected at earlier steps
  std::int64_t stride = 0;

  DevicePlaces attended;           ///< out: index of the attention
  DevicePlaces kept;               ///< out: places that are held after the step
  float* collected_now = nullptr;  ///< out, [pairs, stride] by place: of heads that accumulate attention
  DevicePlaces attend_losers;      ///< out: who joins `attended`; count 0 where nothing merges
  DevicePlaces carried;            ///< out: `kept` without the held tokens that this step does not see
  DevicePlaces carry_losers;       ///< out: who joins `carried`; count 0 where nothing merges
};

/// Every loser joins the kept place whose key has the largest cosine similarity with its own (ties: lower place); K and
/// V of a kept place become the mean over itself and those that joined it, in the slab or among the own tokens, where
/// they lie. Reference: merge_tokens_reference(). A kept token that nothing joined keeps its bits.
struct MergeProblem {
  DeviceTokens tokens;  ///< `index` is not looked at
  DevicePlaces losers;
  DevicePlaces kept;
  const float* key_norms = nullptr;  ///< [pairs, stride] by place: NormProblem of the keys of all places
  std::int32_t* nearest = nullptr;   ///< workspace, [pairs, stride]: by loser, which of `kept`
  std::int64_t stride = 0;
};

/// Moves the kept places together: place kept[i] becomes slot i of the pair, in place; own tokens are copied into the
/// slab. What a token is (`token`, `collected`) moves along. `tokens.held` is read and stays: the next step's is
/// kept.count.
struct CompactionProblem {
  DeviceTokens tokens;  ///< `index` is not looked at
  /// Ascending; without `places` all stay, and `count` is not looked at.
  DevicePlaces kept;
  std::int64_t most_kept = 0;     ///< no pair keeps more
  std::int32_t* token = nullptr;  ///< [slots] place in the generation; may be null
  int first_own_token = 0;
  float* collected = nullptr;            ///< [slots]; may be null
  const float* collected_now = nullptr;  ///< [pairs, collected_stride] by place; looked at with `collected`
  std::int64_t collected_stride = 0;
};

/// A stream of the current device (cudaStream_t), without CUDA's headers.
struct DeviceStream {
  void* stream = nullptr;
  int multiprocessors = 0;
};

/// @throws Error  kUsage for shapes or element types that do not fit, kEnvironment if CUDA refuses a launch.
void queue_list_candidates(const CandidateProblem& problem, DeviceStream stream);
void queue_observation_scores(const ObservationProblem& problem, DeviceStream stream);
void queue_token_norms(const NormProblem& problem, DeviceStream stream);
void queue_select_tokens(const SelectionProblem& problem, DeviceStream stream);
void queue_merge_tokens(const MergeProblem& problem, DeviceStream stream);
void queue_compact_tokens(const CompactionProblem& problem, DeviceStream stream);

}  // namespace kvscope::gpu
