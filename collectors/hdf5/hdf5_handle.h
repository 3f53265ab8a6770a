#pragma once

#include "collectors/base/array.h"
#include "collectors/base/error.h"

#include <hdf5.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Inside of collectors/hdf5 only: the one place where HDF5's C API is seen.
namespace kvscope::hdf5 {

/// An HDF5 identifier that is closed with its owner; every kind of identifier is counted by the library.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) noexcept : id_(id) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
    }
    return *this;
  }

  [[nodiscard]] hid_t get() const noexcept { return id_; }
  [[nodiscard]] bool valid() const noexcept { return id_ >= 0; }
  hid_t release() noexcept { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  void reset() noexcept {
    if (valid()) H5Idec_ref(std::exchange(id_, H5I_INVALID_HID));
  }

  hid_t id_ = H5I_INVALID_HID;
};

/// What an operation works on, for its error message.
struct Subject {
  const std::filesystem::path& file;
  std::string_view object;                ///< path inside the file; empty: the file itself
  ErrorCode code = ErrorCode::kBadInput;  ///< kEnvironment for writing
};

/// Throws "FILE: OBJECT: cannot ACTION: HDF5's innermost message".
[[noreturn]] void fail(const Subject& subject, std::string_view action);

/// `result` of an HDF5 call, which is negative on failure.
template <typename Result>
Result check(Result result, const Subject& subject, std::string_view action) {
  if (result < 0) fail(subject, action);
  return result;
}

[[nodiscard]] inline Handle checked_handle(hid_t id, const Subject& subject, std::string_view action) {
  return Handle(check(id, subject, action));
}

/// HDF5 prints nothing from now on.
void silence();

/// The memory type of a C++ element type.
template <typename T>
[[nodiscard]] hid_t native_type();

/// IEEE binary16, which HDF5 1.10 has no predefined type for.
[[nodiscard]] Handle float16_type();

/// UTF-8 strings of variable length.
[[nodiscard]] Handle text_type();

/// Strings of a dataset or an attribute, read through `read(memory type, buffer)`.
/// `space` is their dataspace, `type` their type in the file.
template <typename Read>
[[nodiscard]] std::vector<std::string> read_texts(hid_t type, hid_t space, const Subject& subject, Read&& read);

/// Extents of a dataspace; {0} for the null space.
[[nodiscard]] Shape shape_of(hid_t space, const Subject& subject);

/// A dataspace of these extents; `growable` lets the first one grow.
[[nodiscard]] Handle make_space(const Shape& shape, bool growable, const Subject& subject);

// -------------------------------------------------------------------------------------------------

template <typename Read>
std::vector<std::string> read_texts(hid_t type, hid_t space, const Subject& subject, Read&& read) {
  if (H5Tget_class(type) != H5T_STRING) {
    throw Error(subject.code, fmt::format("{}: {}: expected text", subject.file.string(), subject.object));
  }
  const auto count = static_cast<std::size_t>(check(H5Sget_simple_extent_npoints(space), subject, "read"));
  std::vector<std::string> texts(count);
  if (count == 0) return texts;
  if (check(H5Tis_variable_str(type), subject, "read") > 0) {
    std::vector<char*> pointers(count, nullptr);
    check(read(type, static_cast<void*>(pointers.data())), subject, "read");
    for (std::size_t i = 0; i < count; ++i) {
      if (pointers[i] != nullptr) texts[i] = pointers[i];
    }
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data());
    return texts;
  }
  const std::size_t width = H5Tget_size(type);
  std::string bytes(width * count, '\0');
  check(read(type, static_cast<void*>(bytes.data())), subject, "read");
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = bytes.substr(i * width, width);
    text.resize(std::min(text.find('\0'), text.size()));
    if (H5Tget_strpad(type) == H5T_STR_SPACEPAD) text.resize(text.find_last_not_of(' ') + 1);
    texts[i] = std::move(text);
  }
  return texts;
}

}  // namespace kvscope::hdf5
