#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace kvscope {

/// What a caller can do something about; each is one exit status of the program.
enum class ErrorCode {
  kCheckFailed = 1,    ///< everything ran, but a demanded property does not hold
  kUsage = 2,          ///< the request itself is wrong; nothing was done
  kBadInput = 3,       ///< a file exists but is not what it should be, or is missing
  kEnvironment = 4,    ///< the machine lacks something: GPU, memory, disk space, permission
  kInterrupted = 130,  ///< stopped by the user after a clean flush
};

/// The one exception type that leaves the library. what() is one line that names the file, tensor
/// or field, what was found and what was expected.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// `throw bad_input("{}: tensor '{}' is missing", path, name);` and its siblings.
template <typename... Args>
[[nodiscard]] Error bad_input(fmt::format_string<Args...> text, Args&&... args) {
  return {ErrorCode::kBadInput, fmt::format(text, std::forward<Args>(args)...)};
}

template <typename... Args>
[[nodiscard]] Error usage_error(fmt::format_string<Args...> text, Args&&... args) {
  return {ErrorCode::kUsage, fmt::format(text, std::forward<Args>(args)...)};
}

template <typename... Args>
[[nodiscard]] Error environment_error(fmt::format_string<Args...> text, Args&&... args) {
  return {ErrorCode::kEnvironment, fmt::format(text, std::forward<Args>(args)...)};
}

/// Throws kUsage unless `condition` holds; for documented preconditions of the library's functions.
void require(bool condition, const char* what);

}  // namespace kvscope
