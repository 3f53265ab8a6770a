#include "collectors/models/full_kv_cache.h"

#include "collectors/models/golden.h"
#include "support/aten.h"
#include "support/errors.h"

#include <cmath>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr int kHeadDim = 16;

/// Keys and values of one layer, step by step, and what plain attention over the visible ones gives.
class Reference {
 public:
  Reference(const StepTable& table, std::int64_t rows, std::int64_t heads, std::int64_t kv_heads, std::uint64_t seed)
      : table_(table), heads_(heads) {
    at::manual_seed(seed);
    for (int step = 0; step < table.size(); ++step) {
      const std::int64_t tokens = table.n_query(step);
      q.push_back(at::randn({rows, heads, tokens, kHeadDim}));
      k.push_back(at::randn({rows, kv_heads, tokens, kHeadDim}));
      v.push_back(at::randn({rows, kv_heads, tokens, kHeadDim}));
    }
  }

  [[nodiscard]] at::Tensor visible(const std::vector<at::Tensor>& parts, int step) const {
    std::vector<at::Tensor> list;
    for (const int source : table_.sources(step)) list.push_back(parts[static_cast<std::size_t>(source)]);
    return at::cat(list, 2);
  }
  /// In double, head by head: query head h reads key/value head h / (heads / kv_heads).
  [[nodiscard]] at::Tensor output(int step, const std::vector<float>& scale) const {
    const at::Tensor keys = visible(k, step).to(at::kDouble);
    const at::Tensor values = visible(v, step).to(at::kDouble);
    std::vector<at::Tensor> heads;
    for (std::int64_t head = 0; head < heads_; ++head) {
      const std::int64_t shared = head / (heads_ / keys.size(1));
      const double factor = scale.size() == 1 ? scale[0] : scale[static_cast<std::size_t>(head)];
      const at::Tensor query = q[static_cast<std::size_t>(step)].select(1, head).to(at::kDouble);
      const at::Tensor map = at::softmax(at::matmul(query, keys.select(1, shared).transpose(1, 2)) * factor, -1);
      heads.push_back(at::matmul(map, values.select(1, shared)));
    }
    return at::stack(heads, 1);
  }

  std::vector<at::Tensor> q, k, v;

 private:
  const StepTable& table_;
  std::int64_t heads_;
};

void check_against_reference(const StepTable& table, std::int64_t heads, std::int64_t kv_heads,
                             const std::vector<float>& scale) {
  const Reference reference(table, 3, heads, kv_heads, 5);
  FullKvCache cache;
  cache.begin(3);
  for (int step = 0; step < table.size(); ++step) {
    CAPTURE(step);
    const auto index = static_cast<std::size_t>(step);
    const at::Tensor out = cache.attend({.layer = 0, .softmax_scale = scale}, {.index = step, .table = &table},
                                        reference.q[index], reference.k[index], reference.v[index]);
    CHECK(largest_difference(out, reference.output(step, scale)) < 1e-5);
    CHECK(same_bits(cache.attended_keys(0), reference.visible(reference.k, step)));
    CHECK(same_bits(cache.attended_values(0), reference.visible(reference.v, step)));
  }
}

}  // namespace

