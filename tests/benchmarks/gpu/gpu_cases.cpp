#include "tests/benchmarks/gpu/gpu_cases.h"

#include <fmt/format.h>

#include <cmath>

namespace kvscope::benchmark {

std::vector<AttentionCase> ragged_cases() {
  std::vector<AttentionCase> cases;
  for (const Spread spread : {Spread::kTwoClass, Spread::kAdaptive}) {
    for (const std::int64_t images : {1, 8}) {
      for (const int scale : {11, 12, 13}) cases.push_back({&infinity_2b(), scale, images, 0.7, spread});
    }
  }
  return cases;
}

std::vector<AttentionCase> equal_cases() {
  std::vector<AttentionCase> cases;
  for (const std::int64_t images : {1, 8}) {
    for (const int scale : {11, 12, 13}) cases.push_back({&infinity_2b(), scale, images});
  }
  return cases;
}

std::vector<AttentionCase> var_cases() {
  std::vector<AttentionCase> cases;
  for (const double compression : {0.0, 0.7}) {
    for (const int scale : {8, 9, 10}) {
      cases.push_back({&var_d30(), scale, 16, compression, compression > 0.0 ? Spread::kTwoClass : Spread::kEqual});
    }
  }
  return cases;
}

std::vector<AttentionCase> generation_cases(const ModelSize& model, std::int64_t images, double compression,
                                            Spread spread) {
  std::vector<AttentionCase> cases;
  for (int scale = 1; scale <= model.scales(); ++scale) cases.push_back({&model, scale, images, compression, spread});
  return cases;
}

std::vector<RealisedCase> realised_cases() {
  std::vector<RealisedCase> cases;
  for (const Spread spread : {Spread::kTwoClass, Spread::kAdaptive}) {
    for (const double compression : {0.5, 0.7, 0.9}) {
      cases.push_back({&var_d30(), 16, compression, spread});
      cases.push_back({&infinity_2b(), 1, compression, spread});
    }
  }
  return cases;
}

std::vector<SelectionCase> selection_cases() {
  std::vector<SelectionCase> cases;
  for (const int scale : {11, 12}) {
    for (const std::int64_t images : {1, 8}) cases.push_back({&infinity_2b(), scale, images});
  }
  cases.push_back({&var_d30(), 9, 16, 0.3});
  return cases;
}

std::vector<TopkCase> topk_cases() {
  std::vector<TopkCase> cases;
  for (const std::int64_t rows : {32, 256, 960}) {
    for (const std::int64_t n : {680, 6425, 10521}) {
      for (const double share : {0.1, 0.3}) cases.push_back({rows, n, std::llround(share * static_cast<double>(n))});
    }
  }
  return cases;
}

std::vector<GenerationCase> capture_cases() {
  return {{&var_d30(), 16}, {&infinity_2b(), 1}};
}

std::vector<GenerationCase> replay_cases() {
  std::vector<GenerationCase> cases;
  for (const double compression : {0.7, 0.9}) {
    for (const std::int64_t images : {1, 16}) cases.push_back({&var_d30(), images, compression});
    cases.push_back({&infinity_2b(), 1, compression});
  }
  return cases;
}

std::vector<GenerationCase> profile_cases() {
  return {{&var_d30(), 16}};
}

std::string GenerationCase::name() const {
  std::string text = fmt::format("{} size, {} image{}", model->name, images, images == 1 ? "" : "s");
  if (compression > 0.0) text += fmt::format(", {:.0f} %", 100 * compression);
  return text;
}

std::string RealisedCase::name() const {
  return fmt::format("{}, {} image{}, all scales, {:.0f} % {}", model->name, images, images == 1 ? "" : "s",
                     100 * compression, name_of(spread));
}

std::vector<AttentionCase> RealisedCase::scales() const {
  return generation_cases(*model, images, compression, spread);
}

double RealisedCase::flop_ratio() const {
  double full = 0.0;
  double compressed = 0.0;
  for (const AttentionCase& scale : scales()) {
    full += scale.full_flops();
    compressed += scale.flops();
  }
  return full / compressed;
}

}  // namespace kvscope::benchmark
