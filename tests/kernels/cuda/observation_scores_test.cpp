#include "kernels/attention/observation_scores.h"

#include "cuda/token_data.h"
#include "kernels/attention/observation_scores_reference.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

TEST_SUITE_BEGIN("kernels.cuda.observation_scores");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr float kScale = 0.15F;

/// One layer's problem: as many queries as own tokens, `group` query heads for each key/value head.
struct Scene {
  Scene(SelectionDevice& on, const TokenShape& tokens, std::int64_t group_size,
        std::vector<std::int32_t> observer_counts)
      : device(on), shape(tokens), group(group_size), observers(std::move(observer_counts)), data(on, tokens, 7) {
    const std::int64_t heads = shape.kv_heads * group;
    queries = rounded(normal_values(shape.rows * heads * shape.n_own * shape.head_dim, 99), shape.type);
    problem.tokens = data.tokens();
    problem.heads = heads;
    problem.n_query = shape.n_own;
    problem.queries = {.data = device.upload("queries", stored(queries, shape.type)),
                       .type = shape.type,
                       .row_stride = heads * shape.n_own * shape.head_dim,
                       .head_stride = shape.n_own * shape.head_dim,
                       .token_stride = shape.head_dim};
    problem.observers = device.upload("observers", observers);
    problem.most_observers = *std::ranges::max_element(observers);
    problem.softmax_scale = device.upload("scales", std::vector<float>(static_cast<std::size_t>(heads), kScale));
    problem.stride = data.tokens().most_candidates + 3;
  }

  void run() {
    problem.workspace = device.allocate<float>("workspace", observation_workspace(problem));
    problem.scores = device.allocate<float>("scores", data.pairs() * problem.stride);
    device.run(problem);
  }

  [[nodiscard]] std::vector<float> scores(std::int64_t pair, std::int64_t count) const {
    return device.download(problem.scores + pair * problem.stride, count);
  }

  /// The same by definition, for the places `places` of a pair.
  [[nodiscard]] std::vector<double> expected(std::int64_t pair, const std::vector<std::int32_t>& places) const {
    const auto width = static_cast<std::size_t>(shape.head_dim);
    std::vector<float> keys;
    for (const std::int32_t place : places) {
      const auto first = data.keys(pair).begin() + place * shape.head_dim;
      keys.insert(keys.end(), first, first + shape.head_dim);
    }
    std::vector<double> sums(places.size(), 0.0);
    const std::int64_t kv_head = pair % shape.kv_heads;
    const auto chosen = observation_queries(shape.n_own, observers[static_cast<std::size_t>(kv_head)]);
    for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      std::vector<float> observing;
      for (const std::int64_t i : chosen) {
        const std::int64_t query = (pair / shape.kv_heads * problem.heads + head) * shape.n_own + i;
        const auto first = queries.begin() + query * shape.head_dim;
        observing.insert(observing.end(), first, first + static_cast<std::int64_t>(width));
      }
      const auto part = observation_scores_reference(observing, keys, shape.head_dim, double{kScale});
      for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += part[j];
    }
    return sums;
  }

  SelectionDevice& device;
  TokenShape shape;
  std::int64_t group;
  std::vector<std::int32_t> observers;
  TokenData data;
  std::vector<float> queries;
  gpu::ObservationProblem problem;
};

std::vector<std::int32_t> all_places(std::int64_t count) {
  std::vector<std::int32_t> places(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) places[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
  return places;
}

/// Logits of standard deviation below 2 are sums of at most 128 float32 products: off by 1e-5 at the very most, and a
/// weight by as large a part of itself; exponentials and sums add some 1e-6.
void check_close(const std::vector<float>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double worst = 0.0;
  for (std::size_t j = 0; j < found.size(); ++j) {
    const double error = std::abs(double{found[j]} - expected[j]) / expected[j];
    // Not a number must not pass.
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst < 2e-5);
}

void check_all_pairs(Scene& scene) {
  scene.run();
  for (std::int64_t pair = 0; pair < scene.data.pairs(); ++pair) {
    CAPTURE(pair);
    const std::int64_t n = scene.data.places(pair);
    check_close(scene.scores(pair, n), scene.expected(pair, all_places(n)));
    // Nothing is written behind the candidates.
    for (const float beyond :
         scene.device.download(scene.problem.scores + pair * scene.problem.stride + n, scene.problem.stride - n)) {
      CHECK(std::isnan(beyond));
    }
  }
}

}  // namespace

TEST_CASE("scores of every type and head size around the tiles' edges agree with the double reference") {
  for (const ElementType type : {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16}) {
    for (const std::int64_t head_dim : {32, 64, 96, 128}) {
      CAPTURE(element_name(type));
      CAPTURE(head_dim);
      const auto device = make_selection_device();
      // Own tokens are 5: candidates 5, 6, 64, 65, 127 to 129, 200.
      Scene scene(*device,
                  {.type = type,
                   .rows = 4,
                   .kv_heads = 2,
                   .head_dim = head_dim,
                   .n_own = 5,
                   .held = {0, 1, 59, 60, 122, 123, 124, 195}},
                  1, {3, 5});
      check_all_pairs(scene);
    }
  }
}

