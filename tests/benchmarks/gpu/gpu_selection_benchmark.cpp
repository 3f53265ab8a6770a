#include "collectors/base/error.h"
#include "kernels/attention/observation_scores_reference.h"
#include "kernels/attention/select_topk_reference.h"
#include "tests/benchmarks/gpu/gpu_benchmarks.h"
#include "tests/benchmarks/gpu/gpu_cases.h"
#include "tests/benchmarks/gpu/gpu_run.h"
#include "tests/benchmarks/gpu/selection_operands.h"

#include <ATen/ATen.h>

#include <cmath>
#include <memory>

namespace kvscope::benchmark {
namespace {

std::vector<float> host_floats(const at::Tensor& tensor) {
  const at::Tensor floats = tensor.to(at::kCPU).to(at::kFloat).contiguous();
  const auto* first = floats.const_data_ptr<float>();
  return {first, first + floats.numel()};
}

StridedHeads<void*> strided(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr(), ElementType::kBFloat16, tensor.stride(0), tensor.stride(1), tensor.stride(2)};
}

gpu::DeviceStream device_stream(const BenchmarkGpu& card) {
  return {card.stream(), card.multiprocessors()};
}

/// One layer after a scale: everybody's operands of a SelectionCase.
class SelectionLayer {
 public:
  SelectionLayer(const BenchmarkGpu& card, const SelectionCase& problem)
      : card_(card), problem_(problem), tables_(card, sizes_of(problem)) {
    const at::TensorOptions where = at::TensorOptions().device(card.device()).dtype(at::kBFloat16);
    const auto draw = [&](std::int64_t tokens) {
      return at::randn({problem.rows(), problem.model->heads, tokens, problem.model->head_dim}, where);
    };
    queries_ = draw(problem.model->queries(problem.scale));
    keys_ = draw(problem.candidates());
    values_ = draw(problem.candidates());
    slab_keys_ = keys_.clone();
    slab_values_ = values_.clone();
    const at::TensorOptions floats = where.dtype(at::kFloat);
    scale_ = 1.0 / std::sqrt(static_cast<double>(problem.model->head_dim));
    softmax_scale_ = at::full({problem.model->heads}, scale_, floats);
    observer_count_ = at::full({problem.model->heads}, SelectionCase::kObservers, floats.dtype(at::kInt));
    std::vector<std::int64_t> observers;
    for (std::int64_t m = 0; m < SelectionCase::kObservers; ++m) {
      observers.push_back((2 * m + 1) * queries_.size(2) / (2 * SelectionCase::kObservers));
    }
    observers_ = at::tensor(observers).to(card.device());
    scores_ = at::zeros({problem.pairs(), tables_.stride()}, floats);
    const std::int64_t workspace = gpu::observation_workspace(observation());
    workspace_ = at::empty({std::max<std::int64_t>(workspace, 1)}, floats);
  }

  /// Scores, top-k, compaction: three calls.
  void enqueue_own() const {
    const gpu::DeviceStream stream = device_stream(card_);
    gpu::queue_observation_scores(observation(), stream);
    gpu::queue_select_tokens(tables_.problem(tokens(), scores_), stream);
    gpu::queue_compact_tokens(tables_.compaction(tokens()), stream);
  }

  /// As published implementations do it: attention of the observers, its sum, the best, their order, and two gathers.
  void enqueue_chain() const {
    const at::Tensor observing = queries_.index_select(2, observers_);
    const at::Tensor logits = at::matmul(observing, keys_.transpose(2, 3)) * scale_;
    const at::Tensor scores = at::softmax(logits, 3, at::kFloat).sum(2);
    const at::Tensor chosen = std::get<0>(at::sort(std::get<1>(at::topk(scores, problem_.kept(), 2)), 2));
    const at::Tensor index = chosen.unsqueeze(3).expand({-1, -1, -1, keys_.size(3)});
    (void)at::gather(keys_, 2, index);
    (void)at::gather(values_, 2, index);
  }

  /// @throws Error  kCheckFailed if scores, choice or the moved tokens of a pair are wrong.
  /// @return  the largest relative error of the scores
  [[nodiscard]] double check() const;

 private:
  static SelectionTables::Sizes sizes_of(const SelectionCase& problem) {
    const std::int64_t own = problem.model->queries(problem.scale);
    return {.rows = problem.rows(),
            .heads = problem.model->heads,
            .head_dim = problem.model->head_dim,
            .held = problem.candidates() - own,
            .n_own = own,
            .kept = problem.kept()};
  }

