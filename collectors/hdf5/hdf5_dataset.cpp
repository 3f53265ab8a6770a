// Datasets of Hdf5File: making, reading and writing them.

#include "collectors/base/half.h"
#include "collectors/hdf5/hdf5_implementation.h"

#include <fmt/ranges.h>

#include <limits>
#include <new>
#include <system_error>
#include <type_traits>

namespace kvscope {
namespace {

using hdf5::check;
using hdf5::checked_handle;
using hdf5::Handle;
using hdf5::Subject;

/// A chunk is read and written whole; below HDF5's own limit of 4 GiB this keeps the memory for one small.
constexpr std::int64_t kLargestChunkBytes = std::int64_t{64} << 20;

/// No file can hold much more than this many bytes of data per byte of its own: deflate's best ratio is 1032.
constexpr double kLargestExpansion = 1100;
/// What a dataset nobody has written to yet may claim.
constexpr double kAlwaysAllowedBytes = double{1 << 26};

std::string text_of(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Shape chunk_of(const Shape& shape, const DatasetLayout& layout, std::int64_t bytes_per_element) {
  Shape chunk = layout.chunk.empty() ? shape : layout.chunk;
  require(chunk.size() == shape.size(), "Hdf5File: a chunk has as many axes as its dataset");
  for (std::size_t axis = 0; axis < chunk.size(); ++axis) {
    const bool grows = layout.growable && axis == 0;
    if (!grows) chunk[axis] = std::min(chunk[axis], shape[axis]);
    chunk[axis] = std::max<std::int64_t>(chunk[axis], 1);
  }
  for (std::size_t axis = 0; axis < chunk.size(); ++axis) {
    while (chunk[axis] > 1 && element_count(chunk) > kLargestChunkBytes / bytes_per_element) {
      chunk[axis] = (chunk[axis] + 1) / 2;
    }
  }
  return chunk;
}

/// Creation properties for `layout`. A scalar is always contiguous.
Handle creation_properties(const Shape& shape, const DatasetLayout& layout, hid_t type, const Subject& subject) {
  Handle properties = checked_handle(H5Pcreate(H5P_DATASET_CREATE), subject, "make the dataset");
  // An explicit zero: without it HDF5 leaves what the file's free space held before.
  constexpr double kZero = 0;
  check(H5Pset_fill_value(properties.get(), H5T_NATIVE_DOUBLE, &kZero), subject, "make the dataset");
  if (layout.allocate) check(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), subject, "allocate");
  const bool chunked = !layout.chunk.empty() || layout.growable || layout.checksum || layout.deflate > 0;
  if (!chunked || shape.empty()) return properties;
  const Shape chunk = chunk_of(shape, layout, static_cast<std::int64_t>(H5Tget_size(type)));
  const std::vector<hsize_t> extents(chunk.begin(), chunk.end());
  check(H5Pset_chunk(properties.get(), static_cast<int>(extents.size()), extents.data()), subject, "choose chunks");
  if (layout.deflate > 0) {
    check(H5Pset_shuffle(properties.get()), subject, "choose compression");
    check(H5Pset_deflate(properties.get(), static_cast<unsigned>(layout.deflate)), subject, "choose compression");
  }
  if (layout.checksum) check(H5Pset_fletcher32(properties.get()), subject, "choose checksums");
  return properties;
}

Handle make(hid_t file, std::string_view dataset, hid_t type, const Shape& shape, const DatasetLayout& layout,
            const Subject& subject) {
  require(!layout.growable || !shape.empty(), "Hdf5File: a scalar cannot grow");
  const Handle space = hdf5::make_space(shape, layout.growable, subject);
  const Handle properties = creation_properties(shape, layout, type, subject);
  const Handle links = checked_handle(H5Pcreate(H5P_LINK_CREATE), subject, "make the dataset");
  check(H5Pset_create_intermediate_group(links.get(), 1), subject, "make the dataset");
  const std::string name(dataset);
  return checked_handle(H5Dcreate2(file, name.c_str(), type, space.get(), links.get(), properties.get(), H5P_DEFAULT),
                        subject, "make the dataset");
}

/// Whole numbers must arrive as they are: HDF5 would clip what does not fit and cut off fractions.
H5T_conv_ret_t refuse_damage(H5T_conv_except_t exception, hid_t, hid_t, void*, void*, void* damaged) noexcept {
  if (exception == H5T_CONV_EXCEPT_PRECISION) return H5T_CONV_UNHANDLED;
  *static_cast<bool*>(damaged) = true;
  return H5T_CONV_ABORT;
}

/// How a read converts; `damaged` is set when a value does not fit the integer type T.
template <typename T>
Handle transfer_properties(bool& damaged, const Subject& subject) {
  Handle transfer = checked_handle(H5Pcreate(H5P_DATASET_XFER), subject, "read");
  if constexpr (std::is_integral_v<T>) {
    check(H5Pset_type_conv_cb(transfer.get(), refuse_damage, &damaged), subject, "read");
  }
  return transfer;
}

void require_numbers(hid_t dataset, const Subject& subject) {
  const Handle type = checked_handle(H5Dget_type(dataset), subject, "read the element type");
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM && kind != H5T_BITFIELD) {
    throw bad_input("{}: {}: expected numbers", subject.file.string(), subject.object);
  }
}

/// Memory for `count` elements of a dataset, or an error where the file cannot possibly hold them: a
/// damaged or hostile shape must not make us ask for terabytes.
template <typename T>
Array<T> allocate(const Shape& count, const Subject& subject) {
  double bytes = sizeof(T);
  for (const auto extent : count) bytes *= static_cast<double>(extent);
  std::error_code failure;
  const auto file_bytes = static_cast<double>(std::filesystem::file_size(subject.file, failure));
  if (!failure && bytes > kAlwaysAllowedBytes + kLargestExpansion * file_bytes) {
    throw bad_input("{}: {}: shape {} is larger than the file can hold", subject.file.string(), subject.object,
                    text_of(count));
  }
  try {
    return Array<T>(count);
  } catch (const std::bad_alloc&) {
    throw environment_error("{}: {}: not enough memory for shape {}", subject.file.string(), subject.object,
                            text_of(count));
  }
}

template <typename T>
Array<T> read_selection(hid_t dataset, hid_t file_space, const Shape& count, const Subject& subject) {
  require_numbers(dataset, subject);
  Array<T> values = allocate<T>(count, subject);
  if (values.empty()) return values;
  const Handle memory = hdf5::make_space(count, false, subject);
  bool damaged = false;
  const Handle transfer = transfer_properties<T>(damaged, subject);
  const herr_t status =
      H5Dread(dataset, hdf5::native_type<T>(), memory.get(), file_space, transfer.get(), values.data());
  if (damaged) {
    H5Eclear2(H5E_DEFAULT);
    throw bad_input("{}: {}: holds a number that is no {}-bit {} integer", subject.file.string(), subject.object,
                    8 * sizeof(T), std::is_signed_v<T> ? "signed" : "unsigned");
  }
  check(status, subject, "read");
  return values;
}

/// Selects `count` elements from `offset` on in a dataspace of `extents`.
void select(hid_t space, const Shape& offset, const Shape& count, const Shape& extents, const Subject& subject) {
  bool inside = offset.size() == extents.size() && count.size() == extents.size();
  for (std::size_t axis = 0; inside && axis < extents.size(); ++axis) {
    inside = offset[axis] >= 0 && count[axis] >= 0 && offset[axis] <= extents[axis] &&
             count[axis] <= extents[axis] - offset[axis];
  }
  if (!inside) {
    throw Error(subject.code,
                fmt::format("{}: {}: the block of {} from {} on is not inside the dataset of {}", subject.file.string(),
                            subject.object, text_of(count), text_of(offset), text_of(extents)));
  }
  if (extents.empty()) return;
  const std::vector<hsize_t> start(offset.begin(), offset.end());
  const std::vector<hsize_t> size(count.begin(), count.end());
  check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr), subject, "select");
}

