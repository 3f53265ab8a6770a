#include "collectors/checkpoint/checkpoint_index.h"

#include "collectors/base/error.h"
#include "collectors/base/json_file.h"
#include "collectors/checkpoint/tensor_name.h"

#include <fmt/ranges.h>

#include <array>
#include <cstddef>
#include <system_error>

namespace kvscope {
namespace {

/// Far more than the index of the largest model; what is larger is no index.
constexpr std::size_t kLargestIndex = 100'000'000;
constexpr std::size_t kLongestFileName = 255;
constexpr std::array<std::string_view, 4> kWeightsFiles = {"model.safetensors", "model.safetensors.index.json",
                                                           "pytorch_model.bin", "pytorch_model.bin.index.json"};

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestFileName && is_plain_text(name) && name != "." && name != ".." &&
         name.find_first_of("/\\") == std::string_view::npos;
}

}  // namespace

bool is_checkpoint_index(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' && text.size() <= kLargestIndex &&
         text.find("\"weight_map\"") != std::string_view::npos;
}

CheckpointIndex read_checkpoint_index(std::string_view text, std::string_view where) {
  const auto map = json_field<Json>(parse_json(text, where), "weight_map", where);
  if (!map.is_object()) throw bad_input("{}: 'weight_map' is no JSON object", where);
  CheckpointIndex index;
  for (const auto& [tensor, file] : map.items()) {
    check_tensor_name(tensor, where);
    if (!file.is_string()) throw bad_input("{}: tensor '{}': its shard is no name of a file", where, printable(tensor));
    const auto& name = file.get_ref<const std::string&>();
    if (!is_plain_file_name(name)) {
      throw bad_input("{}: tensor '{}': shard '{}' is not the name of a file beside the index", where,
                      printable(tensor), printable(name));
    }
    index[name].insert(tensor);
  }
  if (index.empty()) throw bad_input("{}: 'weight_map' names no tensors", where);
  return index;
}

std::filesystem::path weights_file_of_folder(const std::filesystem::path& folder) {
  for (const std::string_view name : kWeightsFiles) {
    if (std::error_code ignored; std::filesystem::exists(folder / name, ignored)) return folder / name;
  }
  throw bad_input("{}: a folder without weights; expected one of {} in it", folder.string(),
                  fmt::join(kWeightsFiles, ", "));
}

}  // namespace kvscope
