#include "collectors/checkpoint/unpickler.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/pickle_machine.h"
#include "collectors/checkpoint/tensor_name.h"

#include <optional>

namespace kvscope {
namespace {

constexpr std::size_t kDeepestNesting = 64;
/// A dictionary may be reached by many ways ("billion laughs"); following them all must end.
constexpr std::size_t kMostVisits = std::size_t{1} << 21;

/// Collects the tensors below a value under their joined names.
class Walk {
 public:
  Walk(const PickleMachine& machine, std::string_view where) : machine_(machine), where_(where) {}

  void visit(const PickleValue& value, const std::string& name, std::size_t depth) {
    visits_ += 1 + value.items.size();
    if (visits_ > kMostVisits) throw bad_input("{}: dictionaries refer to one another too often", where_);
    if (depth > kDeepestNesting) throw bad_input("{}: nested deeper than {} levels", where_, kDeepestNesting);
    switch (value.kind) {
      case PickleValue::Kind::kTensor:
        add(machine_.tensor(value), name);
        return;
      case PickleValue::Kind::kDictionary:
        for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
          const auto key = text_of_key(*value.items[i]);
          if (key.has_value()) visit(*value.items[i + 1], joined(name, *key), depth + 1);
        }
        return;
      case PickleValue::Kind::kTuple:
      case PickleValue::Kind::kList:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          visit(*value.items[i], joined(name, std::to_string(i)), depth + 1);
        }
        return;
      default:
        return;
    }
  }

  [[nodiscard]] std::vector<PickledTensor> take_tensors() { return std::move(tensors_); }

 private:
  void add(const PickledTensor& tensor, const std::string& name) {
    check_tensor_name(name, where_);
    if (tensors_.size() >= kMostPickledTensors)
      throw bad_input("{}: more than {} tensors", where_, kMostPickledTensors);
    tensors_.push_back(tensor);
    tensors_.back().name = name;
  }

  /// Keys are texts, or numbers as in an optimizer's state; nothing is looked for behind others.
  static std::optional<std::string> text_of_key(const PickleValue& key) {
    if (key.kind == PickleValue::Kind::kText) return std::string(key.text.substr(0, kLongestTensorName + 1));
    if (key.kind == PickleValue::Kind::kInteger) return std::to_string(key.integer);
    return std::nullopt;
  }

  /// Cut just beyond the longest name that check_tensor_name accepts.
  static std::string joined(const std::string& name, const std::string& key) {
    return (name.empty() ? key : fmt::format("{}.{}", name, key)).substr(0, kLongestTensorName + 1);
  }

  const PickleMachine& machine_;
  std::string_view where_;
  std::size_t visits_ = 0;
  std::vector<PickledTensor> tensors_;
};

}  // namespace

std::vector<PickledTensor> read_pickled_tensors(std::span<const std::byte> pickle, std::string_view where) {
  PickleMachine machine(pickle, where);
  const PickleValue& root = machine.run();
  if (root.kind != PickleValue::Kind::kDictionary) throw bad_input("{}: expected a dictionary of tensors", where);
  Walk walk(machine, where);
  walk.visit(root, "", 0);
  auto tensors = walk.take_tensors();
  if (tensors.empty()) throw bad_input("{}: holds no tensors", where);
  return tensors;
}

}  // namespace kvscope
