#include "collectors/checkpoint/checkpoint.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "collectors/checkpoint/checkpoint_index.h"
#include "collectors/checkpoint/safetensors_file.h"
#include "collectors/checkpoint/tensor_name.h"
#include "collectors/checkpoint/torch_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace kvscope {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kTorchSave = "torch.save";
constexpr std::string_view kSafetensors = "safetensors";
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

std::string_view text_of(Bytes file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

/// Says what a file that is no checkpoint seems to be.
[[noreturn]] void refuse(Bytes file, std::string_view where) {
  if (is_legacy_torch_file(file)) {
    throw bad_input(
        "{}: the format of PyTorch before 1.6; write it anew with Python: torch.save(torch.load(OLD, "
        "map_location='cpu'), NEW)",
        where);
  }
  if (text_of(file).starts_with("version https://git-lfs")) {
    throw bad_input("{}: only a Git LFS pointer; fetch the file itself with 'git lfs pull'", where);
  }
  if (text_of(file).starts_with("\x89HDF")) throw bad_input("{}: an HDF5 file, expected a checkpoint", where);
  throw bad_input("{}: neither a torch.save file nor safetensors", where);
}

bool is_below(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix && name[prefix.size()] == '.';
}

/// The stretch of the file that holds a tensor's elements; its storage may hold more tensors behind them.
Bytes occupied(const CheckpointTensor& tensor) {
  if (tensor.elements() == 0) return tensor.storage.first(0);
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis)
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  return tensor.storage.first(static_cast<std::size_t>((last + 1) * element_bytes(tensor.type)));
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
  std::filesystem::path path;
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::string_view container;
  std::vector<CheckpointTensor> tensors;
  std::unordered_map<std::string_view, const CheckpointTensor*> by_name;

  /// Appends the tensors of a file, or of the shards of an index.
  void read(const std::filesystem::path& file) {
    const auto mapped = std::make_shared<const MappedFile>(file);
    const std::string_view text = text_of(mapped->bytes());
    // The length that begins a safetensors file may look like a brace.
    if (!is_safetensors(mapped->bytes()) && is_checkpoint_index(text)) {
      read_shards(file, read_checkpoint_index(text, file.string()));
    } else {
      read_tensors(mapped);
    }
  }

  /// Fills by_name; `tensors` stay where they are from now on.
  void index() {
    for (const auto& tensor : tensors) {
      if (!by_name.emplace(tensor.name, &tensor).second) {
        throw bad_input("{}: tensor '{}' is there twice", path.string(), tensor.name);
      }
    }
  }

 private:
  void read_tensors(const std::shared_ptr<const MappedFile>& file) {
    const Bytes bytes = file->bytes();
    const std::string where = file->path().string();
    const bool torch_save = is_zip(bytes);
    if (!torch_save && !is_safetensors(bytes)) refuse(bytes, where);
    std::ranges::move(torch_save ? read_torch_file(bytes, where) : read_safetensors(bytes, where),
                      std::back_inserter(tensors));
    if (files.empty()) container = torch_save ? kTorchSave : kSafetensors;
    files.push_back(file);
  }

  void read_shards(const std::filesystem::path& index_file, const CheckpointIndex& index) {
    for (const auto& [shard, names] : index) {
      const std::filesystem::path file = index_file.parent_path() / shard;
      if (std::error_code ignored; !std::filesystem::exists(file, ignored)) {
        throw bad_input("{}: shard '{}' is missing; the index names {}", index_file.string(), shard, index.size());
      }
      const std::size_t before = tensors.size();
      read_tensors(std::make_shared<const MappedFile>(file));
      check_shard(std::span(tensors).subspan(before), names, index_file, file);
    }
  }

  /// A shard holds what the index says, all of it and nothing else.
  static void check_shard(std::span<const CheckpointTensor> found, std::set<std::string> expected,
                          const std::filesystem::path& index_file, const std::filesystem::path& file) {
    for (const CheckpointTensor& tensor : found) {
      if (expected.erase(tensor.name) == 0) {
        throw bad_input("{}: tensor '{}' is not what {} says of this shard", file.string(), tensor.name,
                        index_file.filename().string());
      }
    }
    if (expected.empty()) return;
    throw bad_input("{}: tensor '{}' is missing, which {} says to be in this shard", file.string(), *expected.begin(),
                    index_file.filename().string());
  }
};

Checkpoint::Checkpoint(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const std::filesystem::path& path) {
  auto implementation = std::make_unique<Implementation>();
  implementation->path = path;
  std::error_code ignored;  // whatever is no folder is opened, which says what is wrong with it
  implementation->read(std::filesystem::is_directory(path, ignored) ? weights_file_of_folder(path) : path);
  implementation->index();
  return Checkpoint(std::move(implementation));
}

const std::filesystem::path& Checkpoint::path() const noexcept {
  return implementation_->path;
}

std::int64_t Checkpoint::file_count() const noexcept {
  return static_cast<std::int64_t>(implementation_->files.size());
}

std::int64_t Checkpoint::file_bytes() const noexcept {
  std::int64_t bytes = 0;
  for (const auto& file : implementation_->files) bytes += static_cast<std::int64_t>(file->bytes().size());
  return bytes;
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
  below->path = implementation_->path;
  below->files = implementation_->files;
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

void Checkpoint::release(const CheckpointTensor& tensor) const noexcept {
  const std::less_equal<const std::byte*> at_or_before;
  for (const auto& file : implementation_->files) {
    const Bytes bytes = file->bytes();
    if (!at_or_before(bytes.data(), tensor.storage.data())) continue;
    if (!at_or_before(tensor.storage.data() + tensor.storage.size(), bytes.data() + bytes.size())) continue;
    return file->release(occupied(tensor));
  }
}

std::int64_t Checkpoint::check_checksums() const {
  std::int64_t compared = 0;
  for (const auto& file : implementation_->files) {
    if (is_zip(file->bytes())) compared += check_torch_checksums(file->bytes(), file->path().string());
  }
  return compared;
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
  std::vector<std::pair<const CheckpointTensor*, const Checkpoint*>> tensors;
  for (const Checkpoint* checkpoint : checkpoints) {
    for (const auto& tensor : checkpoint->tensors()) tensors.emplace_back(&tensor, checkpoint);
  }
  std::ranges::stable_sort(tensors, {}, [](const auto& entry) -> std::string_view { return entry.first->name; });
  Sha256 hash;
  for (const auto& [tensor, checkpoint] : tensors) {
    // Names hold no control characters, so the line feeds keep the parts apart.
    hash.update(fmt::format("{}\n{}\n[{}]\n", tensor->name, element_name(tensor->type), fmt::join(tensor->shape, ",")));
    for_each_block(*tensor, [&](Bytes block) { hash.update(block); });
    checkpoint->release(*tensor);
  }
  return hash.hex_digest();
}

}  // namespace kvscope
