#pragma once

#include "collectors/base/error.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvscope {

/// Reads little-endian numbers and text from bytes of unknown origin, one after the other; reading
/// beyond the end is an Error and never touches memory outside.
class ByteCursor {
 public:
  /// `where` begins the error messages, e.g. "model.pth: data.pkl".
  ByteCursor(std::span<const std::byte> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }

  /// The next `count` bytes.
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > remaining()) {
      throw bad_input("{}: cut short: {} more bytes expected at byte {}, {} are there", where_, count, position_,
                      remaining());
    }
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

  std::string_view take_text(std::uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  /// The text up to the next line feed, which is passed over.
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, remaining());
    const auto length = rest.find('\n');
    if (length == std::string_view::npos) throw bad_input("{}: cut short: a line does not end", where_);
    position_ += length + 1;
    return rest.substr(0, length);
  }

  template <std::unsigned_integral T>
  T take_number() {
    T number = 0;
    const auto taken = take(sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      number = static_cast<T>(number | static_cast<T>(static_cast<T>(taken[i]) << (8 * i)));
    }
    return number;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::size_t position_ = 0;
};

}  // namespace kvscope
