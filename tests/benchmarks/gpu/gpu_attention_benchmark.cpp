#include "collectors/base/error.h"
#include "tests/benchmarks/attention_race.h"
#include "tests/benchmarks/gpu/gpu_attention_peers.h"
#include "tests/benchmarks/gpu/gpu_benchmarks.h"
#include "tests/benchmarks/gpu/gpu_cases.h"
#include "tests/benchmarks/gpu/gpu_run.h"

#include <ATen/core/Tensor.h>

#include <memory>

namespace kvscope::benchmark {
namespace {

/// @throws Error  kCheckFailed if the peer's result is wrong.
double checked_error(const RaggedOperands& operands, const GpuAttentionPeer& peer, std::string_view id) {
  const double error = operands.max_relative_error(peer.result(), peer.keys_of_head);
  if (!(error <= kBFloat16Tolerance)) {
    throw Error(ErrorCode::kCheckFailed, fmt::format("{}, {}, {}: off by {:.2g} of the largest output", id,
                                                     operands.problem().name(), peer.name, error));
  }
  return error;
}

/// The smaller of what products and bytes allow, as a share of what was reached.
double ceiling_fraction(const GpuRun& run, double flops, double bytes, double seconds) {
  const double floor_s = std::max(flops / run.ceilings().bfloat16_product, bytes / run.ceilings().copy);
  return floor_s / seconds;
}

/// Checks everybody and lets them race; the first one is ours.
void race_case(GpuRun& run, std::string_view id, const RaggedOperands& operands,
               const std::vector<GpuAttentionPeer>& peers) {
  std::vector<GpuContestant> contestants;
  std::vector<double> errors;
  for (const GpuAttentionPeer& peer : peers) {
    errors.push_back(checked_error(operands, peer, id));
    contestants.push_back({peer.name, peer.enqueue});
  }
  const Rounds rounds = race_on_gpu(run.card(), contestants, operands.copies(), run.request().race);
  const AttentionCase& problem = operands.problem();
  for (std::size_t i = 1; i < peers.size(); ++i) {
    const Comparison seconds = compare(rounds.seconds(0), rounds.seconds(i));
    run.add({.id = std::string(id),
             .where = problem.name(),
             .peer = peers[i].name,
             .seconds = seconds,
             .ceiling_fraction = ceiling_fraction(run, problem.flops(), problem.bytes(), seconds.ours_s),
             .max_relative_error = errors.front(),
             .rate = problem.flops() / seconds.ours_s,
             .unit = "FLOP"});
  }
}

using PeerFactory = GpuAttentionPeer (*)(const RaggedOperands&);

void race_cases(GpuRun& run, std::string_view id, std::vector<AttentionCase> cases,
                std::initializer_list<PeerFactory> factories) {
  if (run.request().quick) cases.resize(1);
  for (const AttentionCase& problem : cases) {
    const RaggedOperands operands(run.card(), problem, run.card().copies_for(problem.bytes()));
    std::vector<GpuAttentionPeer> peers = {own_gpu_attention(operands, true)};
    for (const PeerFactory factory : factories) peers.push_back(factory(operands));
    peers.push_back(own_gpu_attention(operands, false));
    race_case(run, id, operands, peers);
  }
}

/// Operands and our kernel at every scale of a generation.
class AllScales {
 public:
  AllScales(const BenchmarkGpu& card, const std::vector<AttentionCase>& scales, std::size_t copies) {
    for (const AttentionCase& scale : scales) {
      operands_.push_back(std::make_unique<RaggedOperands>(card, scale, copies));
      kernels_.push_back(own_gpu_attention(*operands_.back(), true));
    }
  }

  void enqueue(std::size_t copy) const {
    for (const GpuAttentionPeer& kernel : kernels_) kernel.enqueue(copy);
  }
  [[nodiscard]] double largest_error(std::string_view id) const {
    double error = 0.0;
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      error = std::max(error, checked_error(*operands_[i], kernels_[i], id));
    }
    return error;
  }

 private:
  std::vector<std::unique_ptr<RaggedOperands>> operands_;
  std::vector<GpuAttentionPeer> kernels_;
};

Comparison times(Comparison seconds, double factor) {
  seconds.peer_s *= factor;
  seconds.ratio = {seconds.ratio.mean * factor, seconds.ratio.low * factor, seconds.ratio.high * factor};
  return seconds;
}

void race_realised(GpuRun& run, const RealisedCase& one) {
  // All scales together are larger than any cache.
  constexpr std::size_t kCopies = 2;
  const AllScales compressed(run.card(), one.scales(), kCopies);
  const AllScales full(run.card(), generation_cases(*one.model, one.images, 0.0, Spread::kEqual), kCopies);
  const double error = std::max(compressed.largest_error("G4"), full.largest_error("G4"));
  const Rounds rounds = race_on_gpu(run.card(),
                                    {{"kvscope", [&](std::size_t copy) { compressed.enqueue(copy); }},
                                     {"kvscope, all keys", [&](std::size_t copy) { full.enqueue(copy); }}},
                                    kCopies, run.request().race);
  BenchmarkResult result{.id = "G4",
                         .where = one.name(),
                         .peer = "kvscope, all keys",
                         .seconds = compare(rounds.seconds(0), rounds.seconds(1)),
                         .max_relative_error = error};
  run.add(result);
  result.peer = fmt::format("the same / FLOP ratio {:.2f}", one.flop_ratio());
  result.seconds = times(result.seconds, 1.0 / one.flop_ratio());
  run.add(result);
}

}  // namespace

void benchmark_gpu_ragged(GpuRun& run) {
  race_cases(run, "G1", ragged_cases(), {cudnn_full, cudnn_padded, flash_variable});
}

void benchmark_gpu_equal(GpuRun& run) {
  race_cases(run, "G2", equal_cases(), {flash_full, cudnn_full});
}

void benchmark_gpu_var(GpuRun& run) {
  race_cases(run, "G3", var_cases(), {flash_full, cudnn_full, flash_variable});
}

void benchmark_gpu_realised(GpuRun& run) {
  std::vector<RealisedCase> cases = realised_cases();
  if (run.request().quick) cases.resize(1);
  for (const RealisedCase& one : cases) race_realised(run, one);
}

}  // namespace kvscope::benchmark
