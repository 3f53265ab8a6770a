#pragma once

#include "collectors/base/array.h"
#include "collectors/base/element_type.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// One tensor of a checkpoint: a strided view into the mapped file.
struct CheckpointTensor {
  std::string name;  ///< e.g. "blocks.0.attn.mat_qkv.weight"
  ElementType type = ElementType::kFloat32;
  Shape shape;
  Shape strides;                       ///< in elements, one per axis; row-major unless the file says otherwise
  std::span<const std::byte> storage;  ///< from the tensor's first element on; lives as long as the Checkpoint

  [[nodiscard]] std::int64_t elements() const { return element_count(shape); }
  [[nodiscard]] bool is_contiguous() const;
};

/// Named tensors in memory-mapped files: an official .pth (torch.save zip), a .safetensors, or several of either with
/// an index (docs/formats/checkpoint.md), told apart by content. Reading never executes anything from a file: the
/// unpickler knows tensors, parameters, dictionaries and plain values, and refuses every other global by name.
class Checkpoint {
 public:
  /// @param path  a file, an index, or a folder with either under its usual name (weights_file_of_folder())
  /// @throws Error  kBadInput naming the file, the record and what is wrong with it.
  [[nodiscard]] static Checkpoint open(const std::filesystem::path& path);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  /// As given to open().
  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// Files with tensors: 1, or the number of shards.
  [[nodiscard]] std::int64_t file_count() const noexcept;
  /// Bytes of these files.
  [[nodiscard]] std::int64_t file_bytes() const noexcept;
  /// "torch.save" or "safetensors"; of the first shard, where there are several.
  [[nodiscard]] std::string_view container() const noexcept;
  /// All tensors in file order, shards by their name. Names inside nested dictionaries are joined with '.'.
  [[nodiscard]] const std::vector<CheckpointTensor>& tensors() const noexcept;
  /// The tensor of that name, or nullptr.
  [[nodiscard]] const CheckpointTensor* find(std::string_view name) const noexcept;
  /// @throws Error  kBadInput naming file and tensor if it is missing.
  [[nodiscard]] const CheckpointTensor& at(std::string_view name) const;

  /// The tensors below `prefix`, without it: subtree("trainer.var_wo_ddp") of a training checkpoint is the model.
  /// Shares the mapped files.
  /// @throws Error  kBadInput naming file and prefix if there are none.
  [[nodiscard]] Checkpoint subtree(std::string_view prefix) const;
  /// True if the name of a tensor begins with `prefix` and a '.'.
  [[nodiscard]] bool has_subtree(std::string_view prefix) const noexcept;
  /// Gives back the physical memory that reading `tensor`, one of these, took; it stays as readable as before
  /// (MappedFile::release()).
  void release(const CheckpointTensor& tensor) const noexcept;
  /// Reads every byte of the files and compares it with the checksums in it (torch.save has one a record,
  /// safetensors none; they are also absent where PyTorch was told not to compute them).
  /// @return the number of records compared.
  /// @throws Error  kBadInput naming file and record where one differs.
  std::int64_t check_checksums() const;

 private:
  struct Implementation;
  explicit Checkpoint(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

/// Calls `consume` with the elements of `tensor` in row-major order, piece by piece: the mapped file itself where
/// the tensor is contiguous, blocks of at most 1 MiB otherwise.
void for_each_block(const CheckpointTensor& tensor, const std::function<void(std::span<const std::byte>)>& consume);

/// The elements of `tensor` in row-major order, as they are stored (no conversion).
[[nodiscard]] std::vector<std::byte> contiguous_bytes(const CheckpointTensor& tensor);

/// SHA-256 over name, type, shape and row-major bytes of every tensor in order of name, of all
/// checkpoints given: the same for every container that holds the same tensors. Memory is needed for one tensor at a
/// time.
[[nodiscard]] std::string fingerprint(std::span<const Checkpoint* const> checkpoints);

}  // namespace kvscope
