#include "collectors/compute/attention_reference.h"
#include "cuda/statistics_device.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/statistics/device_statistics.h"
#include "kernels/cuda/statistics/map_tables.h"
#include "kernels/cuda/statistics/statistics_result.h"
#include "support/attention_data.h"
#include "support/errors.h"
#include "support/head_statistics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

using namespace kvscope;
using gpu::BFloat16;
using gpu::DeviceMapTables;
using gpu::DeviceStatistics;
using gpu::Float16;
using gpu::StatisticsLayout;

namespace {

template <typename Element>
constexpr ElementType kTypeOf = std::is_same_v<Element, float>     ? ElementType::kFloat32
                                : std::is_same_v<Element, Float16> ? ElementType::kFloat16
                                                                   : ElementType::kBFloat16;

/// Roundings of an Element: 2^-bits relative.
template <typename Element>
constexpr double kRounding = std::is_same_v<Element, float>     ? 0x1p-24
                             : std::is_same_v<Element, Float16> ? 0x1p-11
                                                                : 0x1p-8;

/// [rows, heads, tokens, head_dim] as elements between poisoned tokens, and the values they stand for.
template <typename Element>
struct Tokens {
  Tokens(std::int64_t n_row, std::int64_t n_head, std::int64_t n_token, std::int64_t channels,
         const std::vector<float>& wanted)
      : rows(n_row), heads(n_head), tokens(n_token), head_dim(channels) {
    // Heads side by side within a token, and a token of NaN behind each row.
    elements.resize(static_cast<std::size_t>(rows * (tokens + 1) * heads * head_dim),
                    gpu::round_to<Element>(std::numeric_limits<float>::quiet_NaN()));
    values.resize(wanted.size());
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t head = 0; head < heads; ++head) {
        for (std::int64_t i = 0; i < tokens * head_dim; ++i) {
          const auto at = static_cast<std::size_t>((row * heads + head) * tokens * head_dim + i);
          const auto element = gpu::round_to<Element>(wanted[at]);
          values[at] = gpu::to_float(element);
          elements[static_cast<std::size_t>(((row * (tokens + 1) + i / head_dim) * heads + head) * head_dim +
                                            i % head_dim)] = element;
        }
      }
    }
  }

  std::span<const float> of(std::int64_t row, std::int64_t head) const {
    return std::span(values).subspan(static_cast<std::size_t>((row * heads + head) * tokens * head_dim),
                                     static_cast<std::size_t>(tokens * head_dim));
  }

  StridedHeads<const void*> upload(testing::DeviceBuffers& memory, const char* name) const {
    return {.data = memory.upload(name, elements),
            .type = kTypeOf<Element>,
            .row_stride = (tokens + 1) * heads * head_dim,
            .head_stride = head_dim,
            .token_stride = heads * head_dim};
  }

  std::int64_t rows;
  std::int64_t heads;
  std::int64_t tokens;
  std::int64_t head_dim;
  std::vector<float> values;  ///< [rows, heads, tokens, head_dim]
  std::vector<Element> elements;
};

/// What kernels are given: the two query heads of a row share their keys and values.
template <typename Element>
struct Problem {
  Problem(const StepTable& table, int at_step, std::int64_t channels, float sharpness = 1.0F)
      : steps(table),
        step(at_step),
        head_dim(channels),
        queries(kRows, kHeads, steps.n_query(step), head_dim,
                testing::normal_values(kRows * kHeads * steps.n_query(step) * head_dim, 8, sharpness)),
        keys(kRows, 1, steps.n_key(step), head_dim, testing::normal_values(kRows * steps.n_key(step) * head_dim, 9)),
        values(kRows, 1, steps.n_key(step), head_dim,
               testing::normal_values(kRows * steps.n_key(step) * head_dim, 10)) {
    std::vector<float> outputs;
    for (std::int64_t pair = 0; pair < kRows * kHeads; ++pair) {
      references.push_back(attention_reference(queries.of(pair / kHeads, pair % kHeads), keys.of(pair / kHeads, 0),
                                               values.of(pair / kHeads, 0), head_dim,
                                               static_cast<double>(scale(pair % kHeads))));
      outputs.insert(outputs.end(), references.back().output.begin(), references.back().output.end());
    }
    output = std::make_unique<Tokens<Element>>(kRows, kHeads, steps.n_query(step), head_dim, outputs);
  }

  static float scale(std::int64_t head) { return head == 0 ? 0.25F : 0.125F; }

  HeadStatistics expected(std::int64_t pair) const {
    const auto& exact = references[static_cast<std::size_t>(pair)].probabilities;
    return statistics_of_map(std::vector<float>(exact.begin(), exact.end()), steps, step);
  }

