#pragma once

#include "collectors/checkpoint/checkpoint.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope::testing {

/// The tensors of a checkpoint in memory, to be changed and saved as safetensors: how tests make files that
/// are nearly right.
class ModelFile {
 public:
  struct Entry {
    std::string name;
    ElementType type;
    Shape shape;
    std::vector<std::byte> bytes;
  };

  explicit ModelFile(const std::filesystem::path& path);

  [[nodiscard]] std::vector<Entry>& entries() noexcept { return entries_; }
  [[nodiscard]] Entry& at(std::string_view name);
  void remove(std::string_view name);
  /// Removes all names that begin with `prefix`.
  void remove_below(std::string_view prefix);
  void rename(std::string_view name, std::string_view new_name);
  /// A copy of `name` under a new name.
  void copy(std::string_view name, std::string_view new_name);
  /// Gives a tensor another shape, filled with zeros.
  void reshape(std::string_view name, const Shape& shape);
  void add_zeros(std::string_view name, ElementType type, const Shape& shape);
  /// Puts every name below a prefix.
  void wrap(std::string_view prefix);
  /// Spells "X.conv.weight" and "X.norm.weight" as "X.weight" (biases alike) in the names that contain `part`.
  void unwrap_layers(std::string_view part = "");
  void append(const ModelFile& other);

  void save(const std::filesystem::path& path) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace kvscope::testing
