#include "reports/profile/kernel_name.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

namespace kvscope {

std::string demangled(std::string_view name) {
  const std::string mangled(name);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 && text != nullptr ? std::string(text.get()) : mangled;
}

std::string shown_name(const DeviceWork& work) {
  if (work.kind == DeviceWorkKind::kKernel) return demangled(work.name);
  return fmt::format("{} {}", device_work_name(work.kind), work.name);
}

}  // namespace kvscope
