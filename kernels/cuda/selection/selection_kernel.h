#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/cuda/selection/block_order.h"
#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/selection/topk_threshold.h"
#include "kernels/cuda/token_view.h"

#include <Random123/philox.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvscope::gpu {

/// token_noise() (kernels/cache/token_noise.h), for kernels.
KVSCOPE_DEVICE float device_token_noise(std::uint64_t seed, int token, int row, int step, int layer, int head) {
  const auto word = [](auto value) { return static_cast<std::uint32_t>(value); };
  const r123::Philox4x32::ctr_type counter{{word(token), word(row), word(step), word(layer) << 16U | word(head)}};
  const r123::Philox4x32::key_type key{{word(seed), word(seed >> 32U)}};
  return static_cast<float>(r123::Philox4x32()(counter, key)[0] >> 8U) * 0x1p-24F;
}

/// SelectionProblem as its kernel carries it.
struct SelectionArguments {
  TokenView tokens;
  SelectionProblem problem;
};

/// All that decide() decides for one pair: a block for each. Scores become integers of the same order in shared memory;
/// protected sets, the radix search for the budget's threshold and the lists, which ascend, are passes of the block
/// over them. Equal to decide() in every case where the attention scores are.
///
/// Shared memory: 8 bytes for each candidate and 8.3 KiB: 10 521 candidates fit 99 KiB. Global memory: the scores once,
/// the tokens' places and steps a few times, the lists.
template <int kBlockThreads>
struct SelectTokens {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kBlocksPerMultiprocessor = 1024 / kBlockThreads;
  using Search = ThresholdSearch<kThreads>;

  SelectionArguments arguments;

  [[nodiscard]] static std::int64_t shared_bytes(std::int64_t most_candidates) {
    return Search::kSharedBytes + 2 * static_cast<std::int64_t>(sizeof(std::uint32_t)) * most_candidates;
  }

  KVSCOPE_DEVICE void operator()() const { Pair(arguments, block_index()).run(); }

 private:
  /// What is known of a candidate, in one word of shared memory.
  enum State : std::uint32_t {
    kOfFirstSteps = 1U,
    kOfCurrentStep = 2U,
    kOutlives = 4U,  ///< a later step reads it
    kInPool = 8U,    ///< takes part in the selection under way
    kChosen = 16U,   ///< by the latest selection
    kHolds = 32U,    ///< kHolds << rule::Protected: a set protects it in the selection under way
    kHoldsAny = 7U * kHolds,
  };

  class Pair {
   public:
    KVSCOPE_DEVICE Pair(const SelectionArguments& arguments, int pair)
        : p_(arguments.problem),
          tokens_(arguments.tokens, pair),
          pair_(pair),
          row_(pair / arguments.tokens.kv_heads),
          head_(pair % arguments.tokens.kv_heads),
          rule_(arguments.problem.rules + head_),
          n_(tokens_.count()) {
      auto* words = reinterpret_cast<std::uint32_t*>(shared_memory());
      search_ = {reinterpret_cast<int*>(words), reinterpret_cast<int*>(words) + Search::kBins};
      keys_ = words + Search::kSharedBytes / 4;
      states_ = keys_ + p_.tokens.most_candidates;
    }

    KVSCOPE_DEVICE void run() {
      const int time = load(&rule_->when);
      int attend = load(p_.attend + head_);
      if (time == rule::kAfterAttending || attend > n_) attend = n_;
      const int carry = load(p_.carry + head_);
      const int room = carry > tokens_.dormant() ? carry - tokens_.dormant() : 0;
      int outliving = 0;
      for (int j = thread_index(); j < n_; j += kThreads) outliving += outlives(source_step(j)) ? 1 : 0;
      outliving = sum_of_block<kThreads>(outliving, search_.scratch);
      const bool ranks = attend < n_ || room < outliving;
      const bool accumulates = load(&rule_->score) == rule::kAccumulatedAttention && p_.attention != nullptr;
      if (ranks || accumulates) score();
      set_states();

      const int losers_merge = load(&rule_->losers);
      const bool merges =
          losers_merge == rule::kMerge && (load(&rule_->last_step_only) == 0 || p_.step == p_.steps - 1);
      const bool before = time == rule::kBeforeAttending;
      choose(attend);
      list(p_.attended, [&](int j) { return is(j, kChosen); });
      list(p_.attend_losers, [&](int j) { return merges && before && !is(j, kChosen); });
      set_pool(before);
      choose(room);
      const int carried = list(p_.carried, [&](int j) { return is(j, kChosen); });
      list(p_.carry_losers, [&](int j) { return merges && carried > 0 && is(j, kInPool) && !is(j, kChosen); });
      list_kept(carried, carry);
    }

