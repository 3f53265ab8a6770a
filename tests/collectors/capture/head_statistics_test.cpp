#include "collectors/capture/head_statistics.h"

#include "collectors/base/parallel.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/map_sums.h"
#include "collectors/compute/attention_reference.h"
#include "collectors/compute/block_attention.h"
#include "collectors/compute/simd_level.h"
#include "support/attention_data.h"
#include "support/errors.h"
#include "support/head_statistics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace kvscope;
using testing::compare;
using testing::relative_error;
using testing::schedules;
using testing::var_scales;

namespace {

/// One head with normally distributed queries, keys and values.
struct Head {
  Head(const StepTable& table, int at_step, std::int64_t channels, float sharpness,
       ElementType type = ElementType::kFloat32)
      : steps(table),
        step(at_step),
        head_dim(channels),
        data(table.n_key(at_step), channels, type, 7),
        queries(testing::normal_values(table.n_query(at_step) * channels, 8, sharpness)) {
    const KeyValueSegment segment = data.segment();
    packed.pack(std::span(&segment, 1), head_dim);
    expected = attention_reference(queries, data.keys, data.values, head_dim, kScale);
  }

  HeadStatistics streamed(const float* output = nullptr) const {
    const HeadAttention attention{
        .head = &packed,
        .block = {.queries = queries.data(), .stride = head_dim, .n_query = steps.n_query(step), .scale = kScale},
        .output = output};
    return head_statistics(attention, steps, step);
  }

  HeadStatistics reference() const {
    const std::vector<float> map(expected.probabilities.begin(), expected.probabilities.end());
    return statistics_of_map(map, steps, step);
  }

  static constexpr float kScale = 0.25F;
  StepTable steps;
  int step;
  std::int64_t head_dim;
  testing::HeadData data;
  std::vector<float> queries;
  PackedHead packed;
  AttentionReference expected;
};

}  // namespace