TEST_CASE("the heads of a group and every tile of observers add up") {
  for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
    CAPTURE(element_name(type));
    const auto device = make_selection_device(2);
    Scene scene(*device, {.type = type, .kv_heads = 3, .head_dim = 64, .n_own = 70, .held = {0, 9, 70}}, 2,
                {33, 70, 32});
    check_all_pairs(scene);
  }
}

TEST_CASE("parts of many candidates are joined") {
  const auto device = make_selection_device(3);
  Scene scene(
      *device,
      {.type = ElementType::kFloat16, .kv_heads = 4, .head_dim = 32, .n_own = 8, .held = {1015, 1016, 1017, 2100}}, 1,
      {8, 8, 8, 8});
  check_all_pairs(scene);
}

TEST_CASE("a bound on the logits changes roundings alone") {
  for (const ElementType type : {ElementType::kFloat32, ElementType::kFloat16}) {
    const auto device = make_selection_device(4);
    Scene scene(*device, {.type = type, .kv_heads = 4, .head_dim = 64, .n_own = 6, .held = {0, 30, 64, 150}}, 1,
                {6, 6, 6, 6});
    const float none = std::numeric_limits<float>::infinity();
    scene.problem.logit_bound = device->upload("bounds", std::vector<float>{20.0F, 73.0F, 100.0F, none});
    check_all_pairs(scene);
  }
}

TEST_CASE("logits far apart neither overflow nor lose the largest") {
  const auto device = make_selection_device(5);
  Scene scene(*device, {.kv_heads = 1, .head_dim = 32, .n_own = 4, .held = {1100}}, 1, {4});
  scene.problem.softmax_scale = device->upload("large scale", std::vector<float>{100.0F});
  scene.run();
  const std::vector<float> scores = scene.scores(0, 1104);
  double sum = 0.0;
  for (const float score : scores) sum += double{score};
  // Every observer gives away a weight of one.
  CHECK(sum == doctest::Approx(4.0).epsilon(1e-5));
}

TEST_CASE("only listed candidates take part") {
  const auto device = make_selection_device(6);
  Scene scene(*device, {.type = ElementType::kBFloat16, .kv_heads = 2, .head_dim = 96, .n_own = 3, .held = {140, 5}}, 1,
              {3, 3});
  std::vector<std::int32_t> some;
  for (std::int32_t place = 3; place < 143; place += place % 3 + 1) some.push_back(place);
  const std::vector<std::vector<std::int32_t>> lists = {some, {1, 5, 6, 7}};
  const gpu::DevicePlaces places = device->upload_places("candidates", lists);
  scene.problem.tokens.index = places.places;
  scene.problem.tokens.indexed = places.count;
  scene.problem.tokens.index_stride = places.stride;
  scene.run();
  for (std::int64_t pair = 0; pair < 2; ++pair) {
    const auto& list = lists[static_cast<std::size_t>(pair)];
    check_close(scene.scores(pair, static_cast<std::int64_t>(list.size())), scene.expected(pair, list));
  }
}

TEST_CASE("heads without observers are left alone") {
  const auto device = make_selection_device(7);
  Scene scene(*device, {.kv_heads = 2, .n_own = 4, .held = {3, 3}}, 1, {0, 2});
  scene.run();
  for (const float score : scene.scores(0, 7)) CHECK(std::isnan(score));
  check_close(scene.scores(1, 7), scene.expected(1, all_places(7)));
}

TEST_CASE("the bits of a score do not depend on the other pairs") {
  const auto device = make_selection_device(8);
  Scene together(*device, {.type = ElementType::kBFloat16, .kv_heads = 2, .n_own = 4, .held = {40, 2000}}, 1, {4, 4});
  together.run();
  const auto other = make_selection_device(9);
  Scene alone(*other, {.type = ElementType::kBFloat16, .kv_heads = 1, .n_own = 4, .held = {40}}, 1, {4});
  // The second pair's data differ, the first pair's are the same: the seed counts from it.
  alone.run();
  CHECK(together.data.keys(0) == alone.data.keys(0));
  std::vector<float> queries(together.queries.begin(), together.queries.begin() + 4 * 32);
  alone.problem.queries.data = other->upload("the same queries", stored(queries, ElementType::kBFloat16));
  alone.run();
  CHECK(together.scores(0, 44) == alone.scores(0, 44));
}

TEST_CASE("wrong shapes are refused") {
  gpu::ObservationProblem problem;
  problem.tokens = {.kv_heads = 1, .head_dim = 48};
  check_error(
      ErrorCode::kUsage, [&] { (void)observation_workspace(problem); }, "observation_scores", "head_dim");
  problem.tokens.head_dim = 64;
  problem.heads = 1;
  problem.most_observers = 2;
  check_error(
      ErrorCode::kUsage, [&] { (void)observation_workspace(problem); }, "more observers than queries");
}

TEST_SUITE_END();