  /// The largest sum of |q_c k_c| scale, in nats: what roundings of a logit are relative to.
  double logit_size() const {
    double largest = 0;
    const auto channels = static_cast<std::size_t>(head_dim);
    for (std::size_t i = 0; i < queries.values.size(); i += channels) {
      for (std::size_t j = 0; j < keys.values.size(); j += channels * 7) {
        double sum = 0;
        for (std::size_t c = 0; c < channels; ++c)
          sum += std::abs(static_cast<double>(queries.values[i + c]) * static_cast<double>(keys.values[j + c]));
        largest = std::max(largest, sum * static_cast<double>(scale(0)));
      }
    }
    return largest;
  }

  static constexpr std::int64_t kRows = 2;
  static constexpr std::int64_t kHeads = 2;
  StepTable steps;
  int step;
  std::int64_t head_dim;
  Tokens<Element> queries;
  Tokens<Element> keys;
  Tokens<Element> values;
  std::unique_ptr<Tokens<Element>> output;  ///< of the model: the reference's
  std::vector<AttentionReference> references;
};

enum class Logarithms { kOwn, kGiven };
enum class Output { kNone, kGiven };

struct Settings {
  Logarithms logarithms = Logarithms::kOwn;
  Output output = Output::kGiven;
  std::int64_t heads_at_once = 4;
  std::uint64_t seed = 1;
};

/// Results of the kernels.
template <typename Element>
class Run {
 public:
  explicit Run(const Problem<Element>& problem, const Settings& settings = {})
      : problem_(problem),
        tables_(problem.steps, problem.step, gpu::column_tile_keys(kTypeOf<Element>)),
        layout_(tables_.numbers(), problem.head_dim) {
    const std::vector<float> scales = {problem.scale(0), problem.scale(1)};
    const std::unique_ptr<testing::StatisticsDevice> device = testing::make_statistics_device();
    testing::DeviceBuffers& memory = device->buffers();
    DeviceStatistics call{.rows = problem.kRows,
                          .heads = problem.kHeads,
                          .kv_heads = 1,
                          .head_dim = problem.head_dim,
                          .type = kTypeOf<Element>,
                          .plan = tables_.plan(memory.upload("tables", tables_.words())),
                          .softmax_scale = memory.upload("scales", scales),
                          .queries = problem.queries.upload(memory, "queries"),
                          .keys = problem.keys.upload(memory, "keys"),
                          .values = problem.values.upload(memory, "values")};
    if (settings.output == Output::kGiven) call.output = problem.output->upload(memory, "output");
    if (settings.logarithms == Logarithms::kGiven) call.log_sum_exp = memory.upload("logarithms", logarithms());
    heads_.resize(static_cast<std::size_t>(problem.kRows * problem.kHeads * layout_.head_floats));
    tokens_.resize(static_cast<std::size_t>(problem.kRows * layout_.token_floats));
    call.heads_result = allocate_floats(memory, "heads", heads_.size());
    call.tokens_result = allocate_floats(memory, "tokens", tokens_.size());
    call.workspace_bytes = settings.heads_at_once * gpu::workspace_bytes_per_head(call.plan, problem.head_dim);
    call.workspace = memory.allocate("workspace", call.workspace_bytes);
    device->run(call, settings.seed);
    memory.download(std::as_writable_bytes(std::span(heads_)), call.heads_result);
    memory.download(std::as_writable_bytes(std::span(tokens_)), call.tokens_result);
  }

  HeadStatistics head(std::int64_t pair) const {
    return gpu::head_statistics_of(heads_.data() + pair * layout_.head_floats, layout_, problem_.steps, problem_.step,
                                   problem_.head_dim);
  }
  KeyValueStatistics tokens(std::int64_t row) const {
    return gpu::key_value_statistics_of(tokens_.data() + row * layout_.token_floats, layout_, problem_.steps,
                                        problem_.step, problem_.head_dim);
  }
  std::vector<std::uint32_t> bits() const {
    std::vector<std::uint32_t> result(heads_.size());
    std::memcpy(result.data(), heads_.data(), result.size() * sizeof(std::uint32_t));
    return result;
  }

 private:
  static float* allocate_floats(testing::DeviceBuffers& memory, const char* name, std::size_t count) {
    return reinterpret_cast<float*>(memory.allocate(name, static_cast<std::int64_t>(count * sizeof(float))));
  }