TEST_SUITE("collectors.models.full_kv_cache") {
  TEST_CASE("every step attends to all earlier scales and itself") {
    constexpr int sides[] = {1, 2, 3, 4};
    check_against_reference(StepTable::square(sides), 4, 4, {0.25F});
  }

  TEST_CASE("steps that see a chosen subset attend to exactly that") {
    // Step 3 skips step 1; step 2 does not see step 0; the last one sees the first alone.
    const StepTable table({{.h = 1, .w = 2}, {.h = 2, .w = 2}, {.h = 1, .w = 3}, {.h = 2, .w = 3}, {.h = 1, .w = 1}},
                          {1, 0, 0, 0, 0,  //
                           1, 1, 0, 0, 0,  //
                           0, 1, 1, 0, 0,  //
                           1, 0, 1, 1, 0,  //
                           1, 0, 0, 0, 1});
    check_against_reference(table, 2, 2, {1.0F});
  }

  TEST_CASE("steps whose keys do not stay are attended to once") {
    const StepTable table({{.h = 2, .w = 2}, {.h = 1, .w = 2, .stays = false}, {.h = 2, .w = 2}, {.h = 3, .w = 3}});
    check_against_reference(table, 2, 2, {1.0F});
  }

  TEST_CASE("query heads share key and value heads in groups") {
    constexpr int sides[] = {1, 2, 3};
    check_against_reference(StepTable::square(sides), 6, 2, {0.5F});
  }

  TEST_CASE("each head may have its own softmax scale") {
    constexpr int sides[] = {1, 2, 3};
    check_against_reference(StepTable::square(sides), 4, 4, {0.1F, 0.5F, 1.0F, 2.0F});
    check_against_reference(StepTable::square(sides), 4, 2, {0.1F, 0.5F, 1.0F, 2.0F});
  }

  TEST_CASE("exactly the tokens that later steps read are allocated") {
    constexpr int sides[] = {1, 2, 3};
    const StepTable table = StepTable::square(sides);
    const Reference reference(table, 2, 4, 2, 1);
    const std::vector<float> scale = {1.0F};
    FullKvCache cache;
    cache.begin(2);
    CHECK(cache.allocated_bytes() == 0);
    // 2 rows x 2 heads x 16 channels x (4 bytes of K + 4 of V)
    constexpr std::int64_t bytes_per_token = 2 * 2 * kHeadDim * 8;
    const std::int64_t held[] = {1, 5, 5};
    for (int step = 0; step < 3; ++step) {
      const auto index = static_cast<std::size_t>(step);
      (void)cache.attend({.layer = 0, .softmax_scale = scale}, {.index = step, .table = &table}, reference.q[index],
                         reference.k[index], reference.v[index]);
      CHECK(cache.allocated_bytes() == 5 * bytes_per_token);
      CHECK(cache.held_bytes() == held[step] * bytes_per_token);
    }
    cache.begin(2);
    CHECK(cache.held_bytes() == 0);
  }

  TEST_CASE("keys and values keep their own types and a second run starts afresh") {
    constexpr int sides[] = {1, 2, 3};
    const StepTable table = StepTable::square(sides);
    const Reference reference(table, 1, 2, 2, 1);
    const std::vector<float> scale = {1.0F};
    FullKvCache cache([](const AttentionSite&, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
      CHECK((k.scalar_type() == at::kFloat));
      CHECK((v.scalar_type() == at::kBFloat16));
      return q.clone();
    });
    for (int run = 0; run < 2; ++run) {
      cache.begin(1);
      for (int step = 0; step < 3; ++step) {
        const auto index = static_cast<std::size_t>(step);
        (void)cache.attend({.layer = 0, .softmax_scale = scale}, {.index = step, .table = &table}, reference.q[index],
                           reference.k[index], reference.v[index].to(at::kBFloat16));
        CHECK(cache.attended_keys(0).size(2) == table.n_key(step));
      }
      CHECK(cache.held_bytes() == 5 * 2 * kHeadDim * (4 + 2));
    }
  }

  TEST_CASE("calls out of order are refused") {
    constexpr int sides[] = {1, 2, 3};
    const StepTable table = StepTable::square(sides);
    const Reference reference(table, 1, 2, 2, 1);
    const std::vector<float> scale = {1.0F};
    FullKvCache cache;
    cache.begin(1);
    const auto attend = [&](int layer, int step, int data) {
      const auto index = static_cast<std::size_t>(data);
      (void)cache.attend({.layer = layer, .softmax_scale = scale}, {.index = step, .table = &table}, reference.q[index],
                         reference.k[index], reference.v[index]);
    };
    check_error(
        ErrorCode::kUsage, [&] { attend(1, 0, 0); }, "layers ascend");
    check_error(
        ErrorCode::kUsage, [&] { attend(0, 1, 1); }, "steps ascend");
    check_error(
        ErrorCode::kUsage, [&] { attend(0, 0, 1); }, "tokens");
    cache.begin(2);
    check_error(
        ErrorCode::kUsage, [&] { attend(0, 0, 0); }, "rows");
  }
}