   private:
    // --- facts ---

    [[nodiscard]] KVSCOPE_DEVICE int token(int place) const {
      return place < tokens_.held() ? load(p_.token + tokens_.first_slot() + place)
                                    : p_.first_own_token + place - tokens_.held();
    }
    [[nodiscard]] KVSCOPE_DEVICE int source_step(int j) const {
      const int place = tokens_.place(j);
      return place < tokens_.held() ? load(p_.step_of + token(place)) : p_.step;
    }
    [[nodiscard]] KVSCOPE_DEVICE bool outlives(int source) const {
      return p_.outlives == nullptr || load(p_.outlives + source) != 0;
    }
    [[nodiscard]] KVSCOPE_DEVICE bool is(int j, std::uint32_t state) const { return (load(states_ + j) & state) != 0U; }

    // --- scores ---

    /// Scores of all candidates as keys; what rules collect of attention, by place.
    KVSCOPE_DEVICE void score() {
      const bool accumulates = load(&rule_->score) == rule::kAccumulatedAttention;
      float* collected_now = accumulates ? p_.collected_now + pair_ * p_.stride : nullptr;
      if (accumulates && tokens_.is_listed()) {
        // What this step does not see keeps what it has.
        for (int place = thread_index(); place < tokens_.held(); place += kThreads) {
          store(collected_now + place, load(p_.collected + tokens_.first_slot() + place));
        }
        synchronize_block();
      }
      auto* scores = reinterpret_cast<float*>(states_);
      for (int j = thread_index(); j < n_; j += kThreads) {
        float score = raw_score(j);
        if (accumulates) store(collected_now + tokens_.place(j), score);
        if (load(&rule_->times_value_norm) != 0) score *= load(p_.value_norms + pair_ * p_.stride + j);
        store(scores + j, score);
      }
      synchronize_block();
      for (int j = thread_index(); j < n_; j += kThreads) store(keys_ + j, ordered_key(smoothed(scores, j)));
      synchronize_block();
    }

    [[nodiscard]] KVSCOPE_DEVICE float raw_score(int j) const {
      const int place = tokens_.place(j);
      switch (load(&rule_->score)) {
        case rule::kObservedAttention:
          return load(p_.attention + pair_ * p_.stride + j);
        case rule::kAccumulatedAttention: {
          const float now = load(p_.attention + pair_ * p_.stride + j);
          return place < tokens_.held() ? now + load(p_.collected + tokens_.first_slot() + place) : now;
        }
        case rule::kCalibratedPrior:
          return load(p_.prior + head_ * p_.steps + source_step(j));
        case rule::kLookAhead:
          return load(p_.prior + head_ * p_.steps + source_step(j)) *
                 std::sqrt(load(p_.attention + pair_ * p_.stride + j));
        case rule::kAge:
          return static_cast<float>(token(place));
        default:
          return device_token_noise(load(&rule_->seed), token(place), p_.first_row + row_, p_.step, p_.layer, head_);
      }
    }

    /// pool_average() or pool_maximum() around candidate j, in their order.
    [[nodiscard]] KVSCOPE_DEVICE float smoothed(const float* scores, int j) const {
      const int kind = load(&rule_->smoothing);
      if (kind == rule::kNone) return load(scores + j);
      const int reach = (load(&rule_->width) - 1) / 2;
      const int begin = j > reach ? j - reach : 0;
      const int end = n_ - j > reach + 1 ? j + reach + 1 : n_;
      if (kind == rule::kAverage) {
        double sum = 0.0;
        for (int i = begin; i < end; ++i) sum += static_cast<double>(load(scores + i));
        return static_cast<float>(sum / static_cast<double>(end - begin));
      }
      float largest = load(scores + begin);
      for (int i = begin + 1; i < end; ++i) {
        const float score = load(scores + i);
        largest = largest < score ? score : largest;
      }
      return largest;
    }

