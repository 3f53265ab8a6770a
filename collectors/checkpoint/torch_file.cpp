#include "collectors/checkpoint/torch_file.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/crc32.h"
#include "collectors/checkpoint/tensor_name.h"
#include "collectors/checkpoint/unpickler.h"
#include "collectors/checkpoint/zip_directory.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace kvscope {
namespace {

using Bytes = std::span<const std::byte>;

/// Tensors may share storages (tied weights), but a file whose tensors are together this many times its own size
/// is made to keep us busy.
constexpr std::int64_t kLargestSharing = 64;

/// The records of one archive by their name below its top folder.
class Records {
 public:
  Records(Bytes file, std::string_view where) : where_(where), entries_(read_zip_directory(file, where)) {
    const auto stem = find_stem();
    for (const auto& entry : entries_) {
      if (entry.name.substr(0, stem.size()) == stem) by_name_.emplace(entry.name.substr(stem.size()), &entry);
    }
  }

  /// The record of that name, or nullptr.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  /// "NAME/": the top folder is called as the file was when it was saved, so it is found by its data.pkl.
  [[nodiscard]] std::string_view find_stem() const {
    constexpr std::string_view kPickle = "data.pkl";
    std::string_view stem;
    for (const auto& entry : entries_) {
      const auto slash = entry.name.find('/');
      if (slash == std::string_view::npos || entry.name.substr(slash + 1) != kPickle) continue;
      if (!stem.empty()) throw bad_input("{}: two data.pkl in one archive", where_);
      stem = entry.name.substr(0, slash + 1);
    }
    if (stem.empty()) throw bad_input("{}: a zip archive without data.pkl: not written by torch.save", where_);
    return stem;
  }

  std::string_view where_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, const ZipEntry*> by_name_;
};

/// 0 stands for a checksum that was not computed.
bool has_wrong_checksum(const ZipEntry& entry) {
  return entry.crc32 != 0 && crc32(entry.bytes) != entry.crc32;
}

void check_byte_order(const Records& records, std::string_view where) {
  const ZipEntry* record = records.find("byteorder");
  if (record == nullptr) return;
  const std::string_view text(reinterpret_cast<const char*>(record->bytes.data()), record->bytes.size());
  if (text != "little") throw bad_input("{}: byte order '{}', expected 'little'", where, printable(text));
}

/// Number of elements between the first one and the end of a storage that a view touches, the last included.
/// Nothing if it overflows or a value is negative.
std::optional<std::int64_t> reach(const Shape& shape, const Shape& strides) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    std::int64_t distance = 0;
    if (strides[axis] < 0 || __builtin_mul_overflow(shape[axis] - 1, strides[axis], &distance) ||
        __builtin_add_overflow(last, distance, &last)) {
      return std::nullopt;
    }
  }
  return last < INT64_MAX ? std::optional(last + 1) : std::nullopt;
}

