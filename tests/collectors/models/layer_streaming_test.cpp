#include "collectors/base/parallel.h"
#include "collectors/models/engine_factory.h"
#include "collectors/models/infinity_golden.h"
#include "collectors/models/session_runs.h"
#include "support/aten.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/random_infinity.h"
#include "support/resident_memory.h"

#include <algorithm>
#include <sstream>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kBFloat16};

GenerationRequest class_request() {
  return {.labels = {3, 1, 3, 0, 2}, .sample_ids = {0, 1, 2, 3, 4}, .seed = 7, .guidance = 2.0, .top_k = 100};
}

GenerationRequest text_request(const InfinityGolden& golden) {
  GenerationRequest request = golden.request();
  request.labels = {0, 1, 1};
  request.sample_ids = {0, 1, 2};
  request.seed = 7;
  request.top_k = 0;
  return request;
}

std::unique_ptr<Engine> load_var(const GoldenSet& set, ElementType type, LayerStorage layers) {
  return load_engine({.transformer = set.transformer,
                      .tokenizer = set.tokenizer,
                      .compute_type = type,
                      .heads = set.heads,
                      .layers = layers});
}

std::unique_ptr<InfinityEngine> load_infinity(const InfinityGolden& golden, ElementType type, LayerStorage layers,
                                              std::optional<RowExecution> rows = std::nullopt,
                                              std::ostream* progress = nullptr) {
  return load_infinity_engine({.transformer = golden.options.transformer,
                               .tokenizer = golden.options.tokenizer,
                               .compute_type = type,
                               .rows = rows,
                               .image_size = golden.options.image_size,
                               .height_over_width = golden.options.height_over_width,
                               .layers = layers,
                               .progress = progress});
}

/// A model with layers of some megabytes, stored as float32.
struct LayeredModel {
  static constexpr RandomInfinity kGeometry = {
      .depth = 8, .chunks = 4, .heads = 4, .head_dim = 64, .text_width = 128, .text_rows = 8};
  // Matrices of 16 C^2 elements a layer: self-attention 4, cross attention 4, feed-forward 8.
  static constexpr std::int64_t kLayerBytes = 16 * 256 * 256 * 4;

  TemporaryFolder folder;
  InfinityFiles files = write_random_infinity(folder.path(), kGeometry);
  std::shared_ptr<const TextFeatures> text = [] {
    TextFeatures features;
    features.features = Array<float>({5, 128}, std::vector<float>(5 * 128, 0.5F));
    features.lengths = {2, 3};
    return std::make_shared<const TextFeatures>(std::move(features));
  }();

  [[nodiscard]] std::unique_ptr<InfinityEngine> load(ElementType type, LayerStorage layers) const {
    return load_infinity_engine({.transformer = files.transformer,
                                 .tokenizer = files.tokenizer,
                                 .compute_type = type,
                                 .image_size = "0.06M",
                                 .layers = layers});
  }
  /// The most of the transformer's file that is in memory while two prompts are generated.
  [[nodiscard]] std::int64_t most_resident_bytes(const InfinityEngine& engine) const {
    GenerationRequest request{.labels = {0, 1}, .sample_ids = {0, 1}};
    request.text = text;
    std::int64_t most = resident_bytes_of(files.transformer);
    GenerationObserver observer;
    observer.block = [&](int, int, std::int64_t row, const at::Tensor&) {
      if (row == 0) most = std::max(most, resident_bytes_of(files.transformer));
    };
    (void)run_session(*engine.start(request, observer), 4, {}, Images::kLeftOut);
    return most;
  }
};

}  // namespace

