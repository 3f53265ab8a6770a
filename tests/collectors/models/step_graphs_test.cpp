#include "collectors/models/step_graphs.h"

#include "collectors/models/cuda_graphs.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/graph_tape.h"

#include <stdexcept>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr std::int64_t kRows = 2;
constexpr std::int64_t kWidth = 3;

/// A cache of one layer that adds what it holds to q, and then holds the sum of k: one number per row.
class SumCache : public KvCache {
 public:
  void begin(std::int64_t rows) override {
    if (!sum_.defined() || sum_.size(0) != rows) {
      sum_ = at::empty({rows, 1, 1});
      memory_ = std::make_shared<char>();
    }
    sum_.zero_();
    calls.clear();
  }
  at::Tensor attend(const AttentionSite&, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor&) override {
    if (moves_at == step.index) {
      moves_at = -1;
      sum_ = sum_.clone();
      memory_ = std::make_shared<char>();
    }
    calls.push_back(step.index);
    at::Tensor output = q + sum_;
    sum_.copy_(k.sum(at::IntArrayRef{1, 2}, true));
    return output;
  }
  [[nodiscard]] std::shared_ptr<const void> capturable_memory() const override {
    return can_be_captured ? memory_ : nullptr;
  }
  void replay_on_host(const Step& step) override { calls.push_back(step.index); }
  [[nodiscard]] std::int64_t held_bytes() const override { return 0; }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return 0; }

  bool can_be_captured = true;
  int moves_at = -1;       ///< step whose next attend() puts the sum elsewhere
  std::vector<int> calls;  ///< steps, as the host sees them

 private:
  at::Tensor sum_;
  std::shared_ptr<char> memory_;
};

/// Graphs, and the steps of generations through a cache with and without them.
class Bench {
 public:
  explicit Bench(std::unique_ptr<GraphBackend> backend = nullptr)
      : graphs_(backend != nullptr ? std::move(backend) : std::make_unique<GraphTape>(counts)) {}

  /// Runs all steps of one more generation, with numbers of its own, and checks every result.
  void generate() {
    ++generations_;
    const std::uint64_t generation = graphs_.begin_generation();
    const std::vector<at::Tensor> constants = {at::full({kRows, 1, kWidth}, 1.0 + generations_),
                                               at::full({kRows, 1, 1}, 0.1 * generations_)};
    cache.begin(kRows);
    expected.begin(kRows);
    for (int step = 0; step < table.size(); ++step) {
      CAPTURE(generations_);
      CAPTURE(step);
      const at::Tensor input = at::arange(kRows * table.n_query(step) * kWidth, at::kFloat)
                                   .view({kRows, table.n_query(step), kWidth})
                                   .mul(generations_ + 0.5);
      const at::Tensor result = graphs_.run(cache, at_step(step), {generation, constants, input}, work(cache, step));
      CHECK(result.equal(work(expected, step)(constants, input)));
    }
    CHECK(cache.calls == expected.calls);
  }

  [[nodiscard]] Step at_step(int step) const { return {.index = step, .table = &table}; }

  /// One layer: input * constant through the cache, + constant; the width doubles.
  [[nodiscard]] StepGraphs::Work work(SumCache& through, int step) const {
    return [this, &through, step](const std::vector<at::Tensor>& constants, const at::Tensor& input) {
      const at::Tensor q = input * constants[0];
      const at::Tensor attended = through.attend({}, at_step(step), q, q, q);
      return at::cat({attended, input + constants[1]}, 2);
    };
  }

  std::shared_ptr<GraphTape::Counts> counts = std::make_shared<GraphTape::Counts>();
  StepTable table = StepTable::square(std::vector<int>{1, 2, 3});
  SumCache cache;
  SumCache expected;

 private:
  StepGraphs graphs_;
  int generations_ = 0;
};

/// A backend that cannot record.
class BrokenBackend : public GraphBackend {
 public:
  [[nodiscard]] std::unique_ptr<DeviceGraph> capture(const std::function<void()>&) override {
    throw std::runtime_error("operation not permitted when stream is capturing\nand a trace of it");
  }
};

}  // namespace

