#include "analysis/scores.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

// The attention maps that the published implementation computes with the trained sample model (tests/data/README.md),
// as a capture of raw maps: 2 samples, 2 branches, 6 layers of 6 heads, scales 1 2 3 4 6 8.

using namespace kvscope;
using doctest::Approx;

namespace {

constexpr int kSide[] = {1, 2, 3, 4, 6, 8};
constexpr int kSteps = 6;
constexpr int kLayers = 6;
constexpr int kHeads = 6;
constexpr int kSamples = 2;

/// [row, head, N_k, T_k]; rows: two conditional ones, then two unconditional ones.
Array<float> golden_maps(int step, int layer) {
  static const Hdf5File file = Hdf5File::open(testing::repository_file("tests/data/sample_model/golden.h5"));
  return file.read<float>(fmt::format("attn_{}_{}", step, layer));
}

void write_golden_capture(const std::filesystem::path& path) {
  Hdf5File file = Hdf5File::create(path);
  const ModelInfo model{.family = "var",
                        .fingerprint = "golden",
                        .layers = kLayers,
                        .heads = kHeads,
                        .kv_heads = kHeads,
                        .head_dim = 32,
                        .branches = {"conditional", "unconditional"}};
  file.set_attribute("/", "format", "kvscope-capture");
  file.set_attribute("/", "version", 1);
  file.set_attribute("/", "complete", 1);
  file.set_attribute("/", "samples", kSamples);
  file.set_attribute("/", "model", to_json(model).dump());
  file.set_attribute("/", "run", "{}");
  Array<std::int32_t> steps({kSteps, 5});
  for (int k = 0; k < kSteps; ++k)
    std::ranges::copy(std::vector<std::int32_t>{0, 1, kSide[k], kSide[k], 1}, steps.slice(k).begin());
  file.write("/steps", steps);
  for (int step = 0; step < kSteps; ++step) {
    for (int layer = 0; layer < kLayers; ++layer) {
      const Array<float> rows = golden_maps(step, layer);
      for (int head = 0; head < kHeads; ++head) {
        Array<float> maps({kSamples, 2, rows.extent(2), rows.extent(3)});
        for (int sample = 0; sample < kSamples; ++sample) {
          for (int branch = 0; branch < 2; ++branch) {
            std::ranges::copy(rows.slice(branch * kSamples + sample, head), maps.slice(sample, branch).begin());
          }
        }
        file.write(fmt::format("/maps/layer_{:02}/head_{:02}/step_{:02}", layer, head, step), maps);
      }
    }
  }
  file.close();
}

/// sum_j Var_i A_ij by two passes over every column, in double.
double column_variance(std::span<const float> map, std::int64_t n_query, std::int64_t n_key) {
  double sum = 0.0;
  for (std::int64_t key = 0; key < n_key; ++key) {
    const auto weight = [&](std::int64_t query) {
      return static_cast<double>(map[static_cast<std::size_t>(query * n_key + key)]);
    };
    double mean = 0.0;
    for (std::int64_t query = 0; query < n_query; ++query) mean += weight(query) / static_cast<double>(n_query);
    for (std::int64_t query = 0; query < n_query; ++query) {
      sum += (weight(query) - mean) * (weight(query) - mean) / static_cast<double>(n_query);
    }
  }
  return sum;
}

Scores golden_scores() {
  const testing::TemporaryFolder folder;
  write_golden_capture(folder / "capture.h5");
  return compute_scores(Capture::open(folder / "capture.h5"));
}

}  // namespace

TEST_SUITE("analysis.trained_model") {
  TEST_CASE("column variance of every real map is the textbook two-pass variance") {
    const Scores scores = golden_scores();
    const Array<float>& found = scores.at(head_score::kColumnVariance).samples;
    for (int step = 0; step < kSteps; ++step) {
      for (int layer = 0; layer < kLayers; ++layer) {
        const Array<float> rows = golden_maps(step, layer);
        for (int row = 0; row < 2 * kSamples; ++row) {
          for (int head = 0; head < kHeads; ++head) {
            CAPTURE(step);
            CAPTURE(layer);
            CAPTURE(head);
            const double expected = column_variance(rows.slice(row, head), rows.extent(2), rows.extent(3));
            // float32 weights: their sums carry about 1e-7 of a square sum up to 1.
            CHECK(std::abs(found(row % kSamples, row / kSamples, layer, head, step) - expected) < 2e-7);
          }
        }
      }
    }
  }

  TEST_CASE("the heads of the trained model with the clearest bands are those its description names") {
    const Scores scores = golden_scores();
    for (const HeadScore& score : {head_score::kColumnVariance, head_score::kBandMass}) {
      CAPTURE(score.name);
      std::vector<double> values;
      for (int head = 0; head < kLayers * kHeads; ++head)
        values.push_back(scores.at(score).mean(0, head / kHeads, head % kHeads, kSteps - 1));
      std::vector<int> order(values.size());
      std::iota(order.begin(), order.end(), 0);
      std::ranges::sort(order, std::ranges::greater(),
                        [&](int head) { return values[static_cast<std::size_t>(head)]; });
      std::vector<int> largest(order.begin(), order.begin() + 3);
      std::ranges::sort(largest);
      CHECK(largest == std::vector<int>{5 * kHeads + 2, 5 * kHeads + 3, 5 * kHeads + 5});
    }
    // Over 64 samples 0.006 to 0.082 and 0.18 to 0.66; two samples scatter around that.
    CHECK(scores.at(head_score::kColumnVariance).mean(0, 2, 2, 5) == Approx(0.006).epsilon(0.25));
    CHECK(scores.at(head_score::kColumnVariance).mean(0, 5, 2, 5) == Approx(0.082).epsilon(0.15));
    CHECK(scores.at(head_score::kBandMass).mean(0, 5, 2, 5) == Approx(0.66).epsilon(0.1));
    CHECK(scores.at(head_score::kBandMass).mean(0, 0, 3, 5) == Approx(0.18).epsilon(0.1));
  }

  TEST_CASE("both branches of guidance rank the trained heads alike") {
    const Scores scores = golden_scores();
    CHECK(scores.at(head_score::kColumnVariance)
              .stability_over(StabilityAxis::kBranches, 0, kSteps - 1)
              .rank_correlation > 0.95);
    CHECK(scores.at(head_score::kBandExcess).stability_over(StabilityAxis::kBranches, 0, kSteps - 1).rank_correlation >
          0.95);
  }
}
