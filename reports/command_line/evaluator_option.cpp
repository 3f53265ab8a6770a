#include "reports/command_line/evaluator_option.h"

#include "collectors/base/error.h"
#include "reports/command_line/bundled_model.h"
#include "reports/command_line/provenance.h"

#include <string>

namespace kvscope {

void EvaluatorFiles::add_origins(Json& made_from) const {
  if (!evaluator.empty()) made_from["evaluator"] = file_origin(evaluator);
  if (!features.empty()) made_from["evaluator_features"] = file_origin(features);
}

void add_evaluator_options(options::options_description& visible) {
  const auto file = [] { return options::value<std::string>()->value_name("FILE"); };
  visible.add_options()("evaluator", file(),
                        "image classifier that judges both runs; default: the bundled one for the bundled model")(
      "evaluator-features", file(), "mean and covariance of its features of real images (HDF5)");
}

EvaluatorFiles evaluator_files(const options::variables_map& values, const GenerationSettings& settings) {
  EvaluatorFiles files{.evaluator = path_option(values, "evaluator"),
                       .features = path_option(values, "evaluator-features")};
  if (!files.evaluator.empty()) return files;
  if (!settings.uses_bundled_model()) {
    if (!files.features.empty()) throw usage_error("--evaluator-features needs --evaluator");
    return files;
  }
  files.evaluator = bundled_model().evaluator;
  if (files.features.empty()) files.features = bundled_model().evaluator_features;
  return files;
}

LoadedEvaluator load_evaluator(const EvaluatorFiles& files, const ComputeDevice& device) {
  LoadedEvaluator loaded;
  if (!files.evaluator.empty()) loaded.evaluator = Evaluator::open(files.evaluator, device);
  if (!files.features.empty()) {
    loaded.features = read_feature_statistics(files.features, loaded.evaluator.value().feature_size());
  }
  return loaded;
}

}  // namespace kvscope