/// Makes the first axis long enough for `count` elements from `offset` on.
void grow(hid_t dataset, const Shape& offset, const Shape& count, Shape extents, const Subject& subject) {
  if (extents.empty() || offset.size() != extents.size() || count.size() != extents.size()) return;
  if (offset[0] + count[0] <= extents[0]) return;
  extents[0] = offset[0] + count[0];
  const std::vector<hsize_t> size(extents.begin(), extents.end());
  check(H5Dset_extent(dataset, size.data()), subject, "grow");
}

Shape dataset_shape(hid_t dataset, const Subject& subject) {
  const Handle space = checked_handle(H5Dget_space(dataset), subject, "read the shape");
  return hdf5::shape_of(space.get(), subject);
}

bool is_float16(hid_t dataset, const Subject& subject) {
  const Handle type = checked_handle(H5Dget_type(dataset), subject, "read the element type");
  return H5Tget_class(type.get()) == H5T_FLOAT && H5Tget_size(type.get()) == 2;
}

/// Writes `values` to the selection `file_space`.
template <typename T>
void write_selection(hid_t dataset, hid_t file_space, const Array<T>& values, const Subject& subject) {
  if (values.empty()) return;
  const Handle memory = hdf5::make_space(values.shape(), false, subject);
  if (std::is_same_v<T, float> && is_float16(dataset, subject)) {
    // Rounded here: HDF5's own conversion rounds ties away from zero.
    std::vector<std::uint16_t> halves(values.values().size());
    std::transform(values.values().begin(), values.values().end(), halves.begin(),
                   [](T value) { return float16_bits(static_cast<float>(value)); });
    const Handle type = hdf5::float16_type();
    check(H5Dwrite(dataset, type.get(), memory.get(), file_space, H5P_DEFAULT, halves.data()), subject, "write");
    return;
  }
  check(H5Dwrite(dataset, hdf5::native_type<T>(), memory.get(), file_space, H5P_DEFAULT, values.data()), subject,
        "write");
}

}  // namespace

