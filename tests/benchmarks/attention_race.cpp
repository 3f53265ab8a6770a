#include "tests/benchmarks/attention_race.h"

#include "collectors/base/error.h"

namespace kvscope::benchmark {
namespace {

double checked_error(const AttentionPeer& peer, const AttentionRaceLabels& labels) {
  peer.problem->spoil_output();
  if (peer.prepare) peer.prepare();
  peer.run();
  if (peer.store) peer.store();
  const double error = peer.problem->max_relative_error();
  if (error <= labels.tolerance) return error;
  throw Error(ErrorCode::kCheckFailed, fmt::format("{}, {}: {} is off by {:.2g} of the largest output, expected at "
                                                   "most {:.2g}",
                                                   labels.id, labels.where, peer.name, error, labels.tolerance));
}

}  // namespace

void race_attention(BenchmarkRun& run, const std::vector<AttentionPeer>& peers, const AttentionRaceLabels& labels) {
  std::vector<double> errors;
  std::vector<Contestant> contestants;
  for (const AttentionPeer& peer : peers) {
    errors.push_back(checked_error(peer, labels));
    contestants.push_back({peer.name, peer.run, peer.prepare});
  }
  const Rounds rounds = race(contestants, run.race(labels.threads));
  for (std::size_t peer = 1; peer < peers.size(); ++peer) {
    const Comparison seconds = compare(rounds.seconds(0), rounds.seconds(peer));
    const double rate = peers[0].problem->shape().flops() / seconds.ours_s;
    run.add({.id = std::string(labels.id),
             .where = labels.where,
             .threads = labels.threads,
             .peer = peers[peer].name,
             .seconds = seconds,
             .ceiling_fraction = labels.ceiling ? std::optional(rate / *labels.ceiling) : std::nullopt,
             .max_relative_error = errors[0],
             .rate = rate,
             .unit = "FLOP"});
  }
}

}  // namespace kvscope::benchmark
