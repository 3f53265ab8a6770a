#include "reports/command_line/command.h"

#include <iostream>

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return kvscope::run_command_line(arguments, std::cout, std::cerr);
}
