#include "collectors/hdf5/stored_blocks.h"

#include "collectors/base/error.h"
#include "collectors/hdf5/fletcher32.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Number of the element at `place` in an array of `shape`.
std::int64_t element_number(const Shape& place, const Shape& shape) {
  std::int64_t number = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) number = number * shape[axis] + place[axis];
  return number;
}

/// Moves `place` to the next one of `first` to `first + count - 1` along the axes before `axes`, in row-major order;
/// false behind the last one.
bool next_place(Shape& place, const Shape& first, const Shape& count, std::size_t axes) {
  for (std::size_t axis = axes; axis-- > 0;) {
    if (++place[axis] < first[axis] + count[axis]) return true;
    place[axis] = first[axis];
  }
  return false;
}

}  // namespace

/// What a chunk has of a block.
struct StoredBlocks::Part {
  std::int64_t file_offset = 0;  ///< of the chunk
  Shape in_chunk;                ///< first place of the part, counted from the chunk's
  Shape in_block;                ///< the same place, counted from the block's
  Shape count;
  const Shape& block;  ///< extents of the block

  /// The axis from which on the part's elements are neighbours in the chunk and in the block.
  [[nodiscard]] std::size_t run_axis(const Shape& chunk) const {
    std::size_t axis = count.size() - 1;
    while (axis > 0 && count[axis] == chunk[axis] && count[axis] == block[axis]) --axis;
    return axis;
  }

  /// Calls action(element of the chunk, element of the block, elements) for every run of neighbours.
  template <typename Action>
  void for_each_run(const Shape& chunk, Action&& action) const {
    const std::size_t axis = run_axis(chunk);
    std::int64_t run = 1;
    for (std::size_t inner = axis; inner < count.size(); ++inner) run *= count[inner];
    Shape place = in_chunk;
    do {
      Shape target = in_block;
      for (std::size_t outer = 0; outer < place.size(); ++outer) target[outer] += place[outer] - in_chunk[outer];
      action(element_number(place, chunk), element_number(target, block), run);
    } while (next_place(place, in_chunk, count, axis));
  }

  /// Elements of the chunk from the first to the last one of the part.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> reach(const Shape& chunk) const {
    Shape last = in_chunk;
    for (std::size_t axis = 0; axis < last.size(); ++axis) last[axis] += count[axis] - 1;
    return {element_number(in_chunk, chunk), element_number(last, chunk) + 1};
  }
};

void StoredBlocks::read(const FileReader& file, const Shape& offset, const Shape& count, std::byte* target,
                        std::vector<std::byte>& scratch) const {
  const std::size_t axes = shape_.size();
  require(offset.size() == axes && count.size() == axes, "StoredBlocks::read: as many axes as the dataset has");
  Shape first(axes);
  Shape chunks(axes);
  for (std::size_t axis = 0; axis < axes; ++axis) {
    require(offset[axis] >= 0 && count[axis] > 0 && offset[axis] + count[axis] <= shape_[axis],
            "StoredBlocks::read: the block lies outside the dataset");
    first[axis] = offset[axis] / chunk_[axis];
    chunks[axis] = (offset[axis] + count[axis] - 1) / chunk_[axis] - first[axis] + 1;
  }
  Shape place = first;
  do {
    Part part{.file_offset = file_offsets_[index(element_number(place, grid_))],
              .in_chunk = Shape(axes),
              .in_block = Shape(axes),
              .count = Shape(axes),
              .block = count};
    for (std::size_t axis = 0; axis < axes; ++axis) {
      const std::int64_t start = place[axis] * chunk_[axis];
      const std::int64_t from = std::max(start, offset[axis]);
      part.in_chunk[axis] = from - start;
      part.in_block[axis] = from - offset[axis];
      part.count[axis] = std::min(start + chunk_[axis], offset[axis] + count[axis]) - from;
    }
    read_part(file, part, target, scratch);
  } while (next_place(place, first, chunks, axes));
}

void StoredBlocks::read_part(const FileReader& file, const Part& part, std::byte* target,
                             std::vector<std::byte>& scratch) const {
  if (has_checksums_ && part.count == chunk_ && part.count == part.block)
    return read_checked(file, part.file_offset, target);
  if (has_checksums_) {
    if (std::ssize(scratch) < chunk_bytes() + kSlackBytes) scratch.resize(index(chunk_bytes() + kSlackBytes));
    read_checked(file, part.file_offset, scratch.data());
    return copy_runs(part, scratch.data(), 0, target);
  }
  if (part.run_axis(chunk_) + 1 < chunk_.size() || file_offsets_.size() == 1) {
    // Runs longer than a row of the block: few enough to be read one by one.
    return part.for_each_run(chunk_, [&](std::int64_t from, std::int64_t to, std::int64_t run) {
      file.read(part.file_offset + from * element_bytes_, {target + to * element_bytes_, index(run * element_bytes_)});
    });
  }
  const auto [begin, end] = part.reach(chunk_);
  const std::int64_t bytes = (end - begin) * element_bytes_;
  if (std::ssize(scratch) < bytes) scratch.resize(index(bytes));
  file.read(part.file_offset + begin * element_bytes_, {scratch.data(), index(bytes)});
  copy_runs(part, scratch.data(), begin, target);
}

/// From memory that holds the chunk from the element `begin` on.
void StoredBlocks::copy_runs(const Part& part, const std::byte* chunk, std::int64_t begin, std::byte* target) const {
  part.for_each_run(chunk_, [&](std::int64_t from, std::int64_t to, std::int64_t run) {
    std::memcpy(target + to * element_bytes_, chunk + (from - begin) * element_bytes_, index(run * element_bytes_));
  });
}

void StoredBlocks::read_checked(const FileReader& file, std::int64_t file_offset, std::byte* target) const {
  const std::span room(target, index(chunk_bytes() + kSlackBytes));
  file.read(file_offset, room);
  std::uint32_t expected = 0;
  std::memcpy(&expected, target + chunk_bytes(), sizeof(expected));
  if (fletcher32(room.first(index(chunk_bytes()))) != expected)
    throw bad_input("{}: damaged: a chunk does not have its checksum", name_);
}

}  // namespace kvscope