Shape Hdf5File::shape(std::string_view dataset) const {
  const Subject subject = implementation_->reading(dataset);
  return dataset_shape(implementation_->open_dataset(dataset, subject).get(), subject);
}

std::int64_t Hdf5File::stored_bytes(std::string_view dataset) const {
  const Handle opened = implementation_->open_dataset(dataset, implementation_->reading(dataset));
  return static_cast<std::int64_t>(H5Dget_storage_size(opened.get()));
}

template <typename T>
Array<T> Hdf5File::read(std::string_view dataset) const {
  const Subject subject = implementation_->reading(dataset);
  const Handle opened = implementation_->open_dataset(dataset, subject);
  return read_selection<T>(opened.get(), H5S_ALL, dataset_shape(opened.get(), subject), subject);
}

template <typename T>
Array<T> Hdf5File::read_slab(std::string_view dataset, const Shape& offset, const Shape& count) const {
  const Subject subject = implementation_->reading(dataset);
  const Handle opened = implementation_->open_dataset(dataset, subject);
  const Handle space = checked_handle(H5Dget_space(opened.get()), subject, "read the shape");
  select(space.get(), offset, count, hdf5::shape_of(space.get(), subject), subject);
  return read_selection<T>(opened.get(), space.get(), count, subject);
}