TEST_SUITE("collectors.models.layer_streaming") {
  TEST_CASE("streamed layers of VAR change no bit whatever the batch and the threads in either type") {
    for (const char* name : {"var_basic", "var_shared_aln", "var_no_l2norm"}) {
      for (const ElementType type : kTypes) {
        CAPTURE(name);
        CAPTURE(element_name(type));
        const GoldenSet set = golden_set(name);
        const Run expected = run_in_batches(*load_var(set, type, LayerStorage::kResident), class_request(), 5);
        const auto streamed = load_var(set, type, LayerStorage::kStreamed);
        for (const int threads : {1, 2}) {
          set_thread_count(threads);
          for (const std::int64_t batch : {1, 3}) {
            CAPTURE(batch);
            check_same_bits(expected, run_in_batches(*streamed, class_request(), batch));
          }
        }
        set_thread_count(0);
      }
    }
  }

  TEST_CASE("streamed layers of Infinity change no bit whatever the batch in either type") {
    for (const std::string& name : infinity_golden_names()) {
      for (const ElementType type : kTypes) {
        CAPTURE(name);
        CAPTURE(element_name(type));
        const InfinityGolden golden(name);
        const GenerationRequest request = text_request(golden);
        const auto resident = load_infinity(golden, type, LayerStorage::kResident);
        const Run expected = run_in_batches(*resident, request, 3, Images::kLeftOut);
        const auto streamed = load_infinity(golden, type, LayerStorage::kStreamed);
        for (const std::int64_t batch : {1, 3})
          check_same_bits(expected, run_in_batches(*streamed, request, batch, Images::kLeftOut));
      }
    }
  }

  TEST_CASE("streamed layers change no bit where rows are computed together either") {
    const InfinityGolden golden("infinity_basic");
    const GenerationRequest request = text_request(golden);
    const auto run = [&](LayerStorage layers) {
      const auto engine = load_infinity(golden, ElementType::kFloat32, layers, RowExecution::kTogether);
      return run_session(*engine->start(request), 6, {}, Images::kLeftOut);
    };
    check_same_bits(run(LayerStorage::kResident), run(LayerStorage::kStreamed));
  }

  TEST_CASE("memory holds two streamed layers at most where the file has the type that is computed in") {
    const LayeredModel model;
    const auto streamed = model.load(ElementType::kFloat32, LayerStorage::kStreamed);
    const std::int64_t loaded = resident_bytes_of(model.files.transformer);
    CHECK(loaded < 2 * LayeredModel::kLayerBytes);
    const std::int64_t most = model.most_resident_bytes(*streamed);
    CHECK(most > LayeredModel::kLayerBytes);
    CHECK(most < loaded + 3 * LayeredModel::kLayerBytes);
    const auto resident = model.load(ElementType::kFloat32, LayerStorage::kResident);
    CHECK(model.most_resident_bytes(*resident) > 8 * LayeredModel::kLayerBytes);
  }

  TEST_CASE("weights that were converted are not held in the file's type as well") {
    const LayeredModel model;
    for (const LayerStorage layers : {LayerStorage::kResident, LayerStorage::kStreamed}) {
      const auto engine = model.load(ElementType::kBFloat16, layers);
      CHECK(model.most_resident_bytes(*engine) < 2 * LayeredModel::kLayerBytes);
    }
  }

  TEST_CASE("every scale of streamed layers says when it is done") {
    const InfinityGolden golden("infinity_basic");
    std::ostringstream said;
    const auto engine = load_infinity(golden, ElementType::kFloat32, LayerStorage::kStreamed, std::nullopt, &said);
    (void)run_session(*engine->start(golden.request()), 4, {}, Images::kLeftOut);
    CAPTURE(said.str());
    CHECK(std::ranges::count(said.str(), '\n') >= 7);
    CHECK(said.str().starts_with("scale 1 of 7 (1 tokens): 2 of 2 layers after "));
    CHECK(said.str().find("scale 7 of 7 (256 tokens): 2 of 2 layers after ") != std::string::npos);

    std::ostringstream silent;
    const auto resident = load_infinity(golden, ElementType::kFloat32, LayerStorage::kResident, std::nullopt, &silent);
    (void)run_session(*resident->start(golden.request()), 4, {}, Images::kLeftOut);
    CHECK(silent.str().empty());
  }

  TEST_CASE("layers are not streamed to a GPU") {
    const GoldenSet set = golden_set("var_basic");
    check_error(
        ErrorCode::kUsage,
        [&] {
          (void)load_engine({.transformer = set.transformer,
                             .tokenizer = set.tokenizer,
                             .device = {.kind = DeviceKind::kCuda},
                             .layers = LayerStorage::kStreamed});
        },
        "streamed", "CPU");
  }
}
