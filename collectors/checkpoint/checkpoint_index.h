#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace kvscope {

/// Names of the tensors of each shard, by the name of the shard's file.
using CheckpointIndex = std::map<std::string, std::set<std::string>>;

/// True if the text looks like the index of a checkpoint in several files: a JSON object with a "weight_map".
[[nodiscard]] bool is_checkpoint_index(std::string_view text) noexcept;

/// Reads an index as the transformers library writes it (pytorch_model.bin.index.json,
/// model.safetensors.index.json): {"metadata": {...}, "weight_map": {tensor: file, ...}}. All but "weight_map" is
/// ignored. Files lie beside the index: a name that leads anywhere else is refused.
/// @param where  begins error messages: the index file's path
/// @throws Error  kBadInput naming the tensor or shard
[[nodiscard]] CheckpointIndex read_checkpoint_index(std::string_view text, std::string_view where);

/// The file of a folder that holds its weights, or their index: the first that is there of model.safetensors,
/// model.safetensors.index.json, pytorch_model.bin and pytorch_model.bin.index.json, the order of the transformers
/// library.
/// @throws Error  kBadInput if there is none.
[[nodiscard]] std::filesystem::path weights_file_of_folder(const std::filesystem::path& folder);

}  // namespace kvscope