    // --- selection ---

    /// What does not change: where candidates come from and whether they will be read. All are in the first pool.
    KVSCOPE_DEVICE void set_states() {
      const int first_steps = load(&rule_->first_steps);
      const bool current = load(&rule_->current_step) != 0;
      for (int j = thread_index(); j < n_; j += kThreads) {
        const int source = source_step(j);
        std::uint32_t state = kInPool;
        if (source < first_steps) state |= kOfFirstSteps;
        if (current && source == p_.step) state |= kOfCurrentStep;
        if (outlives(source)) state |= kOutlives;
        store(states_ + j, state);
      }
      synchronize_block();
    }

    /// The pool of what is carried on: who will be read, of those attended to or of all.
    KVSCOPE_DEVICE void set_pool(bool of_chosen) {
      synchronize_block();  // the lists are still being written
      for (int j = thread_index(); j < n_; j += kThreads) {
        const std::uint32_t state = load(states_ + j);
        const bool stays = (state & kOutlives) != 0U && (!of_chosen || (state & kChosen) != 0U);
        store(states_ + j, (state & (kOfFirstSteps | kOfCurrentStep | kOutlives)) | (stays ? kInPool : 0U));
      }
      synchronize_block();
    }

    [[nodiscard]] KVSCOPE_DEVICE int count(std::uint32_t mask) const {
      int count = 0;
      for (int j = thread_index(); j < n_; j += kThreads) count += is(j, mask) ? 1 : 0;
      return sum_of_block<kThreads>(count, search_.scratch);
    }

    /// select_tokens() (kernels/cache/token_selection.h): marks the best `budget` of the pool.
    KVSCOPE_DEVICE void choose(int budget) {
      const int pool = count(kInPool);
      if (budget >= pool) {
        for (int j = thread_index(); j < n_; j += kThreads) {
          if (is(j, kInPool)) store(states_ + j, load(states_ + j) | kChosen);
        }
        synchronize_block();
        return;
      }
      const int best = budget - protect(pool, budget);
      const auto is_open = [&](int j) { return (load(states_ + j) & (kInPool | kHoldsAny)) == kInPool; };
      Threshold threshold{~0U, 0};
      if (best > 0) threshold = search_.find(keys_, n_, best, is_open);
      // Of those at the threshold the first ones; an infinity's key is below ~0.
      for_members_in_order<kThreads>(
          n_, search_.scratch, [&](int j) { return load(keys_ + j) == threshold.key && is_open(j); },
          [&](int j, int rank) {
            if (rank < threshold.ties) store(states_ + j, load(states_ + j) | kChosen);
          });
      synchronize_block();
      for (int j = thread_index(); j < n_; j += kThreads) {
        const std::uint32_t state = load(states_ + j);
        const bool wins =
            (state & kHoldsAny) != 0U || ((state & kInPool) != 0U && best > 0 && load(keys_ + j) > threshold.key);
        if (wins) store(states_ + j, state | kChosen);
      }
      synchronize_block();
    }

    /// protected_tokens() (kernels/cache/token_protection.h) of the pool. @return how many are protected
    KVSCOPE_DEVICE int protect(int pool, int budget) {
      const int recent = load(&rule_->recent_tokens);
      if (load(&rule_->first_steps) == 0 && load(&rule_->current_step) == 0 && recent == 0) return 0;
      for_members_in_order<kThreads>(
          n_, search_.scratch, [&](int j) { return is(j, kInPool); },
          [&](int j, int rank) {
            std::uint32_t state = load(states_ + j);
            if ((state & kOfFirstSteps) != 0U) state |= kHolds << rule::kFirstSteps;
            if ((state & kOfCurrentStep) != 0U) state |= kHolds << rule::kCurrentStep;
            if (pool - rank <= recent) state |= kHolds << rule::kRecentTokens;
            store(states_ + j, state);
          });
      synchronize_block();
      int safe = count(kHoldsAny);
      const int sets = load(&rule_->gives_way_count);
      for (int i = 0; i < sets && safe > budget; ++i) safe -= give_way(load(rule_->gives_way + i), safe - budget);
      return safe;
    }

