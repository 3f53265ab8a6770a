#pragma once

#include "collectors/base/array.h"

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// How a dataset is laid out in the file.
struct DatasetLayout {
  Shape chunk = {};       ///< empty: contiguous, or one chunk where `growable` or `checksum` need chunks
  bool growable = false;  ///< the first axis may grow (write_slab beyond its end extends it)
  bool checksum = false;  ///< Fletcher-32 per chunk
  int deflate = 0;        ///< gzip level after byte shuffle, 0: none
  /// Room for all of it is made, and zeros written, at once: a full disk shows before anything is
  /// computed, and later writes move nothing in the file, so that a kill between them cannot hurt it.
  bool allocate = false;
};

/// An HDF5 file through the few operations kvscope needs. Objects are named by their path below "/".
///
/// Element types T: float, double, std::int32_t, std::int64_t, std::uint8_t, std::uint64_t; reading
/// converts from whatever number type the file has (float16 included), so foreign writers may differ; a
/// number that does not fit the integer type asked for is an error.
/// write() stores T as it is; write_float16() stores floats as IEEE half,
/// rounded to nearest, ties to even.
///
/// Every failure is an Error that names file and object: kBadInput when reading, kEnvironment when
/// writing (disk full). Nothing is printed; HDF5's own error stack is silenced and quoted.
///
/// Not thread-safe, like the HDF5 library itself: all files of the process from one thread at a time.
class Hdf5File {
 public:
  [[nodiscard]] static Hdf5File open(const std::filesystem::path& path);              ///< read only
  [[nodiscard]] static Hdf5File open_for_writing(const std::filesystem::path& path);  ///< must exist
  [[nodiscard]] static Hdf5File create(const std::filesystem::path& path);            ///< replaces
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// True if a group or dataset of that path exists.
  [[nodiscard]] bool has(std::string_view object) const;
  /// Names directly below a group, sorted.
  [[nodiscard]] std::vector<std::string> children(std::string_view group) const;
  [[nodiscard]] bool is_dataset(std::string_view object) const;
  /// Extents of a dataset; empty for a scalar.
  [[nodiscard]] Shape shape(std::string_view dataset) const;
  /// Bytes the dataset takes in the file.
  [[nodiscard]] std::int64_t stored_bytes(std::string_view dataset) const;

  template <typename T>
  [[nodiscard]] Array<T> read(std::string_view dataset) const;
  /// `count` elements along each axis from `offset` on.
  template <typename T>
  [[nodiscard]] Array<T> read_slab(std::string_view dataset, const Shape& offset, const Shape& count) const;
  /// Variable- or fixed-length strings of a one-dimensional dataset.
  [[nodiscard]] std::vector<std::string> read_strings(std::string_view dataset) const;

  void make_group(std::string_view group);  ///< with its parents; nothing if it exists
  /// Makes a dataset (with its parent groups) filled with zeros.
  template <typename T>
  void make_dataset(std::string_view dataset, const Shape& shape, const DatasetLayout& layout = {});
  void make_float16_dataset(std::string_view dataset, const Shape& shape, const DatasetLayout& layout = {});
  /// make_dataset and write all of it.
  template <typename T>
  void write(std::string_view dataset, const Array<T>& values, const DatasetLayout& layout = {});
  void write_float16(std::string_view dataset, const Array<float>& values, const DatasetLayout& layout = {});
  void write_strings(std::string_view dataset, std::span<const std::string> values);
  /// Writes a block into an existing dataset; grows the first axis where needed and allowed.
  template <typename T>
  void write_slab(std::string_view dataset, const Shape& offset, const Array<T>& values);
  void remove(std::string_view object);

  /// Declares a one-dimensional dataset a dimension scale called `name` (HDF5's H5DS convention, which
  /// h5py, netCDF and plotting tools read).
  void make_dimension_scale(std::string_view dataset, std::string_view name);
  /// Says that `scale` describes axis `axis` of `dataset`.
  void attach_dimension_scale(std::string_view dataset, std::int64_t axis, std::string_view scale);
  /// A second name for an object; removing one leaves the other.
  void make_link(std::string_view object, std::string_view link);

  [[nodiscard]] bool has_attribute(std::string_view object, std::string_view name) const;
  [[nodiscard]] std::string text_attribute(std::string_view object, std::string_view name) const;
  [[nodiscard]] std::int64_t integer_attribute(std::string_view object, std::string_view name) const;
  [[nodiscard]] double number_attribute(std::string_view object, std::string_view name) const;
  /// Numbers of a scalar or one-dimensional attribute.
  [[nodiscard]] std::vector<double> number_list_attribute(std::string_view object, std::string_view name) const;
  /// Texts of a scalar or one-dimensional attribute.
  [[nodiscard]] std::vector<std::string> text_list_attribute(std::string_view object, std::string_view name) const;
  void set_attribute(std::string_view object, std::string_view name, std::string_view text);
  void set_attribute(std::string_view object, std::string_view name, const char* text) {
    set_attribute(object, name, std::string_view(text));
  }
  void set_attribute(std::string_view object, std::string_view name, std::int64_t number);
  void set_attribute(std::string_view object, std::string_view name, double number);
  template <std::integral T>
  void set_attribute(std::string_view object, std::string_view name, T number) {
    set_attribute(object, name, static_cast<std::int64_t>(number));
  }
  void set_attribute(std::string_view object, std::string_view name, std::span<const std::int64_t> numbers);
  void set_attribute(std::string_view object, std::string_view name, std::span<const double> numbers);
  void set_attribute(std::string_view object, std::string_view name, std::span<const std::string> texts);

  /// Hands everything written so far to the operating system.
  void flush();
  /// Flushes and closes; failures are thrown here, while the destructor swallows them.
  void close();

 private:
  friend class RawDataset;
  struct Implementation;
  explicit Hdf5File(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