  [[nodiscard]] gpu::DeviceTokens tokens() const {
    const std::int64_t held = tables_.sizes().held;
    gpu::DeviceTokens tokens;
    tokens.type = ElementType::kBFloat16;
    tokens.held_keys = slab_keys_.mutable_data_ptr();
    tokens.held_values = slab_values_.mutable_data_ptr();
    tokens.own_keys = strided(keys_.narrow(2, held, tables_.sizes().n_own));
    tokens.own_values = strided(values_.narrow(2, held, tables_.sizes().n_own));
    return tokens;
  }

  [[nodiscard]] gpu::ObservationProblem observation() const {
    gpu::ObservationProblem request;
    request.tokens = tables_.with_counts(tokens());
    request.heads = problem_.model->heads;
    request.n_query = queries_.size(2);
    request.queries = {queries_.const_data_ptr(), ElementType::kBFloat16, queries_.stride(0), queries_.stride(1),
                       queries_.stride(2)};
    request.observers = observer_count_.const_data_ptr<std::int32_t>();
    request.most_observers = SelectionCase::kObservers;
    request.softmax_scale = softmax_scale_.const_data_ptr<float>();
    request.workspace = workspace_.defined() ? workspace_.mutable_data_ptr<float>() : nullptr;
    request.scores = scores_.mutable_data_ptr<float>();
    request.stride = tables_.stride();
    return request;
  }

  [[nodiscard]] double score_error(std::int64_t pair, const std::vector<float>& scores) const;
  void check_moved(std::int64_t pair, const std::vector<std::int32_t>& places) const;

  const BenchmarkGpu& card_;
  SelectionCase problem_;
  SelectionTables tables_;
  double scale_ = 0.0;
  at::Tensor queries_;
  at::Tensor keys_;
  at::Tensor values_;
  at::Tensor slab_keys_;
  at::Tensor slab_values_;
  at::Tensor softmax_scale_;
  at::Tensor observer_count_;
  at::Tensor observers_;
  at::Tensor scores_;
  at::Tensor workspace_;
};

double SelectionLayer::score_error(std::int64_t pair, const std::vector<float>& scores) const {
  const std::int64_t row = pair / problem_.model->heads;
  const std::int64_t head = pair % problem_.model->heads;
  const std::vector<float> queries = host_floats(queries_[row][head].index_select(0, observers_));
  const std::vector<double> expected =
      observation_scores_reference(queries, host_floats(keys_[row][head]), problem_.model->head_dim, scale_);
  double error = 0.0;
  double largest = 0.0;
  for (std::size_t j = 0; j < expected.size(); ++j) {
    error = std::max(error, std::abs(expected[j] - static_cast<double>(scores[j])));
    largest = std::max(largest, expected[j]);
  }
  return error / largest;
}

void SelectionLayer::check_moved(std::int64_t pair, const std::vector<std::int32_t>& places) const {
  const std::int64_t row = pair / problem_.model->heads;
  const std::int64_t head = pair % problem_.model->heads;
  const at::Tensor index = at::tensor(places, at::kInt).to(card_.device());
  const auto differs = [&](const at::Tensor& slab, const at::Tensor& all) {
    const at::Tensor moved = slab[row][head].narrow(0, 0, index.numel());
    return !at::equal(moved, all[row][head].index_select(0, index));
  };
  if (differs(slab_keys_, keys_) || differs(slab_values_, values_)) {
    throw Error(ErrorCode::kCheckFailed,
                fmt::format("G6, {}: the kept tokens of pair {} are not where they belong", problem_.name(), pair));
  }
}

double SelectionLayer::check() const {
  tables_.spoil_results();
  enqueue_own();
  double error = 0.0;
  for (const std::int64_t pair : {std::int64_t{0}, problem_.pairs() / 2, problem_.pairs() - 1}) {
    std::vector<float> scores = host_floats(scores_[pair]);
    scores.resize(static_cast<std::size_t>(problem_.candidates()));
    error = std::max(error, score_error(pair, scores));
    const std::vector<std::int32_t> places = tables_.kept_places(pair);
    if (places != select_topk_reference(scores, problem_.kept())) {
      throw Error(ErrorCode::kCheckFailed,
                  fmt::format("G6, {}: pair {} keeps other tokens than the best", problem_.name(), pair));
    }
    check_moved(pair, places);
  }
  constexpr double kTolerance = 1e-2;  // products of bfloat16, exponentials of logits up to some 5
  if (!(error <= kTolerance)) {
    throw Error(ErrorCode::kCheckFailed, fmt::format("G6, {}: scores are off by {:.2g}", problem_.name(), error));
  }
  return error;
}

void race_selection(GpuRun& run, const SelectionCase& problem) {
  const BenchmarkGpu& card = run.card();
  const std::size_t copies = card.copies_for(problem.bytes());
  std::vector<std::unique_ptr<SelectionLayer>> layers;
  for (std::size_t i = 0; i < copies; ++i) layers.push_back(std::make_unique<SelectionLayer>(card, problem));
  const double error = layers.front()->check();
  const Rounds rounds = race_on_gpu(card,
                                    {{"kvscope", [&](std::size_t copy) { layers[copy]->enqueue_own(); }},
                                     {"LibTorch operators", [&](std::size_t copy) { layers[copy]->enqueue_chain(); }}},
                                    copies, run.request().race);
  const Comparison seconds = compare(rounds.seconds(0), rounds.seconds(1));
  run.add({.id = "G6",
           .where = problem.name(),
           .peer = "LibTorch operators",
           .seconds = seconds,
           .ceiling_fraction = problem.bytes() / run.ceilings().copy / seconds.ours_s,
           .max_relative_error = error,
           .rate = problem.bytes() / seconds.ours_s,
           .unit = "B"});
}

/// Scores of a TopkCase, and who chooses among them.
class TopkRows {
 public:
  TopkRows(const BenchmarkGpu& card, const TopkCase& problem)
      : card_(card), problem_(problem), tables_(card, sizes_of(problem)) {
    const at::TensorOptions floats = at::TensorOptions().device(card.device()).dtype(at::kFloat);
    scores_ = at::rand({problem.rows, tables_.stride()}, floats);
    // Nobody looks at keys or values here; there have to be some.
    tokens_ = at::zeros({problem.rows * problem.n, kHeadDim}, floats.dtype(at::kBFloat16));
  }