  std::vector<float> logarithms() const {
    std::vector<float> result;
    for (std::int64_t pair = 0; pair < problem_.kRows * problem_.kHeads; ++pair) {
      const auto q = problem_.queries.of(pair / problem_.kHeads, pair % problem_.kHeads);
      const auto k = problem_.keys.of(pair / problem_.kHeads, 0);
      const auto& map = problem_.references[static_cast<std::size_t>(pair)].probabilities;
      const auto channels = static_cast<std::size_t>(problem_.head_dim);
      const std::size_t n_key = k.size() / channels;
      for (std::size_t i = 0; i < q.size() / channels; ++i) {
        double logit = 0;  // of the first key, whose weight is exp(logit - logarithm)
        for (std::size_t c = 0; c < channels; ++c)
          logit += static_cast<double>(q[i * channels + c]) * static_cast<double>(k[c]);
        result.push_back(static_cast<float>(logit * static_cast<double>(problem_.scale(pair % problem_.kHeads)) -
                                            std::log(map[i * n_key])));
      }
    }
    return result;
  }

  const Problem<Element>& problem_;
  DeviceMapTables tables_;
  StatisticsLayout layout_;
  std::vector<float> heads_;
  std::vector<float> tokens_;
};

/// A weight's relative error is the error of its logit and of its logarithm: sums of head_dim products and some 20
/// roundings more, of 2^-24 of the largest partial sum each. Four standard deviations of so many.
template <typename Element>
double weight_tolerance(const Problem<Element>& problem) {
  return 4 * std::sqrt(static_cast<double>(problem.head_dim + 20)) * 0x1p-24 * std::max(problem.logit_size(), 1.0) +
         2e-6;
}

template <typename Element>
void check_tokens(const Run<Element>& run, const Problem<Element>& problem) {
  for (std::int64_t row = 0; row < problem.kRows; ++row) {
    const auto k = problem.keys.of(row, 0);
    const auto v = problem.values.of(row, 0);
    const KeyValueSegment segment{.keys = k.data(),
                                  .values = v.data(),
                                  .key_stride = problem.head_dim,
                                  .value_stride = problem.head_dim,
                                  .n_token = problem.steps.n_key(problem.step)};
    const auto expected = key_value_statistics(segment, problem.steps.n_query(problem.step), problem.head_dim);
    const auto found = run.tokens(row);
    CHECK(testing::relative_error(found.value_norm, expected.value_norm) < 1e-6);
    CHECK(testing::relative_error(found.key_range, expected.key_range) < 1e-6);
    CHECK(testing::relative_error(found.value_range, expected.value_range) < 1e-6);
  }
}

template <typename Element>
void check_run(const Run<Element>& run, const Problem<Element>& problem, Output output) {
  for (std::int64_t pair = 0; pair < problem.kRows * problem.kHeads; ++pair) {
    CAPTURE(pair);
    const HeadStatistics found = run.head(pair);
    testing::compare(found, problem.expected(pair), weight_tolerance(problem));
    const auto& exact = problem.references[static_cast<std::size_t>(pair)].output;
    std::vector<double> mean(static_cast<std::size_t>(problem.head_dim), 0.0);
    for (std::size_t i = 0; i < exact.size(); ++i)
      mean[i % mean.size()] += exact[i] / static_cast<double>(problem.steps.n_query(problem.step));
    CHECK(testing::relative_error(found.output_mean, mean) < 4 * weight_tolerance(problem));
    // The output is the reference's, rounded once; the kernel rounds its weights once.
    CHECK(found.fidelity < 2 * kRounding<Element> + weight_tolerance(problem));
    if (output == Output::kNone) CHECK(found.fidelity == 0.0);
  }
  check_tokens(run, problem);
}

template <typename Element>
void check_step(const StepTable& steps, int step, std::int64_t head_dim, const Settings& settings = {}) {
  CAPTURE(describe(steps));
  CAPTURE(step);
  CAPTURE(head_dim);
  const Problem<Element> problem(steps, step, head_dim);
  check_run(Run<Element>(problem, settings), problem, settings.output);
}

}  // namespace

