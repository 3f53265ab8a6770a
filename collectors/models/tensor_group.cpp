#include "collectors/models/tensor_group.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace kvscope {
namespace {

// More would hide the first ones; the count says how many there are.
constexpr std::size_t kNamedProblems = 6;
constexpr std::int64_t kLargestExtent = std::int64_t{1} << 24;

bool is_floating(ElementType type) {
  return type == ElementType::kFloat32 || type == ElementType::kFloat16 || type == ElementType::kBFloat16 ||
         type == ElementType::kFloat64;
}

}  // namespace

TensorGroup::TensorGroup(const Checkpoint& checkpoint, std::string prefix)
    : checkpoint_(&checkpoint), prefix_(std::move(prefix)) {}

TensorGroup TensorGroup::locate(const Checkpoint& checkpoint, std::span<const std::string_view> prefixes,
                                std::span<const std::string_view> landmarks) {
  for (const std::string_view prefix : prefixes) {
    TensorGroup group(checkpoint, std::string(prefix));
    if (std::any_of(landmarks.begin(), landmarks.end(), [&](auto name) { return group.has(name); })) return group;
  }
  return {checkpoint, prefixes.empty() ? std::string() : std::string(prefixes.front())};
}

const CheckpointTensor* TensorGroup::find(std::string_view name) const {
  if (prefix_.empty()) return checkpoint_->find(name);
  return checkpoint_->find(prefix_ + std::string(name));
}

const CheckpointTensor& TensorGroup::at(std::string_view name) const {
  if (const CheckpointTensor* tensor = find(name)) return *tensor;
  throw bad_input("{}: tensor '{}{}' is missing", file(), prefix_, name);
}

std::vector<std::string_view> TensorGroup::names() const {
  std::vector<std::string_view> result;
  for (const CheckpointTensor& tensor : checkpoint_->tensors()) {
    const std::string_view name = tensor.name;
    if (name.starts_with(prefix_)) result.push_back(name.substr(prefix_.size()));
  }
  return result;
}

int TensorGroup::indexed_count(std::string_view stem) const {
  std::int64_t count = 0;
  const auto limit = static_cast<std::int64_t>(checkpoint_->tensors().size());
  for (const std::string_view name : names()) {
    if (!name.starts_with(stem)) continue;
    const std::string_view rest = name.substr(stem.size());
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
    if (end == rest.data() || end == rest.data() + rest.size() || *end != '.') continue;
    if (error != std::errc() || index < 0 || index >= limit) {
      throw bad_input("{}: tensor '{}{}' has an index that {} tensors cannot reach", file(), prefix_, name, limit);
    }
    count = std::max(count, index + 1);
  }
  return static_cast<int>(count);
}

const Shape& required_shape(const TensorGroup& group, std::string_view name, const Shape& pattern) {
  const Shape& shape = group.at(name).shape;
  bool fits = shape.size() == pattern.size();
  for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
    fits = pattern[axis] == 0 ? shape[axis] >= 1 && shape[axis] <= kLargestExtent : shape[axis] == pattern[axis];
  }
  if (fits) return shape;
  std::vector<std::string> axes;
  for (const std::int64_t extent : pattern) axes.push_back(extent == 0 ? "n" : std::to_string(extent));
  throw bad_input("{}: tensor '{}{}' has shape {}, expected [{}]", group.file(), group.prefix(), name, describe(shape),
                  fmt::join(axes, ", "));
}

void require_tensors(const TensorGroup& group, std::string_view what, std::span<const std::string_view> names) {
  std::vector<std::string> missing;
  for (const std::string_view name : names) {
    if (!group.has(name)) missing.push_back(fmt::format("'{}{}'", group.prefix(), name));
  }
  if (missing.empty()) return;
  throw bad_input("{}: not a {}; missing {} {}", group.file(), what, missing.size() == 1 ? "tensor" : "tensors",
                  fmt::join(missing, ", "));
}

void check_tensors(const TensorGroup& group, std::string_view what, std::span<const ExpectedTensor> expected,
                   const std::function<bool(std::string_view)>& ignorable) {
  std::vector<std::string> problems;
  std::map<std::string_view, bool> known;
  for (const ExpectedTensor& wanted : expected) {
    known[wanted.name] = true;
    const CheckpointTensor* found = group.find(wanted.name);
    if (found == nullptr) {
      problems.push_back(fmt::format("'{}' is missing", wanted.name));
    } else if (found->shape != wanted.shape) {
      problems.push_back(
          fmt::format("'{}' has shape {}, expected {}", wanted.name, describe(found->shape), describe(wanted.shape)));
    } else if (!is_floating(found->type)) {
      problems.push_back(
          fmt::format("'{}' has type {}, expected a floating-point type", wanted.name, element_name(found->type)));
    }
  }
  for (const std::string_view name : group.names()) {
    if (!known.contains(name) && !ignorable(name)) problems.push_back(fmt::format("'{}' is unexpected", name));
  }
  if (problems.empty()) return;
  const std::size_t named = std::min(problems.size(), kNamedProblems);
  const std::string more = named < problems.size() ? fmt::format(" and {} more", problems.size() - named) : "";
  throw bad_input("{}: not a complete {}; of its tensors{} {} not fit: {}{}", group.file(), what,
                  group.prefix().empty() ? "" : fmt::format(" below '{}'", group.prefix()),
                  problems.size() == 1 ? "1 does" : fmt::format("{} do", problems.size()),
                  fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(named), ", "), more);
}

std::string describe(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace kvscope
