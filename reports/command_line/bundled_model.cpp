#include "reports/command_line/bundled_model.h"

#include "collectors/base/error.h"

#include <cstdlib>
#include <vector>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

fs::path program_folder() {
  std::error_code failure;
  return fs::read_symlink("/proc/self/exe", failure).parent_path();
}

}  // namespace

fs::path datasets_folder() {
  if (const char* named = std::getenv("KVSCOPE_DATASETS")) return named;
  const std::vector<fs::path> places = {program_folder() / "../share/kvscope/datasets", KVSCOPE_DATASETS_FOLDER};
  for (const fs::path& place : places) {
    if (fs::is_directory(place)) return fs::weakly_canonical(place);
  }
  throw environment_error("the datasets folder is neither {} nor {}; name it with KVSCOPE_DATASETS", places[0].string(),
                          places[1].string());
}

BundledModel bundled_model() {
  const fs::path folder = datasets_folder() / "sample_model";
  BundledModel model{.transformer = folder / "var.safetensors",
                     .tokenizer = folder / "vae.safetensors",
                     .evaluator = folder / "evaluator.safetensors",
                     .evaluator_features = folder / "evaluator_features.h5"};
  for (const fs::path& file : {model.transformer, model.tokenizer, model.evaluator, model.evaluator_features}) {
    if (!fs::is_regular_file(file)) throw environment_error("{}: the bundled model is incomplete", file.string());
  }
  return model;
}

}  // namespace kvscope
