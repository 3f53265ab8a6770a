#pragma once

#include "collectors/models/engine_factory.h"
#include "support/paths.h"

namespace kvscope::testing {

/// The golden model var_basic, loaded once in a program.
[[nodiscard]] inline const Engine& var_basic_engine() {
  static const auto loaded = load_engine({.transformer = repository_file("tests/data/var_basic/var.pth"),
                                          .tokenizer = repository_file("tests/data/var_vae.pth")});
  return *loaded;
}

}  // namespace kvscope::testing