    /// Takes a set's protection from its oldest tokens, until `excess` are without any. @return how many are
    KVSCOPE_DEVICE int give_way(int set, int excess) {
      const std::uint32_t bit = kHolds << static_cast<unsigned>(set);
      const OrderedRun<kThreads> run(n_);
      const auto holds = [&](int j) { return j < n_ ? load(states_ + j) & kHoldsAny : 0U; };
      int count = 0;
      for (int first = run.begin; first < run.end; first += kWarpThreads) {
        count += count_bits(ballot(holds(first + lane_index()) == bit));
      }
      const WarpOffset offset = offset_of_warp<kThreads>(count, search_.scratch);
      int lost = offset.before;
      for (int first = run.begin; first < run.end; first += kWarpThreads) {
        const int j = first + lane_index();
        const std::uint32_t sets = holds(j);
        const std::uint32_t alone = ballot(sets == bit);
        if ((sets & bit) != 0U && lost + count_bits(alone & lower_lanes()) < excess) {
          store(states_ + j, load(states_ + j) & ~bit);
        }
        lost += count_bits(alone);
      }
      synchronize_block();
      return offset.total < excess ? offset.total : excess;
    }

    // --- lists ---

    /// The places of members. @return how many
    template <typename IsMember>
    KVSCOPE_DEVICE int list(const DevicePlaces& places, const IsMember& is_member) const {
      std::int32_t* target = places.places == nullptr ? nullptr : places.places + pair_ * places.stride;
      const int count = for_members_in_order<kThreads>(n_, search_.scratch, is_member, [&](int j, int rank) {
        if (target != nullptr) store(target + rank, tokens_.place(j));
      });
      if (target != nullptr && thread_index() == 0) store(places.count + pair_, count);
      return count;
    }

    /// The carried candidates and, among them, the held tokens that this step does not see; if they are too many, the
    /// oldest of these go.
    KVSCOPE_DEVICE void list_kept(int carried, int carry) const {
      const int dormant = tokens_.dormant();
      int surplus = dormant + carried - carry;
      if (surplus < 0) surplus = 0;
      if (surplus > dormant) surplus = dormant;
      std::int32_t* target = p_.kept.places + pair_ * p_.kept.stride;
      const auto is_carried = [&](int j) { return is(j, kChosen); };
      // Candidate j at place p has p - j unseen tokens before it.
      for_members_in_order<kThreads>(n_, search_.scratch, is_carried, [&](int j, int rank) {
        const int place = tokens_.place(j);
        const int unseen = place < tokens_.held() ? place - j : dormant;
        store(target + rank + (unseen > surplus ? unseen - surplus : 0), place);
      });
      if (thread_index() == 0) store(p_.kept.count + pair_, carried + dormant - surplus);
      if (dormant > 0) list_unseen(target, surplus);
    }

    /// Unseen tokens stand between a candidate and the one before it. Plans for known models have none.
    KVSCOPE_DEVICE void list_unseen(std::int32_t* target, int surplus) const {
      const OrderedRun<kThreads> run(n_);
      int count = 0;
      for (int first = run.begin; first < run.end; first += kWarpThreads) {
        const int j = first + lane_index();
        count += count_bits(ballot(j < n_ && is(j, kChosen)));
      }
      int rank = offset_of_warp<kThreads>(count, search_.scratch).before;
      for (int first = run.begin; first < run.end; first += kWarpThreads) {
        const int j = first + lane_index();
        const std::uint32_t chosen = ballot(j < n_ && is(j, kChosen));
        if (j < n_) {
          const int before = rank + count_bits(chosen & lower_lanes());
          const int place = tokens_.place(j);
          const int end = place < tokens_.held() ? place : tokens_.held();
          for (int unseen = j == 0 ? 0 : tokens_.place(j - 1) + 1; unseen < end; ++unseen) {
            const int number = unseen - j - surplus;
            if (number >= 0) store(target + before + number, unseen);
          }
        }
        rank += count_bits(chosen);
      }
    }

    const SelectionProblem& p_;
    PairTokens tokens_;
    int pair_;
    int row_;
    int head_;
    const DeviceRule* rule_;
    int n_;
    Search search_;
    std::uint32_t* keys_;
    std::uint32_t* states_;
  };
};

}  // namespace kvscope::gpu