  void enqueue_own() const {
    gpu::DeviceTokens tokens;
    tokens.type = ElementType::kBFloat16;
    tokens.held_keys = tokens_.mutable_data_ptr();
    tokens.held_values = tokens_.mutable_data_ptr();
    gpu::queue_select_tokens(tables_.problem(tokens, scores_), device_stream(card_));
  }
  [[nodiscard]] at::Tensor compute_library() const {
    const at::Tensor rows = scores_.narrow(1, 0, problem_.n);
    return std::get<0>(at::sort(std::get<1>(at::topk(rows, problem_.kept, 1, true, /*sorted=*/false)), 1));
  }

  void check() const {
    tables_.spoil_results();
    enqueue_own();
    for (const std::int64_t row : {std::int64_t{0}, problem_.rows - 1}) {
      std::vector<float> scores = host_floats(scores_[row]);
      scores.resize(static_cast<std::size_t>(problem_.n));
      if (tables_.kept_places(row) != select_topk_reference(scores, problem_.kept)) {
        throw Error(ErrorCode::kCheckFailed, fmt::format("G7, {}: row {} has other indices", problem_.name(), row));
      }
    }
  }

 private:
  static constexpr std::int64_t kHeads = 16;
  static constexpr std::int64_t kHeadDim = 32;

  static SelectionTables::Sizes sizes_of(const TopkCase& problem) {
    return {.rows = problem.rows / kHeads,
            .heads = kHeads,
            .head_dim = kHeadDim,
            .held = problem.n,
            .n_own = 0,
            .kept = problem.kept};
  }

  const BenchmarkGpu& card_;
  TopkCase problem_;
  SelectionTables tables_;
  at::Tensor scores_;
  at::Tensor tokens_;
};

void race_topk(GpuRun& run, const TopkCase& problem) {
  const BenchmarkGpu& card = run.card();
  const std::size_t copies = std::min<std::size_t>(card.copies_for(problem.bytes()), 16);
  std::vector<std::unique_ptr<TopkRows>> rows;
  for (std::size_t i = 0; i < copies; ++i) rows.push_back(std::make_unique<TopkRows>(card, problem));
  rows.front()->check();
  const Rounds rounds =
      race_on_gpu(card,
                  {{"kvscope", [&](std::size_t copy) { rows[copy]->enqueue_own(); }},
                   {"LibTorch topk and sort", [&](std::size_t copy) { (void)rows[copy]->compute_library(); }}},
                  copies, run.request().race);
  const Comparison seconds = compare(rounds.seconds(0), rounds.seconds(1));
  run.add({.id = "G7",
           .where = problem.name(),
           .peer = "LibTorch topk and sort",
           .seconds = seconds,
           .rate = problem.bytes() / seconds.ours_s,
           .unit = "B"});
}

}  // namespace

void benchmark_gpu_selection(GpuRun& run) {
  std::vector<SelectionCase> cases = selection_cases();
  if (run.request().quick) cases.resize(1);
  for (const SelectionCase& problem : cases) race_selection(run, problem);
}

void benchmark_gpu_topk(GpuRun& run) {
  std::vector<TopkCase> cases = topk_cases();
  if (run.request().quick) cases.resize(1);
  for (const TopkCase& problem : cases) race_topk(run, problem);
}

}  // namespace kvscope::benchmark
