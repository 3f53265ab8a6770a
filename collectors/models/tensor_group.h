#pragma once

#include "collectors/checkpoint/checkpoint.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// The tensors of a checkpoint below a prefix: a flat state dictionary has prefix "", the transformer of
/// a VAR training checkpoint "trainer.var_wo_ddp.". Names are given without the prefix.
///
/// Refers to the checkpoint, which must outlive it.
class TensorGroup {
 public:
  TensorGroup(const Checkpoint& checkpoint, std::string prefix);

  /// The group below the first of `prefixes` under which one of `landmarks` exists; below the first
  /// prefix if there is none (its absence is then named by check_tensors).
  [[nodiscard]] static TensorGroup locate(const Checkpoint& checkpoint, std::span<const std::string_view> prefixes,
                                          std::span<const std::string_view> landmarks);

  [[nodiscard]] const Checkpoint& checkpoint() const noexcept { return *checkpoint_; }
  [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
  /// The file, for messages.
  [[nodiscard]] std::string file() const { return checkpoint_->path().string(); }

  [[nodiscard]] const CheckpointTensor* find(std::string_view name) const;
  /// @throws Error  kBadInput naming file and tensor if it is missing.
  [[nodiscard]] const CheckpointTensor& at(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Names without the prefix, in file order.
  [[nodiscard]] std::vector<std::string_view> names() const;
  /// One more than the largest N of the names "`stem`N.*"; 0 if there are none.
  /// @throws Error  kBadInput if N exceeds the number of tensors in the file, which no real model does.
  [[nodiscard]] int indexed_count(std::string_view stem) const;

 private:
  const Checkpoint* checkpoint_;
  std::string prefix_;
};

/// A tensor that a model of known geometry has.
struct ExpectedTensor {
  std::string name;
  Shape shape;
};

/// Extents of one tensor from which a model's geometry is read. Axes of extent 0 in `pattern` are free;
/// the others must match.
///
/// @throws Error  kBadInput naming file, tensor and shape if it is missing, has another rank, a fixed
///                axis differs, or a free one is outside [1, 2^24].
[[nodiscard]] const Shape& required_shape(const TensorGroup& group, std::string_view name, const Shape& pattern);

/// Throws kBadInput naming all of `names` that are missing: what a geometry is read from, before it is read.
void require_tensors(const TensorGroup& group, std::string_view what, std::span<const std::string_view> names);

/// Compares a group with what a model of its geometry consists of. Every missing, unexpected, wrongly
/// shaped or non-floating tensor is collected; the error names the first of them and counts the rest.
///
/// @param what       what the group should be, for the message: "VAR transformer"
/// @param ignorable  names that may be there or not and are not used
/// @throws Error     kBadInput in one line
void check_tensors(const TensorGroup& group, std::string_view what, std::span<const ExpectedTensor> expected,
                   const std::function<bool(std::string_view)>& ignorable);

/// "[2, 3]"
[[nodiscard]] std::string describe(const Shape& shape);

}  // namespace kvscope
