#include "collectors/base/error.h"
#include "collectors/compute/attention_reference.h"
#include "kernels/attention/ragged_attention.h"
#include "tests/benchmarks/attention_peers.h"
#include "tests/benchmarks/benchmarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <span>

namespace kvscope::benchmark {
namespace {

std::vector<float> normal_values(std::int64_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  std::ranges::generate(values, [&] { return normal(generator); });
  return values;
}

AttentionCase make_case(std::int64_t head_dim, std::int64_t n_query, std::int64_t n_key) {
  return {.head_dim = head_dim,
          .n_query = n_query,
          .n_key = n_key,
          .scale = 1.0F / std::sqrt(static_cast<float>(head_dim)),
          .queries = normal_values(n_query * head_dim, 1),
          .keys = normal_values(n_key * head_dim, 2),
          .values = normal_values(n_key * head_dim, 3),
          .output = std::vector<float>(static_cast<std::size_t>(n_query * head_dim))};
}

/// Compares the first, a middle and the last query with double precision; the bound is that of float32 for
/// values of a few units, with room for peers' own orders of summation.
void check_output(const AttentionCase& problem, const std::string& who) {
  for (const std::int64_t i : {std::int64_t{0}, problem.n_query / 2, problem.n_query - 1}) {
    const auto query =
        std::span(problem.queries)
            .subspan(static_cast<std::size_t>(i * problem.head_dim), static_cast<std::size_t>(problem.head_dim));
    const auto expected =
        attention_reference(query, problem.keys, problem.values, problem.head_dim, double{problem.scale}).output;
    for (std::size_t d = 0; d < expected.size(); ++d) {
      const double found = problem.output[static_cast<std::size_t>(i * problem.head_dim) + d];
      if (!(std::abs(found - expected[d]) < 2e-5)) {
        throw Error(ErrorCode::kCheckFailed,
                    fmt::format("{}: query {}, channel {} is {}, expected {}", who, i, d, found, expected[d]));
      }
    }
  }
}

std::function<void()> own_attention(AttentionCase& problem) {
  const KeyValueSegment segment{.keys = problem.keys.data(),
                                .values = problem.values.data(),
                                .key_stride = problem.head_dim,
                                .value_stride = problem.head_dim,
                                .n_token = problem.n_key};
  return [&problem, keys = std::vector<RaggedKeys>{{segment, KeyValueSegment{}}}] {
    const ElementType type = ElementType::kFloat32;
    ragged_attention({.rows = 1,
                      .heads = 1,
                      .kv_heads = 1,
                      .n_query = problem.n_query,
                      .head_dim = problem.head_dim,
                      .softmax_scale = {&problem.scale, 1},
                      .queries = {problem.queries.data(), type, 0, 0, problem.head_dim},
                      .keys = keys,
                      .output = {problem.output.data(), type, 0, 0, problem.head_dim}});
  };
}

/// Heads of one layer with their own numbers of keys, out of the same tokens.
class RaggedCase {
 public:
  RaggedCase(std::int64_t head_dim, std::int64_t n_query, std::int64_t n_key, std::vector<std::int64_t> lengths)
      : head_(make_case(head_dim, n_query, n_key)), lengths_(std::move(lengths)) {
    const auto heads = static_cast<std::int64_t>(lengths_.size());
    output_.resize(static_cast<std::size_t>(heads * n_query * head_dim));
    for (const std::int64_t length : lengths_) {
      const KeyValueSegment segment{.keys = head_.keys.data(),
                                    .values = head_.values.data(),
                                    .key_stride = head_dim,
                                    .value_stride = head_dim,
                                    .n_token = length};
      keys_.push_back({segment, KeyValueSegment{}});
    }
  }

  void run() {
    const ElementType type = ElementType::kFloat32;
    const std::int64_t block = head_.n_query * head_.head_dim;
    const auto heads = static_cast<std::int64_t>(lengths_.size());
    ragged_attention({.rows = 1,
                      .heads = heads,
                      .kv_heads = heads,
                      .n_query = head_.n_query,
                      .head_dim = head_.head_dim,
                      .softmax_scale = {&head_.scale, 1},
                      .queries = {head_.queries.data(), type, 0, 0, head_.head_dim},
                      .keys = keys_,
                      .output = {output_.data(), type, 0, block, head_.head_dim}});
  }

