#include "collectors/hdf5/hdf5_handle.h"

#include <cstdint>

namespace kvscope::hdf5 {
namespace {

// HDF5 1.10 frees a file twice when the program ends after a close that failed (disk full): its own clean-up
// at exit trips over what the failed close left behind. Every file here is closed by its owner, so that
// clean-up is not needed; it can only be declined before the library is first used.
[[maybe_unused]] const bool kNoCleanUpAtExit = H5dont_atexit() >= 0;

/// Error-stack callback: keeps the first message it is given, which is the innermost one.
herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* message) noexcept {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(message) = error->desc;
  return 0;
}

/// One line for people: the operating system's own words where HDF5 quotes them amid its internals
/// ("file write failed: time = ..., errno = 28, error message = 'No space left on device', buf = ...").
std::string readable(std::string message) {
  constexpr std::string_view kQuote = "error message = '";
  if (const auto begin = message.find(kQuote); begin != std::string::npos) {
    const auto from = begin + kQuote.size();
    return message.substr(from, message.find('\'', from) - from);
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  return message.empty() ? "HDF5 gives no reason" : message;
}

}  // namespace

void fail(const Subject& subject, std::string_view action) {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &message);
  H5Eclear2(H5E_DEFAULT);
  const std::string object = subject.object.empty() ? "" : fmt::format(" {}:", subject.object);
  throw Error(subject.code,
              fmt::format("{}:{} cannot {}: {}", subject.file.string(), object, action, readable(std::move(message))));
}

void silence() {
  static const bool done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  static_cast<void>(done);
}

template <>
hid_t native_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native_type<std::int32_t>() {
  return H5T_NATIVE_INT32;
}
template <>
hid_t native_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
hid_t native_type<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
hid_t native_type<std::uint64_t>() {
  return H5T_NATIVE_UINT64;
}

Handle float16_type() {
  Handle type(H5Tcopy(H5T_NATIVE_FLOAT));
  // Sign bit 15, exponent of 5 bits from bit 10 with bias 15, mantissa of 10 bits from bit 0.
  const bool made = H5Tset_fields(type.get(), 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type.get(), 2) >= 0 &&
                    H5Tset_ebias(type.get(), 15) >= 0;
  if (!made) throw environment_error("HDF5 cannot describe 16-bit floating-point numbers");
  return type;
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1));
  const bool made = H5Tset_size(type.get(), H5T_VARIABLE) >= 0 && H5Tset_cset(type.get(), H5T_CSET_UTF8) >= 0;
  if (!made) throw environment_error("HDF5 cannot describe texts");
  return type;
}

Shape shape_of(hid_t space, const Subject& subject) {
  if (H5Sget_simple_extent_type(space) == H5S_NULL) return {0};
  const int rank = check(H5Sget_simple_extent_ndims(space), subject, "read the shape");
  std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
  check(H5Sget_simple_extent_dims(space, extents.data(), nullptr), subject, "read the shape");
  return {extents.begin(), extents.end()};
}

Handle make_space(const Shape& shape, bool growable, const Subject& subject) {
  if (shape.empty()) return checked_handle(H5Screate(H5S_SCALAR), subject, "make a scalar");
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  std::vector<hsize_t> limits = extents;
  if (growable) limits.front() = H5S_UNLIMITED;
  return checked_handle(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), limits.data()), subject,
                        "make the shape");
}

}  // namespace kvscope::hdf5
