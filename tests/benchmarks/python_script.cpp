#include "tests/benchmarks/python_script.h"

#include "collectors/base/error.h"

#include <cstdio>
#include <cstdlib>

namespace kvscope::benchmark {
namespace {

std::string shell_word(std::string_view word) {
  std::string text = "'";
  for (const char letter : word) {
    if (letter == '\'') {
      text += "'\\''";
    } else {
      text += letter;
    }
  }
  return text + "'";
}

}  // namespace

Json run_python(std::string_view script, const std::vector<std::string>& arguments) {
  std::string line =
      shell_word(KVSCOPE_BENCH_PYTHON) + ' ' + shell_word(fmt::format("{}/{}", KVSCOPE_BENCH_FOLDER, script));
  for (const std::string& argument : arguments) line += ' ' + shell_word(argument);
  std::FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) throw environment_error("{}: cannot be started", script);
  std::string output;
  char buffer[4096];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, size);
  if (const int status = ::pclose(pipe); status != 0) throw environment_error("{}: ended with {}", script, status);
  return output.empty() ? Json(nullptr) : parse_json(output, script);
}

bool python_has_h5py() {
  return std::system((shell_word(KVSCOPE_BENCH_PYTHON) + " -c 'import numpy, h5py' 2>/dev/null").c_str()) == 0;
}

}  // namespace kvscope::benchmark
