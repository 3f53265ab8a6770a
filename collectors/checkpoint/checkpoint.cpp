#include "collectors/checkpoint/checkpoint.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "collectors/checkpoint/safetensors_file.h"
#include "collectors/checkpoint/tensor_name.h"
#include "collectors/checkpoint/torch_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace kvscope {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kTorchSave = "torch.save";
constexpr std::string_view kSafetensors = "safetensors";
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

bool begins_with(Bytes file, std::string_view text) {
  return std::string_view(reinterpret_cast<const char*>(file.data()), file.size()).substr(0, text.size()) == text;
}

/// Says what a file that is no checkpoint seems to be.
[[noreturn]] void refuse(Bytes file, std::string_view where) {
  if (is_legacy_torch_file(file)) {
    throw bad_input(
        "{}: the format of PyTorch before 1.6; write it anew with Python: torch.save(torch.load(OLD, "
        "map_location='cpu'), NEW)",
        where);
  }
  if (begins_with(file, "version https://git-lfs")) {
    throw bad_input("{}: only a Git LFS pointer; fetch the file itself with 'git lfs pull'", where);
  }
  if (begins_with(file, "\x89HDF")) throw bad_input("{}: an HDF5 file, expected a checkpoint", where);
  throw bad_input("{}: neither a torch.save file nor safetensors", where);
}

bool is_below(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix && name[prefix.size()] == '.';
}

/// Copies the elements of a strided tensor in row-major order, block by block.
class RowMajorCopy {
 public:
  explicit RowMajorCopy(const CheckpointTensor& tensor)
      : tensor_(tensor), size_(static_cast<std::size_t>(element_bytes(tensor.type))), index_(tensor.shape.size(), 0) {}

  void run(const std::function<void(Bytes)>& consume) {
    std::vector<std::byte> block;
    for (std::int64_t left = tensor_.elements(); left > 0; --left) {
      const auto from = tensor_.storage.subspan(static_cast<std::size_t>(offset_) * size_, size_);
      block.insert(block.end(), from.begin(), from.end());
      if (block.size() >= kBlockBytes || left == 1) {
        consume(block);
        block.clear();
      }
      step();
    }
  }

 private:
  /// Moves on to the next index, the last axis fastest.
  void step() {
    for (std::size_t axis = index_.size(); axis-- > 0;) {
      offset_ += tensor_.strides[axis];
      if (++index_[axis] < tensor_.shape[axis]) return;
      offset_ -= tensor_.strides[axis] * tensor_.shape[axis];
      index_[axis] = 0;
    }
  }

  const CheckpointTensor& tensor_;
  std::size_t size_;
  Shape index_;
  std::int64_t offset_ = 0;
};

}  // namespace

bool CheckpointTensor::is_contiguous() const {
  std::int64_t expected = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    // The stride of an axis of one element is never used.
    if (shape[axis] != 1 && strides[axis] != expected) return elements() == 0;
    expected *= shape[axis];
  }
  return true;
}

struct Checkpoint::Implementation {
  std::shared_ptr<const MappedFile> file;
  std::string_view container;
  std::vector<CheckpointTensor> tensors;
  std::unordered_map<std::string_view, const CheckpointTensor*> by_name;

  /// Fills by_name; `tensors` stay where they are from now on.
  void index() {
    for (const auto& tensor : tensors) {
      if (!by_name.emplace(tensor.name, &tensor).second) {
        throw bad_input("{}: tensor '{}' is there twice", file->path().string(), tensor.name);
      }
    }
  }
};

Checkpoint::Checkpoint(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const std::filesystem::path& path) {
  auto implementation = std::make_unique<Implementation>();
  implementation->file = std::make_shared<const MappedFile>(path);
  const Bytes bytes = implementation->file->bytes();
  const std::string where = path.string();
  if (is_zip(bytes)) {
    implementation->container = kTorchSave;
    implementation->tensors = read_torch_file(bytes, where);
  } else if (is_safetensors(bytes)) {
    implementation->container = kSafetensors;
    implementation->tensors = read_safetensors(bytes, where);
  } else {
    refuse(bytes, where);
  }
  implementation->index();
  return Checkpoint(std::move(implementation));
}

const std::filesystem::path& Checkpoint::path() const noexcept {
  return implementation_->file->path();
}

std::string_view Checkpoint::container() const noexcept {
  return implementation_->container;
}

const std::vector<CheckpointTensor>& Checkpoint::tensors() const noexcept {
  return implementation_->tensors;
}

const CheckpointTensor* Checkpoint::find(std::string_view name) const noexcept {
  const auto found = implementation_->by_name.find(name);
  return found == implementation_->by_name.end() ? nullptr : found->second;
}

const CheckpointTensor& Checkpoint::at(std::string_view name) const {
  const CheckpointTensor* tensor = find(name);
  if (tensor == nullptr) throw bad_input("{}: tensor '{}' is missing", path().string(), name);
  return *tensor;
}

Checkpoint Checkpoint::subtree(std::string_view prefix) const {
  auto below = std::make_unique<Implementation>();
  below->file = implementation_->file;
  below->container = implementation_->container;
  for (const auto& tensor : tensors()) {
    if (!is_below(tensor.name, prefix)) continue;
    below->tensors.push_back(tensor);
    below->tensors.back().name = tensor.name.substr(prefix.size() + 1);
  }
  if (below->tensors.empty()) throw bad_input("{}: holds no tensors below '{}'", path().string(), prefix);
  below->index();
  return Checkpoint(std::move(below));
}

bool Checkpoint::has_subtree(std::string_view prefix) const noexcept {
  return std::any_of(tensors().begin(), tensors().end(),
                     [&](const CheckpointTensor& tensor) { return is_below(tensor.name, prefix); });
}

std::int64_t Checkpoint::check_checksums() const {
  if (container() != kTorchSave) return 0;
  return check_torch_checksums(implementation_->file->bytes(), path().string());
}

void for_each_block(const CheckpointTensor& tensor, const std::function<void(Bytes)>& consume) {
  if (!tensor.is_contiguous()) {
    RowMajorCopy(tensor).run(consume);
    return;
  }
  const auto bytes = static_cast<std::size_t>(tensor.elements() * element_bytes(tensor.type));
  if (bytes > 0) consume(tensor.storage.first(bytes));
}

std::vector<std::byte> contiguous_bytes(const CheckpointTensor& tensor) {
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<std::size_t>(tensor.elements() * element_bytes(tensor.type)));
  for_each_block(tensor, [&](Bytes block) { bytes.insert(bytes.end(), block.begin(), block.end()); });
  return bytes;
}

std::string fingerprint(std::span<const Checkpoint* const> checkpoints) {
  std::vector<const CheckpointTensor*> tensors;
  for (const Checkpoint* checkpoint : checkpoints) {
    for (const auto& tensor : checkpoint->tensors()) tensors.push_back(&tensor);
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const CheckpointTensor* a, const CheckpointTensor* b) { return a->name < b->name; });
  Sha256 hash;
  for (const CheckpointTensor* tensor : tensors) {
    // Names hold no control characters, so the line feeds keep the parts apart.
    hash.update(fmt::format("{}\n{}\n[{}]\n", tensor->name, element_name(tensor->type), fmt::join(tensor->shape, ",")));
    for_each_block(*tensor, [&](Bytes block) { hash.update(block); });
  }
  return hash.hex_digest();
}

}  // namespace kvscope
