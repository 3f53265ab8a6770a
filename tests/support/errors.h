#pragma once

#include "collectors/base/error.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>

namespace kvscope::testing {

/// The Error that `action` throws; nothing if it throws none. Other exceptions pass through.
template <typename Action>
[[nodiscard]] std::optional<Error> error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

/// Checks that `action` fails with `code` and a one-line message that contains every one of `words`.
template <typename Action, typename... Words>
void check_error(ErrorCode code, Action&& action, const Words&... words) {
  const auto error = error_of(action);
  REQUIRE(error.has_value());
  const std::string message = error->what();
  CAPTURE(message);
  CHECK(error->code() == code);
  CHECK(message.find('\n') == std::string::npos);
  (CHECK(message.find(words) != std::string::npos), ...);
}

}  // namespace kvscope::testing
