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

/// Moves `place` to the start of the next chunk in row-major order; false behind the last one.
bool next_chunk(Shape& place, const Shape& chunk, const Shape& shape) {
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    place[axis] += chunk[axis];
    if (place[axis] < shape[axis]) return true;
    place[axis] = 0;
  }
  return false;
}

/// Filters that StoredBlocks undoes itself.
bool has_only_checksums(hid_t properties, int filters) {
  if (filters != 1) return false;
  unsigned flags = 0;
  std::size_t values = 0;
  return H5Pget_filter2(properties, 0, &flags, &values, nullptr, 0, nullptr, nullptr) == H5Z_FILTER_FLETCHER32;
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
    if (layout == H5D_CHUNKED) {
      std::vector<hsize_t> extents(shape.size());
      check(H5Pget_chunk(properties.get(), static_cast<int>(extents.size()), extents.data()), subject(), "read chunks");
      chunk.emplace(extents.begin(), extents.end());
    }
    const int filters = H5Pget_nfilters(properties.get());
    has_checksums = has_only_checksums(properties.get(), filters);
    const Handle creation = checked_handle(H5Fget_create_plist(file.id()), subject(), "read the layout");
    hsize_t user_block = 0;
    check(H5Pget_userblock(creation.get(), &user_block), subject(), "read the layout");
    // Releases of HDF5 differ in whether places of chunks count the user's block.
    plain = plain && (filters == 0 || has_checksums) && H5Pget_external_count(properties.get()) == 0 && user_block == 0;
  }

  [[nodiscard]] Subject subject() const { return {path, name, ErrorCode::kBadInput}; }

  /// Where the chunk from `place` on lies; nothing if it was never written or its filter was left out.
  [[nodiscard]] std::optional<std::int64_t> chunk_offset(const Shape& place) const {
    const std::vector<hsize_t> start(place.begin(), place.end());
    unsigned filters_left_out = 0;
    haddr_t offset = HADDR_UNDEF;
    hsize_t bytes = 0;
    check(H5Dget_chunk_info_by_coord(handle.get(), start.data(), &filters_left_out, &offset, &bytes), subject(),
          "find a chunk");
    if (offset == HADDR_UNDEF || filters_left_out != 0) return std::nullopt;
    return static_cast<std::int64_t>(offset);
  }

  void check_inside_file(std::int64_t end) const {
    std::error_code failure;
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, failure));
    if (failure || end <= size) return;
    throw bad_input("{}: {}: cut short: data ends at byte {} of the file, which has {}", path.string(), name, end,
                    size);
  }

  std::filesystem::path path;
  std::string name;
  Handle handle;
  ElementType type = ElementType::kFloat32;
  H5D_layout_t layout = H5D_LAYOUT_ERROR;
  bool plain = false;  ///< stored as it is in memory, but for checksums
  bool has_checksums = false;
  Shape shape;
  std::optional<Shape> chunk;
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
const std::optional<Shape>& RawDataset::chunk() const noexcept {
  return implementation_->chunk;
}

std::optional<StoredBlocks> RawDataset::stored() const {
  const Implementation& own = *implementation_;
  if (!own.plain || own.shape.empty() || element_count(own.shape) == 0) return std::nullopt;
  StoredBlocks blocks;
  blocks.name_ = fmt::format("{}: {}", own.path.string(), own.name);
  blocks.element_bytes_ = element_bytes(own.type);
  blocks.shape_ = own.shape;
  blocks.chunk_ = own.chunk.value_or(own.shape);
  blocks.has_checksums_ = own.has_checksums;
  for (std::size_t axis = 0; axis < own.shape.size(); ++axis)
    blocks.grid_.push_back((own.shape[axis] + blocks.chunk_[axis] - 1) / blocks.chunk_[axis]);
  if (own.layout == H5D_CHUNKED) {
    Shape place(own.shape.size(), 0);
    do {
      const auto offset = own.chunk_offset(place);
      if (!offset) return std::nullopt;
      blocks.file_offsets_.push_back(*offset);
    } while (next_chunk(place, blocks.chunk_, own.shape));
  } else if (own.layout == H5D_CONTIGUOUS) {
    const haddr_t offset = H5Dget_offset(own.handle.get());
    if (offset == HADDR_UNDEF) {  // nothing was written yet: the library knows what the numbers are
      H5Eclear2(H5E_DEFAULT);
      return std::nullopt;
    }
    blocks.file_offsets_.push_back(static_cast<std::int64_t>(offset));
  } else {
    return std::nullopt;
  }
  own.check_inside_file(*std::ranges::max_element(blocks.file_offsets_) + blocks.chunk_bytes() +
                        (own.has_checksums ? StoredBlocks::kSlackBytes : 0));
  return blocks;
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
