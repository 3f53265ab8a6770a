#include "collectors/hdf5/raw_dataset.h"

#include "collectors/hdf5/hdf5_implementation.h"

#include <algorithm>
#include <string>
#include <system_error>

namespace kvscope {
namespace {

using hdf5::check;
using hdf5::checked_handle;
using hdf5::Handle;
using hdf5::Subject;

/// Chunks that HDF5 keeps of one dataset between two reads.
constexpr std::size_t kCacheBytes = std::size_t{64} << 20;
/// Places in HDF5's table of cached chunks: a prime some ten times their number.
constexpr std::size_t kCacheSlots = 12421;

Handle open_dataset(hid_t file, const std::string& name, const Subject& subject) {
  const Handle access = checked_handle(H5Pcreate(H5P_DATASET_ACCESS), subject, "open the dataset");
  // Chunks that were read completely go first: they are not needed again.
  check(H5Pset_chunk_cache(access.get(), kCacheSlots, kCacheBytes, 1.0), subject, "open the dataset");
  return checked_handle(H5Dopen2(file, name.c_str(), access.get()), subject, "open the dataset");
}

/// The type in memory; sets `plain` if the file has the very same.
ElementType element_type(hid_t dataset, bool& plain, const Subject& subject) {
  const Handle type = checked_handle(H5Dget_type(dataset), subject, "read the element type");
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) {
    throw bad_input("{}: {}: expected numbers", subject.file.string(), subject.object);
  }
  const Handle half = hdf5::float16_type();
  const bool is_half = H5Tequal(type.get(), half.get()) > 0;
  plain = is_half || H5Tequal(type.get(), H5T_NATIVE_FLOAT) > 0;
  return is_half ? ElementType::kFloat16 : ElementType::kFloat32;
}

/// Number of the element at `place` in an array of `shape`.
std::int64_t element_number(const Shape& place, const Shape& shape) {
  std::int64_t number = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) number = number * shape[axis] + place[axis];
  return number;
}

/// Whether the elements of a chunk are neighbours in the dataset too: from the first axis along which it
/// has more than one element, it reaches over all axes behind.
bool is_run(const Shape& chunk, const Shape& shape) {
  std::size_t axis = 0;
  while (axis < chunk.size() && chunk[axis] == 1) ++axis;
  for (++axis; axis < chunk.size(); ++axis) {
    if (chunk[axis] != shape[axis]) return false;
  }
  return true;
}

/// Moves `place` to the start of the next chunk in row-major order; false behind the last one.
bool next_chunk(Shape& place, const Shape& chunk, const Shape& shape) {
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    place[axis] += chunk[axis];
    if (place[axis] < shape[axis]) return true;
    place[axis] = 0;
  }
  return false;
}

}  // namespace

struct RawDataset::Implementation {
  Implementation(const Hdf5File::Implementation& file, std::string_view dataset)
      : path(file.path), name(dataset), handle(open_dataset(file.id(), name, subject())) {
    type = element_type(handle.get(), plain, subject());
    const Handle space = checked_handle(H5Dget_space(handle.get()), subject(), "read the shape");
    shape = hdf5::shape_of(space.get(), subject());
    const Handle properties = checked_handle(H5Dget_create_plist(handle.get()), subject(), "read the layout");
    layout = H5Pget_layout(properties.get());
    chunk = shape;
    if (layout == H5D_CHUNKED) {
      std::vector<hsize_t> extents(shape.size());
      check(H5Pget_chunk(properties.get(), static_cast<int>(extents.size()), extents.data()), subject(), "read chunks");
      std::copy(extents.begin(), extents.end(), chunk.begin());
    }
    plain = plain && H5Pget_nfilters(properties.get()) == 0 && H5Pget_external_count(properties.get()) == 0;
    const Handle creation = checked_handle(H5Fget_create_plist(file.id()), subject(), "read the layout");
    hsize_t user_block = 0;
    check(H5Pget_userblock(creation.get(), &user_block), subject(), "read the layout");
    plain = plain && user_block == 0;  // releases of HDF5 differ in whether places of chunks count it
  }