TEST_SUITE("collectors.capture.head_statistics") {
  TEST_CASE("the streaming pass agrees with the plain reference for every schedule") {
    for (const StepTable& steps : schedules()) {
      for (int step = 0; step < steps.size(); ++step) {
        CAPTURE(describe(steps));
        CAPTURE(step);
        const Head head(steps, step, 32, 1.0F);
        compare(head.streamed(), head.reference());
      }
    }
  }

  TEST_CASE("it agrees for sharp and for flat attention and on every instruction set") {
    const testing::SimdLevelGuard guard;
    for (const std::string& level : simd_levels()) {
      force_simd_level(level);
      for (const float sharpness : {0.0F, 0.1F, 3.0F, 30.0F}) {
        CAPTURE(level);
        CAPTURE(sharpness);
        const Head head(var_scales(), 8, 64, sharpness);
        compare(head.streamed(), head.reference());
      }
    }
  }

  TEST_CASE("it agrees on every instruction set for grids and maps of sizes around its blocks") {
    const testing::SimdLevelGuard guard;
    const auto schedules_around_blocks = [] {
      std::vector<StepTable> tables;
      // Lines of a grid around a vector, around the histogram's reach, keys around a panel, queries around the
      // thumbnail's rows and around a flush of its sums.
      for (const int width : {7, 8, 9, 15, 16, 17})
        tables.emplace_back(StepTable({{.h = 2, .w = 5}, {.h = 4, .w = width}}));
      for (const int keys : {63, 64, 65})
        tables.emplace_back(StepTable({{.kind = StepKind::kText, .w = 3}, {.h = 1, .w = keys}}));
      for (const int side : {20, 33}) tables.emplace_back(StepTable({{.h = side, .w = 19}}));
      return tables;
    }();
    for (const std::string& level : simd_levels()) {
      force_simd_level(level);
      for (const StepTable& steps : schedules_around_blocks) {
        CAPTURE(level);
        CAPTURE(describe(steps));
        const Head head(steps, steps.size() - 1, 20, 1.0F);
        compare(head.streamed(), head.reference());
      }
    }
  }

  TEST_CASE("tables made once for a step give every head the bits of its own tables") {
    const StepTable steps = var_scales();
    const auto tables = std::make_shared<const MapTables>(steps, 7);
    for (const float sharpness : {0.5F, 2.0F, 1.0F}) {
      const Head head(steps, 7, 32, sharpness);
      const HeadAttention attention{
          .head = &head.packed,
          .block = {.queries = head.queries.data(), .stride = 32, .n_query = 100, .scale = Head::kScale}};
      const HeadStatistics shared = head_statistics(attention, tables);
      const HeadStatistics own = head.streamed();
      CHECK(shared.column_mean == own.column_mean);
      CHECK(shared.displacement == own.displacement);
      CHECK(shared.thumbnail == own.thumbnail);
      CHECK(shared.entropy == own.entropy);
    }
  }

  TEST_CASE("queries of zero give the uniform map's closed forms") {
    const Head head(var_scales(), 9, 64, 0.0F);
    const HeadStatistics s = head.streamed();
    CHECK(s.entropy == doctest::Approx(std::log(680.0)).epsilon(1e-6));
    CHECK(s.square_sum == doctest::Approx(1.0 / 680).epsilon(1e-6));
    CHECK(s.column_variance < 1e-9);
    CHECK(s.source_mass[9] == doctest::Approx(256.0 / 680).epsilon(1e-6));
  }

  TEST_CASE("keys that single out their own query give the identity map's closed forms") {
    const StepTable steps = StepTable::square(std::vector<int>{8});
    testing::HeadData data(64, 64, ElementType::kFloat32, 1);
    std::vector<float> identity(64 * 64, 0.0F);
    for (std::size_t i = 0; i < 64; ++i) identity[i * 65] = 100.0F;
    const KeyValueSegment segment{
        .keys = identity.data(), .values = data.values.data(), .key_stride = 64, .value_stride = 64, .n_token = 64};
    PackedHead packed;
    packed.pack(std::span(&segment, 1), 64);
    const HeadAttention attention{.head = &packed,
                                  .block = {.queries = identity.data(), .stride = 64, .n_query = 64},
                                  .output = data.values.data()};
    const HeadStatistics s = head_statistics(attention, steps, 0);
    CHECK(s.entropy == 0.0);
    CHECK(s.square_sum == 1.0);
    CHECK(s.column_variance == doctest::Approx(1.0 - 1.0 / 64));
    CHECK(s.band_mass[0] == 1.0);
    CHECK(s.fidelity == 0.0);  // the output is the values themselves
  }

  TEST_CASE("fidelity is the relative error of the model's output") {
    const Head head(var_scales(), 6, 32, 1.0F);
    std::vector<float> output(head.expected.output.begin(), head.expected.output.end());
    CHECK(head.streamed(output.data()).fidelity < 1e-6);
    for (float& value : output) value *= 1.25F;
    CHECK(head.streamed(output.data()).fidelity == doctest::Approx(0.2).epsilon(1e-5));
    CHECK(head.streamed(nullptr).fidelity == 0.0);
  }

  TEST_CASE("the mean output is the mean over queries") {
    const Head head(var_scales(), 6, 32, 1.0F);
    std::vector<double> expected(32, 0.0);
    for (std::size_t i = 0; i < head.expected.output.size(); ++i) expected[i % 32] += head.expected.output[i] / 64.0;
    CHECK(relative_error(head.streamed().output_mean, expected) < 1e-5);
  }

  TEST_CASE("half precision keys and values are read as they are") {
    for (const ElementType type : {ElementType::kBFloat16, ElementType::kFloat16}) {
      const Head head(var_scales(), 7, 64, 1.0F, type);
      compare(head.streamed(), head.reference());
    }
  }

  TEST_CASE("a head's bits depend on nothing but the head") {
    const Head head(var_scales(), 9, 64, 1.0F);
    const HeadStatistics alone = head.streamed();
    std::vector<HeadStatistics> together(8);
    parallel_for(8, [&](std::int64_t i) {
      if (i % 2 == 1) (void)Head(var_scales(), 5, 32, 2.0F).streamed();
      together[static_cast<std::size_t>(i)] = head.streamed();
    });
    for (const HeadStatistics& s : together) {
      CHECK(s.column_mean == alone.column_mean);
      CHECK(s.column_variance == alone.column_variance);
      CHECK(s.displacement == alone.displacement);
      CHECK(s.entropy == alone.entropy);
    }
  }

  TEST_CASE("a strip stays small however many keys there are") {
    for (const std::int64_t n_key : {1, 63, 64, 65, 680, 10521, 60000}) {
      const std::int64_t rows = statistics_strip_rows(n_key);
      CHECK(rows >= 6);
      CHECK(rows <= kAttendQueries);
      if (rows > 6) CHECK(rows * strip_stride(n_key) <= 96 * 1024);
    }
  }

  TEST_CASE("key and value statistics are norms and ranges of the step's own tokens") {
    const std::vector<float> keys = {9, 9, 1, -2, 3, 4};
    const std::vector<float> values = {3, 4, 0, 1, -1, 0};
    const KeyValueSegment segment{
        .keys = keys.data(), .values = values.data(), .key_stride = 2, .value_stride = 2, .n_token = 3};
    const auto s = key_value_statistics(segment, 2, 2);
    CHECK(s.value_norm == std::vector<double>{5, 1, 1});
    CHECK(s.key_range == std::vector<double>{1, -2, 3, 4, 2, 1});
    CHECK(s.value_range == std::vector<double>{-1, 0, 0, 1, -0.5, 0.5});
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)key_value_statistics(segment, 4, 2); }, "tokens");
  }

  TEST_CASE("keys of another step are refused") {
    const Head head(var_scales(), 5, 32, 1.0F);
    const HeadAttention attention{.head = &head.packed,
                                  .block = {.queries = head.queries.data(), .stride = 32, .n_query = 64}};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)head_statistics(attention, head.steps, 6); }, "keys");
  }
}
