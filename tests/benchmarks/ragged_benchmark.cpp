#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "kernels/attention/ragged_attention.h"
#include "tests/benchmarks/attention_race.h"
#include "tests/benchmarks/benchmarks.h"
#include "tests/benchmarks/head_lengths.h"

#include <numeric>

namespace kvscope::benchmark {
namespace {

constexpr std::int64_t kHeads = 20;

/// Heads of one layer that attend to the first tokens of their own keys, each to its own number.
class RaggedLayer {
 public:
  RaggedLayer(AttentionProblem& problem, std::vector<std::int64_t> lengths)
      : problem_(problem), lengths_(std::move(lengths)), keys_(problem.copies()) {
    const AttentionShape& shape = problem.shape();
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      for (std::int64_t head = 0; head < shape.heads; ++head) {
        const std::int64_t offset = head * shape.n_key * shape.head_dim;
        const KeyValueSegment segment{.keys = static_cast<const float*>(problem.copy(i).keys) + offset,
                                      .values = static_cast<const float*>(problem.copy(i).values) + offset,
                                      .key_stride = shape.head_dim,
                                      .value_stride = shape.head_dim,
                                      .n_token = lengths_[static_cast<std::size_t>(head)]};
        keys_[i].push_back({segment, KeyValueSegment{}});
      }
    }
  }

  void run() const {
    const AttentionShape& shape = problem_.shape();
    const std::size_t i = problem_.next();
    const float scale = problem_.scale();
    const std::int64_t block = shape.n_query * shape.head_dim;
    ragged_attention({.rows = 1,
                      .heads = shape.heads,
                      .kv_heads = shape.heads,
                      .n_query = shape.n_query,
                      .head_dim = shape.head_dim,
                      .softmax_scale = {&scale, 1},
                      .queries = {problem_.copy(i).queries, ElementType::kFloat32, 0, block, shape.head_dim},
                      .keys = keys_[i],
                      .output = {problem_.copy(i).output, ElementType::kFloat32, 0, block, shape.head_dim}});
  }

  [[nodiscard]] double error() const {
    problem_.spoil_output();
    run();
    return problem_.max_relative_error(lengths_);
  }

  /// FLOP over those of all keys.
  [[nodiscard]] double share() const {
    const std::int64_t keys = std::accumulate(lengths_.begin(), lengths_.end(), std::int64_t{0});
    return static_cast<double>(keys) / static_cast<double>(problem_.shape().n_key * problem_.shape().heads);
  }

 private:
  AttentionProblem& problem_;
  std::vector<std::int64_t> lengths_;
  std::vector<std::vector<RaggedKeys>> keys_;
};

struct RaggedCase {
  std::string name;
  RaggedLayer layer;
  double error = 0.0;
};

std::vector<RaggedCase> cases_of(AttentionProblem& problem) {
  const AttentionShape& shape = problem.shape();
  std::vector<RaggedCase> cases;
  const auto all = std::vector<std::int64_t>(static_cast<std::size_t>(shape.heads), shape.n_key);
  cases.push_back({"all keys", RaggedLayer(problem, all)});
  for (const double kept : {0.5, 0.3, 0.1}) {
    const std::string percent = fmt::format("{:.0f} %", 100 * (1 - kept));
    cases.push_back(
        {"two classes " + percent, RaggedLayer(problem, two_class_lengths(shape.heads, shape.n_key, kept))});
    cases.push_back(
        {"log-normal " + percent, RaggedLayer(problem, log_normal_lengths(shape.heads, shape.n_key, kept))});
  }
  for (RaggedCase& one : cases) {
    one.error = one.layer.error();
    if (one.error > kFloat32Tolerance) {
      throw Error(ErrorCode::kCheckFailed,
                  fmt::format("C4, {}: off by {:.2g} of the largest output", one.name, one.error));
    }
  }
  return cases;
}

Comparison times(Comparison seconds, double factor) {
  seconds.peer_s *= factor;
  seconds.ratio = {seconds.ratio.mean * factor, seconds.ratio.low * factor, seconds.ratio.high * factor};
  return seconds;
}

void race_lengths(BenchmarkRun& run, const AttentionShape& shape, int threads) {
  AttentionProblem problem(shape, {}, run.request().quick ? 0 : beyond_cache_bytes());
  set_thread_count(threads);
  const std::vector<RaggedCase> cases = cases_of(problem);
  std::vector<Contestant> contestants;
  for (const RaggedCase& one : cases) contestants.push_back({one.name, [&one] { one.layer.run(); }});
  const Rounds rounds = race(contestants, run.race(threads));
  for (std::size_t i = 1; i < cases.size(); ++i) {
    const double share = cases[i].layer.share();
    const Comparison seconds = compare(rounds.seconds(i), rounds.seconds(0));
    const double rate = shape.flops() * share / seconds.ours_s;
    BenchmarkResult result{.id = "C4",
                           .where = fmt::format("{}, {}", describe(shape), cases[i].name),
                           .threads = threads,
                           .peer = "kvscope, all keys",
                           .seconds = seconds,
                           .ceiling_fraction = rate / run.ceilings(threads).multiply_add,
                           .max_relative_error = cases[i].error,
                           .rate = rate,
                           .unit = "FLOP"};
    run.add(result);
    result.peer = fmt::format("the same / FLOP ratio {:.2f}", 1 / share);
    result.seconds = times(seconds, share);
    run.add(result);
  }
}

}  // namespace

void benchmark_ragged_attention(BenchmarkRun& run) {
  constexpr AttentionShape kShapes[] = {{64, 256, 680, kHeads}, {128, 1024, 2521, kHeads}};
  for (const int threads : run.request().threads) {
    race_lengths(run, kShapes[0], threads);
    if (!run.request().quick) race_lengths(run, kShapes[1], threads);
  }
}

}  // namespace kvscope::benchmark