std::vector<std::string> Hdf5File::read_strings(std::string_view dataset) const {
  const Subject subject = implementation_->reading(dataset);
  const Handle opened = implementation_->open_dataset(dataset, subject);
  const Handle type = checked_handle(H5Dget_type(opened.get()), subject, "read the element type");
  const Handle space = checked_handle(H5Dget_space(opened.get()), subject, "read the shape");
  return hdf5::read_texts(type.get(), space.get(), subject, [&](hid_t memory_type, void* buffer) {
    return H5Dread(opened.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
  });
}

template <typename T>
void Hdf5File::make_dataset(std::string_view dataset, const Shape& shape, const DatasetLayout& layout) {
  static_cast<void>(
      make(implementation_->id(), dataset, hdf5::native_type<T>(), shape, layout, implementation_->writing(dataset)));
}

void Hdf5File::make_float16_dataset(std::string_view dataset, const Shape& shape, const DatasetLayout& layout) {
  const Handle type = hdf5::float16_type();
  static_cast<void>(make(implementation_->id(), dataset, type.get(), shape, layout, implementation_->writing(dataset)));
}

template <typename T>
void Hdf5File::write(std::string_view dataset, const Array<T>& values, const DatasetLayout& layout) {
  const Subject subject = implementation_->writing(dataset);
  const Handle made = make(implementation_->id(), dataset, hdf5::native_type<T>(), values.shape(), layout, subject);
  write_selection(made.get(), H5S_ALL, values, subject);
}

void Hdf5File::write_float16(std::string_view dataset, const Array<float>& values, const DatasetLayout& layout) {
  const Subject subject = implementation_->writing(dataset);
  const Handle type = hdf5::float16_type();
  const Handle made = make(implementation_->id(), dataset, type.get(), values.shape(), layout, subject);
  write_selection(made.get(), H5S_ALL, values, subject);
}

void Hdf5File::write_strings(std::string_view dataset, std::span<const std::string> values) {
  const Subject subject = implementation_->writing(dataset);
  const Handle type = hdf5::text_type();
  const Shape shape = {static_cast<std::int64_t>(values.size())};
  const Handle space = hdf5::make_space(shape, false, subject);
  const Handle links = checked_handle(H5Pcreate(H5P_LINK_CREATE), subject, "make the dataset");
  check(H5Pset_create_intermediate_group(links.get(), 1), subject, "make the dataset");
  const std::string name(dataset);
  const Handle made = checked_handle(
      H5Dcreate2(implementation_->id(), name.c_str(), type.get(), space.get(), links.get(), H5P_DEFAULT, H5P_DEFAULT),
      subject, "make the dataset");
  if (values.empty()) return;
  std::vector<const char*> pointers;
  for (const auto& value : values) pointers.push_back(value.c_str());
  check(H5Dwrite(made.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()), subject, "write");
}

template <typename T>
void Hdf5File::write_slab(std::string_view dataset, const Shape& offset, const Array<T>& values) {
  const Subject subject = implementation_->writing(dataset);
  const Handle opened = implementation_->open_dataset(dataset, subject);
  grow(opened.get(), offset, values.shape(), dataset_shape(opened.get(), subject), subject);
  const Handle space = checked_handle(H5Dget_space(opened.get()), subject, "read the shape");
  select(space.get(), offset, values.shape(), hdf5::shape_of(space.get(), subject), subject);
  write_selection(opened.get(), space.get(), values, subject);
}

#define KVSCOPE_INSTANTIATE(T)                                                                   \
  template Array<T> Hdf5File::read<T>(std::string_view) const;                                   \
  template Array<T> Hdf5File::read_slab<T>(std::string_view, const Shape&, const Shape&) const;  \
  template void Hdf5File::make_dataset<T>(std::string_view, const Shape&, const DatasetLayout&); \
  template void Hdf5File::write<T>(std::string_view, const Array<T>&, const DatasetLayout&);     \
  template void Hdf5File::write_slab<T>(std::string_view, const Shape&, const Array<T>&);
KVSCOPE_INSTANTIATE(float)
KVSCOPE_INSTANTIATE(double)
KVSCOPE_INSTANTIATE(std::int32_t)
KVSCOPE_INSTANTIATE(std::int64_t)
KVSCOPE_INSTANTIATE(std::uint8_t)
KVSCOPE_INSTANTIATE(std::uint64_t)
#undef KVSCOPE_INSTANTIATE

}  // namespace kvscope
