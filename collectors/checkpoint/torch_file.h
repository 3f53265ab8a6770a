#pragma once

#include "collectors/checkpoint/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope {

/// True if the bytes begin as a zip archive does.
[[nodiscard]] bool is_zip(std::span<const std::byte> file) noexcept;

/// True if the bytes begin as torch.save files did before PyTorch 1.6.
[[nodiscard]] bool is_legacy_torch_file(std::span<const std::byte> file) noexcept;

/// The tensors of a torch.save file, as views into `file`, in the order of its dictionaries.
///
/// A zip archive of `<stem>/data.pkl` (a pickle that describes the tensors), `<stem>/data/<key>` (one storage
/// each, raw) and `<stem>/byteorder`. Storages may be shared, tensors may be any strided view of theirs.
/// @param where  begins error messages: the file's path
/// @throws Error  kBadInput
[[nodiscard]] std::vector<CheckpointTensor> read_torch_file(std::span<const std::byte> file, std::string_view where);

/// Compares every record with its CRC-32. @return how many had one.
/// @throws Error  kBadInput naming the record that differs.
std::int64_t check_torch_checksums(std::span<const std::byte> file, std::string_view where);

}  // namespace kvscope