  [[nodiscard]] Subject subject() const { return {path, name, ErrorCode::kBadInput}; }

  [[nodiscard]] std::vector<StoredRun> chunk_runs() const {
    std::vector<StoredRun> runs;
    if (!is_run(chunk, shape)) return runs;
    Shape place(shape.size(), 0);
    do {
      const std::vector<hsize_t> start(place.begin(), place.end());
      unsigned skipped_filters = 0;
      haddr_t offset = HADDR_UNDEF;
      hsize_t bytes = 0;
      check(H5Dget_chunk_info_by_coord(handle.get(), start.data(), &skipped_filters, &offset, &bytes), subject(),
            "find a chunk");
      if (offset == HADDR_UNDEF) return {};  // never written: the library knows what it counts for
      std::int64_t count = 1;
      for (std::size_t axis = 0; axis < shape.size(); ++axis) count *= std::min(chunk[axis], shape[axis] - place[axis]);
      runs.push_back({element_number(place, shape), count, static_cast<std::int64_t>(offset)});
    } while (next_chunk(place, chunk, shape));
    return runs;
  }

  void check_inside_file(const StoredRun& run) const {
    std::error_code failure;
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, failure));
    if (failure || (run.file_offset >= 0 && run.count * element_bytes(type) <= size - run.file_offset)) return;
    throw bad_input("{}: {}: cut short: the data lies beyond the file's {} bytes", path.string(), name, size);
  }

  std::filesystem::path path;
  std::string name;
  Handle handle;
  ElementType type = ElementType::kFloat32;
  H5D_layout_t layout = H5D_LAYOUT_ERROR;
  bool plain = false;  ///< stored as it is in memory
  Shape shape;
  Shape chunk;
};

RawDataset::RawDataset(const Hdf5File& file, std::string_view dataset)
    : implementation_(std::make_unique<Implementation>(*file.implementation_, dataset)) {}
RawDataset::~RawDataset() = default;
RawDataset::RawDataset(RawDataset&&) noexcept = default;
RawDataset& RawDataset::operator=(RawDataset&&) noexcept = default;

ElementType RawDataset::type() const noexcept {
  return implementation_->type;
}
const Shape& RawDataset::shape() const noexcept {
  return implementation_->shape;
}
const Shape& RawDataset::chunk() const noexcept {
  return implementation_->chunk;
}

std::vector<StoredRun> RawDataset::runs() const {
  const Implementation& own = *implementation_;
  if (!own.plain || element_count(own.shape) == 0) return {};
  std::vector<StoredRun> runs;
  if (own.layout == H5D_CHUNKED) {
    runs = own.chunk_runs();
  } else if (own.layout == H5D_CONTIGUOUS) {
    const haddr_t offset = H5Dget_offset(own.handle.get());
    if (offset == HADDR_UNDEF) H5Eclear2(H5E_DEFAULT);  // nothing was written yet
    if (offset != HADDR_UNDEF) runs.push_back({0, element_count(own.shape), static_cast<std::int64_t>(offset)});
  }
  for (const StoredRun& run : runs) own.check_inside_file(run);
  return runs;
}

void RawDataset::read(const Shape& offset, const Shape& count, void* target) const {
  const Implementation& own = *implementation_;
  require(offset.size() == own.shape.size() && count.size() == own.shape.size() && !offset.empty(),
          "RawDataset::read: as many axes as the dataset has");
  const Handle space = checked_handle(H5Dget_space(own.handle.get()), own.subject(), "read the shape");
  const std::vector<hsize_t> start(offset.begin(), offset.end());
  const std::vector<hsize_t> size(count.begin(), count.end());
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr), own.subject(),
        "select");
  const Handle memory = hdf5::make_space(count, false, own.subject());
  const Handle half = hdf5::float16_type();
  const hid_t type = own.type == ElementType::kFloat16 ? half.get() : H5T_NATIVE_FLOAT;
  check(H5Dread(own.handle.get(), type, memory.get(), space.get(), H5P_DEFAULT, target), own.subject(), "read");
}

}  // namespace kvscope
