#include "analysis/scores.h"
#include "classifiers/heads/classify.h"
#include "classifiers/plan/accounting.h"
#include "classifiers/plan/capture_calibration.h"
#include "classifiers/plan/plan_methods.h"
#include "collectors/base/error.h"
#include "collectors/base/stopwatch.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/collect.h"
#include "collectors/models/engine_factory.h"
#include "collectors/models/full_kv_cache.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "support/paths.h"
#include "tests/benchmarks/benchmarks.h"

#include <numeric>

namespace kvscope::benchmark {
namespace {

constexpr double kGuidance = 1.5;  // as the bundled model's own samples were drawn
constexpr int kTopK = 100;

struct NamedPlan {
  std::string name;
  Plan plan;
};

/// The demo's plans at 70 %, from a capture of `samples` samples.
std::vector<NamedPlan> plans_at_70_percent(const Engine& engine, std::int64_t samples) {
  const testing::TemporaryFolder folder;
  CollectRequest request{.output = folder / "capture.h5", .guidance = kGuidance, .top_k = kTopK, .batch = samples};
  request.labels.resize(static_cast<std::size_t>(samples));
  std::iota(request.labels.begin(), request.labels.end(), 0);
  (void)collect(engine, request);
  const Capture capture = Capture::open(request.output);
  const PlanInputs inputs{.model = capture.model(),
                          .steps = capture.steps(),
                          .heads = classify_heads(compute_scores(capture), {.method = "elbow"}),
                          .calibration = calibrate_attention(capture)};
  return {{"hack 70 %", make_plan({.method = "hack", .compression = 0.7}, inputs)},
          {"hack++ 70 %", make_plan({.method = "hack++", .attend = 0.3, .carry = 0.2}, inputs)}};
}

/// A cache whose calls are timed.
class TimedCache : public KvCache {
 public:
  explicit TimedCache(KvCache& cache) : cache_(cache) {}
  void begin(std::int64_t rows) override {
    seconds_ = 0.0;
    cache_.begin(rows);
  }
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override {
    const Stopwatch watch;
    at::Tensor output = cache_.attend(site, step, q, k, v);
    seconds_ += watch.seconds();
    return output;
  }
  [[nodiscard]] std::int64_t held_bytes() const override { return cache_.held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return cache_.allocated_bytes(); }
  [[nodiscard]] double seconds() const noexcept { return seconds_; }

 private:
  KvCache& cache_;
  double seconds_ = 0.0;
};

DenseAttention timed(DenseAttention attention, double& seconds) {
  return [attention = std::move(attention), &seconds](const AttentionSite& site, const at::Tensor& q,
                                                      const at::Tensor& k, const at::Tensor& v) {
    const Stopwatch watch;
    at::Tensor output = attention(site, q, k, v);
    seconds += watch.seconds();
    return output;
  };
}

/// Where the time of a generation goes: quantities of a turn.
enum Quantity : std::size_t { kAttention, kCache, kEndToEnd };

class Replay {
 public:
  Replay(const Engine& engine, std::int64_t samples) : engine_(engine) {
    request_.guidance = kGuidance;
    request_.top_k = kTopK;
    request_.seed = 1000;
    for (std::int64_t sample = 0; sample < samples; ++sample) {
      request_.labels.push_back(sample % engine.classes());
      request_.sample_ids.push_back(sample);
    }
  }

  std::vector<double> full(DenseAttention attention) const {
    double attention_seconds = 0.0;
    FullKvCache cache(timed(std::move(attention), attention_seconds));
    std::vector<double> seconds = generate(cache);
    seconds[kAttention] = attention_seconds;
    return seconds;
  }

  std::vector<double> compressed(const Plan& plan) const {
    CompressedKvCache cache(plan);
    std::vector<double> seconds = generate(cache);
    seconds[kAttention] = cache.attention_seconds().value_or(0.0);
    const std::int64_t expected = plan_totals(plan).allocated_bytes * static_cast<std::int64_t>(request_.labels.size());
    if (cache.allocated_bytes() != expected) {
      throw Error(ErrorCode::kCheckFailed, fmt::format("C10: the compressed cache allocates {} bytes, the plan says {}",
                                                       cache.allocated_bytes(), expected));
    }
    return seconds;
  }

 private:
  std::vector<double> generate(KvCache& cache) const {
    const Stopwatch watch;
    TimedCache timed_cache(cache);
    const auto session = engine_.start(request_);
    timed_cache.begin(static_cast<std::int64_t>(request_.labels.size() * engine_.model().branches.size()));
    while (!session->done()) (void)session->advance(timed_cache);
    (void)session->images();
    return {0.0, timed_cache.seconds(), watch.seconds()};
  }

  const Engine& engine_;
  GenerationRequest request_;
};

void race_replay(BenchmarkRun& run, const Replay& replay, const std::vector<NamedPlan>& plans, std::int64_t samples,
                 int threads) {
  (void)run.race(threads);
  const std::size_t n = plans.size();
  const Rounds rounds(n + 2, few_rounds(run), [&](std::size_t who) {
    if (who < n) return replay.compressed(plans[who].plan);
    return replay.full(who == n ? bundled_attention() : library_attention);
  });
  for (std::size_t who = 0; who < n; ++who) {
    const auto add = [&](Quantity quantity, std::string_view what, std::size_t peer, std::string_view peer_name) {
      run.add({.id = "C10",
               .where = fmt::format("{}, {} samples, {}", plans[who].name, samples, what),
               .threads = threads,
               .peer = std::string(peer_name),
               .seconds = compare(rounds.seconds(who, quantity), rounds.seconds(peer, quantity))});
    };
    add(kAttention, "attention alone", n, "kvscope, full cache");
    add(kCache, "the whole cache", n, "kvscope, full cache");
    add(kEndToEnd, "end to end", n, "kvscope, full cache");
    add(kEndToEnd, "end to end", n + 1, "full cache, LibTorch SDPA");
  }
}

}  // namespace

void benchmark_replay(BenchmarkRun& run) {
  const std::filesystem::path bundled = run.request().datasets / "sample_model";
  const auto engine =
      load_engine({.transformer = bundled / "var.safetensors", .tokenizer = bundled / "vae.safetensors"});
  const std::int64_t samples = run.request().quick ? 2 : 8;
  const std::vector<NamedPlan> plans = plans_at_70_percent(*engine, samples);
  const Replay replay(*engine, samples);
  for (const int threads : run.request().threads) race_replay(run, replay, plans, samples, threads);
}

}  // namespace kvscope::benchmark