TEST_SUITE("collectors.models.step_graphs") {
  TEST_CASE("a step runs eagerly and is captured the second time and replayed from then on") {
    Bench bench;
    bench.generate();
    CHECK(bench.counts->captures == 0);
    bench.generate();
    CHECK(bench.counts->captures == 3);
    CHECK(bench.counts->replays == 3);
    for (int generation = 0; generation < 3; ++generation) bench.generate();
    CHECK(bench.counts->captures == 3);
    CHECK(bench.counts->replays == 12);
  }

  TEST_CASE("a cache that cannot be captured runs eagerly every time") {
    Bench bench;
    bench.cache.can_be_captured = false;
    for (int generation = 0; generation < 3; ++generation) bench.generate();
    CHECK(bench.counts->captures == 0);
  }

  TEST_CASE("a cache that moves its memory while it warms up is captured at its new place") {
    Bench bench;
    bench.cache.moves_at = 2;
    bench.generate();
    bench.generate();
    CHECK(bench.counts->captures == 3);
    bench.generate();
    CHECK(bench.counts->captures == 3);
  }

  TEST_CASE("a step that warms up late voids the graphs of earlier ones if the cache moves") {
    Bench bench;
    const std::uint64_t no_generation = 77;
    const std::vector<at::Tensor> constants = {at::ones({kRows, 1, kWidth}), at::ones({kRows, 1, 1})};
    const at::Tensor input = at::ones({kRows, 1, kWidth});
    StepGraphs graphs(std::make_unique<GraphTape>(bench.counts));
    const auto first_step = [&] {
      bench.cache.begin(kRows);
      return graphs.run(bench.cache, bench.at_step(0), {no_generation, constants, input}, bench.work(bench.cache, 0));
    };
    // A generation that ends early, twice: step 0 has a graph, step 1 was never run.
    (void)first_step();
    (void)first_step();
    CHECK(bench.counts->captures == 1);
    bench.cache.moves_at = 1;
    (void)graphs.run(bench.cache, bench.at_step(1), {no_generation, constants, at::ones({kRows, 4, kWidth})},
                     bench.work(bench.cache, 1));
    (void)first_step();
    CHECK(bench.counts->captures == 2);
    CHECK(bench.counts->replays == 2);
  }

  TEST_CASE("another cache at the place of one that is gone warms up anew") {
    Bench bench;
    StepGraphs graphs(std::make_unique<GraphTape>(bench.counts));
    const std::vector<at::Tensor> constants = {at::ones({kRows, 1, kWidth}), at::ones({kRows, 1, 1})};
    const at::Tensor input = at::ones({kRows, 1, kWidth});
    std::optional<SumCache> cache;
    for (int i = 0; i < 3; ++i) {
      cache.emplace();
      cache->begin(kRows);
      (void)graphs.run(*cache, bench.at_step(0), {1, constants, input}, bench.work(*cache, 0));
    }
    CHECK(bench.counts->captures == 0);
    cache->begin(kRows);
    (void)graphs.run(*cache, bench.at_step(0), {1, constants, input}, bench.work(*cache, 0));
    CHECK(bench.counts->captures == 1);
  }

  TEST_CASE("inputs of other shapes than the first run eagerly") {
    Bench bench;
    StepGraphs graphs(std::make_unique<GraphTape>(bench.counts));
    bench.cache.begin(kRows);
    bench.expected.begin(kRows);
    std::uint64_t generation = 0;
    // Lengths of a constant as prompts may have; only those of the first length are ever captured.
    for (const std::int64_t length : {1, 3, 3, 1, 3, 1}) {
      CAPTURE(generation);
      const std::vector<at::Tensor> constants = {at::full({kRows, 1, kWidth}, 2.0 + generation),
                                                 at::full({kRows, 1, length}, 0.5 * generation), at::Tensor()};
      const at::Tensor input = at::full({kRows, 1, kWidth}, 3.0 * generation);
      ++generation;
      const at::Tensor result =
          graphs.run(bench.cache, bench.at_step(0), {generation, constants, input}, bench.work(bench.cache, 0));
      CHECK(result.equal(bench.work(bench.expected, 0)(constants, input)));
    }
    CHECK(bench.counts->captures == 1);
    CHECK(bench.counts->replays == 2);
  }

  TEST_CASE("a backend that cannot record is an environment error of one line that names the step") {
    Bench bench(std::make_unique<BrokenBackend>());
    bench.generate();
    check_error(
        ErrorCode::kEnvironment, [&] { bench.generate(); }, "step 0 cannot be captured", "not permitted when stream");
  }

  // What makes the tests above, and those of whole generations, able to fail.
  TEST_CASE("conditions that are not copied are caught by the tape") {
    Bench bench;
    StepGraphs graphs(std::make_unique<GraphTape>(bench.counts));
    const at::Tensor input = at::ones({kRows, 1, kWidth});
    const auto constants = [](double value) {
      return std::vector<at::Tensor>{at::full({kRows, 1, kWidth}, value), at::full({kRows, 1, 1}, value)};
    };
    const std::vector<at::Tensor> old = constants(2.0);
    const std::vector<at::Tensor> other = constants(3.0);
    const auto run = [&](std::uint64_t generation, const std::vector<at::Tensor>& given) {
      bench.cache.begin(kRows);
      return graphs.run(bench.cache, bench.at_step(0), {generation, given, input}, bench.work(bench.cache, 0)).clone();
    };
    const auto eager = [&](const std::vector<at::Tensor>& given) {
      bench.expected.begin(kRows);
      return bench.work(bench.expected, 0)(given, input);
    };
    CHECK(run(1, old).equal(eager(old)));
    CHECK(run(1, old).equal(eager(old)));
    // The planted mistake: another generation under the number of the one before, so that nothing is copied.
    CHECK(run(1, other).equal(eager(old)));
    CHECK_FALSE(run(1, other).equal(eager(other)));
    CHECK(run(2, other).equal(eager(other)));
  }

  TEST_CASE("the tape repeats numbers and tensors of the capture and not what the host has now") {
    GraphTape tape;
    const at::Tensor result = at::full({2}, 5.0);
    const at::Tensor input = at::ones({2});
    at::Tensor other = at::full({2}, 10.0);
    double factor = 3.0;
    const auto graph = tape.capture([&] { result.copy_(input * factor + other); });
    CHECK(result.equal(at::full({2}, 5.0)));  // captured, not done
    input.fill_(2.0);
    factor = 100.0;
    other = at::full({2}, 1000.0);
    graph->replay();
    CHECK(result.equal(at::full({2}, 16.0)));
    GraphTape::record([&] { result.fill_(1.0); });
    CHECK(result.equal(at::ones({2})));
  }

  TEST_CASE("the tape refuses to read values back and to leave tensors of a graph behind") {
    GraphTape tape;
    const at::Tensor input = at::ones({2});
    at::Tensor kept;
    const auto message = [&](const std::function<void()>& work) -> std::string {
      try {
        (void)tape.capture(work);
      } catch (const std::runtime_error& failure) {
        return failure.what();
      }
      return "nothing";
    };
    CHECK(message([&] { (void)input.sum().item<float>(); }) == "a value is read back while a graph is captured");
    CHECK(message([&] { kept = input * 2; }) == "a tensor that was made while a graph was captured is still held");
    kept.reset();
    CHECK(message([&] { kept = (input * 2).narrow(0, 0, 1); }) ==
          "a tensor that was made while a graph was captured is still held");
    kept.reset();
    CHECK(message([&] { kept = input.narrow(0, 0, 1); }) == "nothing");  // memory from before
  }

  TEST_CASE("CUDA graphs are there or missing for a reason of one line") {
    const auto error = error_of([] {
      const CudaGraphs graphs = load_cuda_graphs({.kind = DeviceKind::kCuda});
      CAPTURE(graphs.problem);
      CHECK((graphs.backend == nullptr) == !graphs.problem.empty());
      CHECK(graphs.problem.find('\n') == std::string::npos);
    });
    if (error) CHECK(error->code() == ErrorCode::kEnvironment);
    check_error(
        ErrorCode::kUsage, [] { (void)load_cuda_graphs({}); }, "a GPU is needed");
  }
}
