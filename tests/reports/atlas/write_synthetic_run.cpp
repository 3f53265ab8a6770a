#include "reports/atlas/synthetic_run.h"

#include <exception>
#include <iostream>
#include <string_view>

/// Files for tests and measurements of the atlas from outside: write_synthetic_run FOLDER [var-d30].
int main(int n_word, char** words) {
  const bool large = n_word == 3 && std::string_view(words[2]) == "var-d30";
  if (n_word != 2 && !large) {
    std::cerr << "usage: kvscope_write_synthetic_run FOLDER [var-d30]\n";
    return 2;
  }
  try {
    if (large) {
      kvscope::testing::write_synthetic_var_d30(words[1]);
    } else {
      (void)kvscope::testing::write_synthetic_run(words[1]);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
