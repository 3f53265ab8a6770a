#include "tests/benchmarks/gpu/random_model.h"

#include "collectors/base/stopwatch.h"
#include "collectors/models/engine_factory.h"
#include "support/random_var.h"

#include <ATen/core/Tensor.h>

#include <filesystem>

namespace kvscope::benchmark {
namespace {

/// Exists as long as this object.
class ScratchFolder {
 public:
  ScratchFolder(const std::filesystem::path& parent, std::string_view name) : path_(parent / name) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

std::unique_ptr<Engine> random_model(const GpuRun& run, const ModelSize& size) {
  const ScratchFolder folder(run.request().scratch, fmt::format("kvscope-{}", size.name));
  run.note(fmt::format("writing {} of random weights into {}", size.name, folder.path().string()));
  testing::RandomVar geometry;
  geometry.depth = static_cast<int>(size.layers);
  geometry.heads = static_cast<int>(size.heads);
  geometry.head_dim = size.head_dim;
  geometry.sides.assign(size.sides.begin(), size.sides.end());
  const testing::VarFiles files = testing::write_random_var(folder.path(), geometry);
  return load_engine({.transformer = files.transformer,
                      .tokenizer = files.tokenizer,
                      .compute_type = ElementType::kBFloat16,
                      .device = run.request().device});
}

GenerationRequest random_request(const Engine& engine, std::int64_t images) {
  GenerationRequest request;
  request.seed = 1;
  for (std::int64_t image = 0; image < images; ++image) {
    request.labels.push_back(image % engine.classes());
    request.sample_ids.push_back(image);
  }
  return request;
}

double generation_seconds(const Engine& engine, const GenerationRequest& request, KvCache& cache) {
  const Stopwatch watch;
  const auto generation = engine.start(request);
  cache.begin(static_cast<std::int64_t>(request.labels.size() * engine.model().branches.size()));
  while (!generation->done()) (void)generation->advance(cache);
  (void)generation->images();
  return watch.seconds();
}

}  // namespace kvscope::benchmark