TEST_SUITE("kernels.cuda.column_statistics") {
  TEST_CASE_TEMPLATE("the kernels agree with the plain reference for every head size", Element, float, Float16,
                     BFloat16) {
    const StepTable steps = StepTable::square(std::vector<int>{1, 2, 3, 5, 7});
    for (const std::int64_t head_dim : {32, 64, 96, 128}) check_step<Element>(steps, 4, head_dim);
  }

  TEST_CASE_TEMPLATE("they agree for every kind of schedule", Element, float, BFloat16) {
    for (const StepTable& steps : testing::schedules()) {
      if (steps.size() > 5) continue;  // the ten scales of VAR have a test of their own
      for (int step = 0; step < steps.size(); ++step) check_step<Element>(steps, step, 32);
    }
  }

  TEST_CASE("they agree where keys and queries end around a tile") {
    // Tiles are of 128 or 64 keys, of 32 and of 64 queries; products of 16 rows and 8 columns.
    for (const int width : {1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129}) {
      const StepTable steps({{.h = 1, .w = width}});
      check_step<BFloat16>(steps, 0, 32);
      check_step<float>(steps, 0, 32);
    }
    for (const int text : {62, 63, 64, 65, 126, 127, 128}) {
      check_step<Float16>(StepTable({{.kind = StepKind::kText, .w = text}, {.h = 1, .w = 2}}), 1, 64);
    }
  }

  TEST_CASE_TEMPLATE("they agree for a late scale of VAR", Element, float, BFloat16) {
    check_step<Element>(testing::var_scales(), 7, 64);
  }

  TEST_CASE("they agree for flat and for sharp attention") {
    for (const float sharpness : {0.0F, 0.1F, 4.0F, 16.0F}) {
      CAPTURE(sharpness);
      const Problem<BFloat16> problem(StepTable::square(std::vector<int>{2, 4, 6}), 2, 64, sharpness);
      check_run(Run<BFloat16>(problem), problem, Output::kGiven);
    }
  }

  TEST_CASE_TEMPLATE("without the model's output or with given logarithms the maps are the same", Element, float,
                     BFloat16) {
    const StepTable steps = StepTable::square(std::vector<int>{2, 4, 6});
    check_step<Element>(steps, 2, 64, {.output = Output::kNone});
    check_step<Element>(steps, 2, 64, {.logarithms = Logarithms::kGiven});
    check_step<Element>(steps, 2, 64, {.logarithms = Logarithms::kGiven, .output = Output::kNone});
  }

  TEST_CASE("bits depend neither on the order of threads nor on how many heads go together") {
    const Problem<BFloat16> problem(StepTable::square(std::vector<int>{3, 5, 9}), 2, 64);
    const auto expected = Run<BFloat16>(problem).bits();
    CHECK(Run<BFloat16>(problem, {.seed = 77}).bits() == expected);
    for (const std::int64_t heads : {1, 3}) {
      CAPTURE(heads);
      const Run<BFloat16> run(problem, {.heads_at_once = heads, .seed = 5});
      CHECK(run.bits() == expected);
      check_tokens(run, problem);
    }
  }

  TEST_CASE("fidelity is the relative error of the model's output") {
    Problem<float> problem(StepTable::square(std::vector<int>{2, 5}), 1, 32);
    for (float& element : problem.output->elements) element *= 1.25F;
    const Run<float> run(problem);
    for (std::int64_t pair = 0; pair < 4; ++pair) CHECK(run.head(pair).fidelity == doctest::Approx(0.2).epsilon(1e-5));
  }

  TEST_CASE("queries of zero give the uniform map's closed forms") {
    const Problem<Float16> problem(StepTable::square(std::vector<int>{1, 4, 8}), 2, 32, 0.0F);
    const HeadStatistics head = Run<Float16>(problem).head(3);
    CHECK(head.entropy == doctest::Approx(std::log(81.0)).epsilon(1e-6));
    CHECK(head.square_sum == doctest::Approx(1.0 / 81).epsilon(1e-6));
    CHECK(head.column_variance < 1e-6 * head.square_sum);  // a difference of float32 sums
    CHECK(head.source_mass[2] == doctest::Approx(64.0 / 81).epsilon(1e-6));
  }

  TEST_CASE("what does not fit is refused before anything is launched") {
    const DeviceMapTables tables(StepTable::square(std::vector<int>{2}), 0, 128);
    alignas(16) std::byte memory[64];
    const StridedHeads<const void*> tokens{
        .data = memory, .type = ElementType::kBFloat16, .row_stride = 64, .head_stride = 64, .token_stride = 64};
    float result = 0;
    const DeviceStatistics fits{.rows = 1,
                                .heads = 1,
                                .kv_heads = 1,
                                .head_dim = 64,
                                .plan = tables.plan(tables.words().data()),
                                .softmax_scale = &result,
                                .queries = tokens,
                                .keys = tokens,
                                .values = tokens,
                                .heads_result = &result,
                                .tokens_result = &result,
                                .workspace = memory,
                                .workspace_bytes = 1 << 20};
    gpu::check_statistics(fits);
    const auto refuses = [&](auto change, const char* word) {
      DeviceStatistics changed = fits;
      change(changed);
      testing::check_error(
          ErrorCode::kUsage, [&] { gpu::check_statistics(changed); }, word);
    };
    refuses([](auto& call) { call.head_dim = 80; }, "80 channels");
    refuses([](auto& call) { call.kv_heads = 2; }, "evenly");
    refuses([](auto& call) { call.type = ElementType::kInt8; }, "int8");
    refuses([](auto& call) { call.keys.type = ElementType::kFloat32; }, "keys are float32");
    refuses([](auto& call) { call.values.data = nullptr; }, "values are missing");
    refuses([](auto& call) { call.queries.token_stride = 66; }, "queries do not lie");
    refuses([](auto& call) { call.workspace_bytes = 64; }, "workspace");
    refuses([](auto& call) { call.plan = {}; }, "tables");
  }
}