/// Bytes of a dense tensor of `shape`; nothing if it overflows or an extent is negative.
std::optional<std::int64_t> dense_bytes(const Shape& shape, ElementType type) {
  std::int64_t bytes = element_bytes(type);
  bool empty = false;
  for (const auto extent : shape) {
    if (extent < 0) return std::nullopt;
    empty = empty || extent == 0;
    // An extent of zero does not excuse the others from being numbers one can multiply.
    if (extent > 0 && __builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return empty ? 0 : bytes;
}

Bytes storage_of(const PickledTensor& tensor, const Records& records, std::string_view where) {
  const ZipEntry* record = records.find(fmt::format("data/{}", tensor.storage));
  if (record == nullptr) {
    throw bad_input("{}: tensor '{}': its record 'data/{}' is missing", where, tensor.name, printable(tensor.storage));
  }
  std::int64_t bytes = 0;
  const bool fits = tensor.storage_elements >= 0 &&
                    !__builtin_mul_overflow(tensor.storage_elements, element_bytes(tensor.type), &bytes);
  if (!fits || static_cast<std::uint64_t>(bytes) != record->bytes.size()) {
    throw bad_input("{}: tensor '{}': record 'data/{}' has {} bytes, expected {} elements of {}", where, tensor.name,
                    printable(tensor.storage), record->bytes.size(), tensor.storage_elements,
                    element_name(tensor.type));
  }
  return record->bytes;
}

CheckpointTensor view_of(const PickledTensor& tensor, const Records& records, std::string_view where) {
  const Bytes storage = storage_of(tensor, records, where);
  const auto bytes = dense_bytes(tensor.shape, tensor.type);
  const bool sound = bytes.has_value() && tensor.strides.size() == tensor.shape.size() && tensor.offset >= 0;
  const auto touched = !sound        ? std::nullopt
                       : *bytes == 0 ? std::optional<std::int64_t>(0)
                                     : reach(tensor.shape, tensor.strides);
  if (!touched.has_value() || *touched > tensor.storage_elements ||
      tensor.offset > tensor.storage_elements - *touched) {
    throw bad_input("{}: tensor '{}': its shape, strides or offset lie outside its storage of {} elements", where,
                    tensor.name, tensor.storage_elements);
  }
  const auto size = static_cast<std::size_t>(element_bytes(tensor.type));
  return {tensor.name, tensor.type, tensor.shape, tensor.strides,
          storage.subspan(static_cast<std::size_t>(tensor.offset) * size, static_cast<std::size_t>(*touched) * size)};
}

/// Refuses tensors that are far larger than the file, which strides of zero and shared storages make possible.
void check_expansion(const std::vector<CheckpointTensor>& tensors, Bytes file, std::string_view where) {
  const auto file_bytes = static_cast<std::int64_t>(file.size());
  std::int64_t total = 0;
  for (const auto& tensor : tensors) {
    // At most 2^63 each: dense_bytes did not overflow.
    const std::int64_t bytes = tensor.elements() * element_bytes(tensor.type);
    if (bytes > file_bytes || __builtin_add_overflow(total, bytes, &total) || total / kLargestSharing > file_bytes) {
      throw bad_input("{}: tensor '{}': the tensors are far larger than the file of {} bytes that is to hold them",
                      where, tensor.name, file_bytes);
    }
  }
}

}  // namespace

bool is_zip(Bytes file) noexcept {
  constexpr std::array kStart = {std::byte{'P'}, std::byte{'K'}, std::byte{3}, std::byte{4}};
  return file.size() >= kStart.size() && std::equal(kStart.begin(), kStart.end(), file.begin());
}

bool is_legacy_torch_file(Bytes file) noexcept {
  // The pickle of its magic number 0x1950A86A20F9469CFC6C.
  constexpr std::array<unsigned char, 15> kStart = {0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46,
                                                    0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E};
  return file.size() >= kStart.size() && std::equal(kStart.begin(), kStart.end(), file.begin(), [](auto a, auto b) {
           return a == std::to_integer<unsigned char>(b);
         });
}

std::vector<CheckpointTensor> read_torch_file(Bytes file, std::string_view where) {
  const Records records(file, where);
  check_byte_order(records, where);
  const ZipEntry& pickle = *records.find("data.pkl");
  const std::string pickle_place = fmt::format("{}: data.pkl", where);
  if (has_wrong_checksum(pickle)) throw bad_input("{}: damaged: it does not match its checksum", pickle_place);
  std::vector<CheckpointTensor> tensors;
  for (const auto& tensor : read_pickled_tensors(pickle.bytes, pickle_place)) {
    tensors.push_back(view_of(tensor, records, where));
  }
  check_expansion(tensors, file, where);
  return tensors;
}

std::int64_t check_torch_checksums(Bytes file, std::string_view where) {
  std::int64_t compared = 0;
  for (const auto& entry : read_zip_directory(file, where)) {
    if (has_wrong_checksum(entry)) {
      throw bad_input("{}: record '{}' is damaged: it does not match its checksum", where, printable(entry.name));
    }
    compared += entry.crc32 != 0 ? 1 : 0;
  }
  return compared;
}

}  // namespace kvscope