  /// Every head against the reference with its own keys.
  void check() {
    run();
    for (std::size_t h = 0; h < lengths_.size(); ++h) {
      AttentionCase one = head_;
      one.n_key = lengths_[h];
      one.keys.resize(static_cast<std::size_t>(one.n_key * one.head_dim));
      one.values.resize(one.keys.size());
      const auto block = static_cast<std::ptrdiff_t>(one.output.size());
      std::copy_n(output_.begin() + static_cast<std::ptrdiff_t>(h) * block, block, one.output.begin());
      check_output(one, "kvscope, ragged");
    }
  }

  [[nodiscard]] double flops() const {
    double keys = 0.0;
    for (const std::int64_t length : lengths_) keys += static_cast<double>(length);
    return 4.0 * static_cast<double>(head_.head_dim * head_.n_query) * keys;
  }

 private:
  AttentionCase head_;
  std::vector<std::int64_t> lengths_;
  std::vector<RaggedKeys> keys_;
  std::vector<float> output_;
};

/// Two classes as in HACK: a fifth of the heads keeps a tenth of the keys, the others what makes the mean `kept`.
std::vector<std::int64_t> two_class_lengths(std::size_t heads, std::int64_t n_key, double kept) {
  constexpr double kShort = 0.1;
  const std::size_t n_short = heads / 5;
  const double rest = (kept * static_cast<double>(heads) - kShort * static_cast<double>(n_short)) /
                      static_cast<double>(heads - n_short);
  std::vector<std::int64_t> lengths;
  for (std::size_t h = 0; h < heads; ++h) {
    lengths.push_back(std::llround((h < n_short ? kShort : rest) * static_cast<double>(n_key)));
  }
  return lengths;
}

}  // namespace

void benchmark_attention(const RaceOptions& options, const Ceilings& ceilings, const RowSink& sink) {
  // The last scale of VAR-d30 and the tenth and last of Infinity-2B, in full and at 70 % compression.
  constexpr std::array<std::array<std::int64_t, 3>, 6> kShapes = {
      {{64, 256, 680}, {64, 256, 204}, {128, 1024, 2521}, {128, 1024, 756}, {128, 4096, 10521}, {128, 4096, 3156}}};
  for (const auto& [head_dim, n_query, n_key] : kShapes) {
    AttentionCase problem = make_case(head_dim, n_query, n_key);
    std::vector<Contestant> contestants = {{"kvscope", own_attention(problem)},
                                           {"LibTorch SDPA", libtorch_attention(problem, options.threads)}};
    if (options.threads == 1) contestants.push_back({"Eigen, two products", eigen_attention(problem)});
    for (const Contestant& contestant : contestants) {
      std::ranges::fill(problem.output, NAN);
      contestant.run();
      check_output(problem, contestant.name);
    }
    for (const RaceResult& result : race(contestants, options)) {
      const double rate = problem.flops() / result.seconds.mean;
      sink({"attention", fmt::format("head_dim {}, {} x {}", head_dim, n_query, n_key), result, rate, "FLOP/s",
            rate / ceilings.multiply_add});
    }
  }
}

void benchmark_ragged(const RaceOptions& options, const Ceilings& ceilings, const RowSink& sink) {
  constexpr std::size_t kHeads = 10;
  constexpr std::array<std::array<std::int64_t, 3>, 2> kShapes = {{{64, 256, 680}, {128, 1024, 2521}}};
  for (const auto& [head_dim, n_query, n_key] : kShapes) {
    std::vector<RaggedCase> cases;
    std::vector<Contestant> contestants;
    cases.emplace_back(head_dim, n_query, n_key, std::vector<std::int64_t>(kHeads, n_key));
    for (const double kept : {0.5, 0.3, 0.1}) {
      cases.emplace_back(head_dim, n_query, n_key, two_class_lengths(kHeads, n_key, kept));
    }
    for (RaggedCase& ragged : cases) {
      ragged.check();
      const double share = ragged.flops() / cases[0].flops();
      contestants.push_back({fmt::format("kvscope, {:.0f} % of FLOPs", 100 * share), [&ragged] { ragged.run(); }});
    }
    const auto results = race(contestants, options);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const double rate = cases[i].flops() / results[i].seconds.mean;
      sink({"ragged", fmt::format("head_dim {}, {} x {}", head_dim, n_query, n_key), results[i], rate, "FLOP/s",
            rate / ceilings.multiply_add});
    }
  }
}

}  // namespace kvscope::benchmark
