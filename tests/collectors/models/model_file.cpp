#include "collectors/models/model_file.h"

#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "support/checkpoint_files.h"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace kvscope::testing {
namespace {

std::string_view safetensors_type(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "F32";
    case ElementType::kFloat16:
      return "F16";
    case ElementType::kBFloat16:
      return "BF16";
    case ElementType::kInt64:
      return "I64";
    default:
      throw std::runtime_error("a type that no test writes");
  }
}

}  // namespace

ModelFile::ModelFile(const std::filesystem::path& path) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    entries_.push_back({tensor.name, tensor.type, tensor.shape, contiguous_bytes(tensor)});
  }
}

ModelFile::Entry& ModelFile::at(std::string_view name) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.name == name; });
  if (found == entries_.end()) throw std::runtime_error("no tensor " + std::string(name));
  return *found;
}

void ModelFile::remove(std::string_view name) {
  (void)at(name);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.name == name; });
}

void ModelFile::remove_below(std::string_view prefix) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.name.starts_with(prefix); });
}

void ModelFile::rename(std::string_view name, std::string_view new_name) {
  at(name).name = new_name;
}

void ModelFile::copy(std::string_view name, std::string_view new_name) {
  Entry entry = at(name);
  entry.name = new_name;
  entries_.push_back(std::move(entry));
}

void ModelFile::reshape(std::string_view name, const Shape& shape) {
  Entry& entry = at(name);
  entry.shape = shape;
  entry.bytes.assign(static_cast<std::size_t>(element_count(shape) * element_bytes(entry.type)), std::byte{0});
}

void ModelFile::add_zeros(std::string_view name, ElementType type, const Shape& shape) {
  entries_.push_back({std::string(name), type, {}, {}});
  reshape(name, shape);
}

void ModelFile::wrap(std::string_view prefix) {
  for (Entry& entry : entries_) entry.name.insert(0, prefix);
}

void ModelFile::unwrap_layers(std::string_view part) {
  for (Entry& entry : entries_) {
    if (entry.name.find(part) == std::string::npos) continue;
    for (const std::string_view tensor : {".weight", ".bias"}) {
      for (const std::string_view wrapper : {".conv", ".norm"}) {
        if (entry.name.ends_with(std::string(wrapper) + std::string(tensor)))
          entry.name.erase(entry.name.size() - tensor.size() - wrapper.size(), wrapper.size());
      }
    }
  }
}

void ModelFile::append(const ModelFile& other) {
  entries_.insert(entries_.end(), other.entries_.begin(), other.entries_.end());
}

void ModelFile::save(const std::filesystem::path& path) const {
  Json header = Json::object();
  std::string data;
  for (const Entry& entry : entries_) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
    header[entry.name] = {
        {"dtype", safetensors_type(entry.type)}, {"shape", entry.shape}, {"data_offsets", {begin, data.size()}}};
  }
  write_file(path, safetensors_bytes(header.dump(), data));
}

}  // namespace kvscope::testing
