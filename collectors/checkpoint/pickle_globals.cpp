// What the pickle machine makes of the few globals it knows.

#include "collectors/base/error.h"
#include "collectors/checkpoint/pickle_machine.h"
#include "collectors/checkpoint/tensor_name.h"

#include <array>

namespace kvscope {
namespace {

constexpr std::size_t kMostCopiedItems = std::size_t{1} << 20;
constexpr std::size_t kHighestRank = 64;  // LibTorch's own limit

struct KnownGlobal {
  std::string_view module;
  std::string_view name;
  PickleGlobal global;
  ElementType type = ElementType::kFloat32;
};

constexpr std::array kKnownGlobals = {
    KnownGlobal{"collections", "OrderedDict", PickleGlobal::kOrderedDict},
    KnownGlobal{"torch", "Size", PickleGlobal::kSize},
    KnownGlobal{"torch._utils", "_rebuild_tensor_v2", PickleGlobal::kRebuildTensor},
    KnownGlobal{"torch._utils", "_rebuild_parameter", PickleGlobal::kRebuildParameter},
    KnownGlobal{"torch", "DoubleStorage", PickleGlobal::kStorage, ElementType::kFloat64},
    KnownGlobal{"torch", "FloatStorage", PickleGlobal::kStorage, ElementType::kFloat32},
    KnownGlobal{"torch", "HalfStorage", PickleGlobal::kStorage, ElementType::kFloat16},
    KnownGlobal{"torch", "BFloat16Storage", PickleGlobal::kStorage, ElementType::kBFloat16},
    KnownGlobal{"torch", "LongStorage", PickleGlobal::kStorage, ElementType::kInt64},
    KnownGlobal{"torch", "IntStorage", PickleGlobal::kStorage, ElementType::kInt32},
    KnownGlobal{"torch", "ShortStorage", PickleGlobal::kStorage, ElementType::kInt16},
    KnownGlobal{"torch", "CharStorage", PickleGlobal::kStorage, ElementType::kInt8},
    KnownGlobal{"torch", "ByteStorage", PickleGlobal::kStorage, ElementType::kUInt8},
    KnownGlobal{"torch", "BoolStorage", PickleGlobal::kStorage, ElementType::kBool},
};

}  // namespace

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  for (const auto& known : kKnownGlobals) {
    if (known.module != module || known.name != name) continue;
    PickleValue& value = make(Kind::kGlobal);
    value.global = known.global;
    value.type = known.type;
    push(value);
    return;
  }
  throw bad_input(
      "{}: refers to '{}.{}', which is refused: only tensors, parameters, dictionaries and plain values are read",
      place(), printable(module), printable(name));
}

/// Persistent ids of torch.save: ('storage', class, key, location, number of elements).
void PickleMachine::push_storage() {
  const PickleValue& id = top_of_kind(Kind::kTuple, "the tuple that identifies a storage");
  const auto& items = id.items;
  const bool is_storage = items.size() >= 5 && items[0]->kind == Kind::kText && items[0]->text == "storage" &&
                          items[1]->kind == Kind::kGlobal && items[1]->global == PickleGlobal::kStorage &&
                          items[2]->kind == Kind::kText && items[4]->kind == Kind::kInteger;
  if (!is_storage) throw bad_input("{}: a persistent id that identifies no storage", place());
  PickleValue& storage = make(Kind::kStorage);
  storage.type = items[1]->type;
  storage.text = items[2]->text;
  storage.integer = items[4]->integer;
  pop();
  push(storage);
}

void PickleMachine::reduce() {
  const PickleValue& arguments = top_of_kind(Kind::kTuple, "the arguments of a call");
  pop();
  const PickleValue& function = top_of_kind(Kind::kGlobal, "one of the known globals");
  pop();
  switch (function.global) {
    case PickleGlobal::kOrderedDict:
      push(rebuild_dictionary(arguments));
      return;
    case PickleGlobal::kSize:
      push(make(Kind::kOther));
      return;
    case PickleGlobal::kRebuildTensor:
      push(rebuild_tensor(arguments));
      return;
    case PickleGlobal::kRebuildParameter: {
      // (data, requires_grad, hooks)
      if (arguments.items.empty() || arguments.items[0]->kind != Kind::kTensor) {
        throw bad_input("{}: a parameter without a tensor", place());
      }
      PickleValue& parameter = make(Kind::kTensor);
      parameter.integer = arguments.items[0]->integer;
      push(parameter);
      return;
    }
    case PickleGlobal::kStorage:
      throw bad_input("{}: a storage inside the pickle; torch.save keeps storages in records of their own", place());
  }
}

/// OrderedDict() or OrderedDict([(key, value), ...]).
PickleValue& PickleMachine::rebuild_dictionary(const PickleValue& arguments) {
  PickleValue& dictionary = make(Kind::kDictionary);
  if (arguments.items.empty()) return dictionary;
  // The one place that copies a list which the pickle may name again and again.
  copied_items_ += arguments.items[0]->items.size();
  if (copied_items_ > kMostCopiedItems) throw bad_input("{}: OrderedDicts made of too many pairs", place());
  for (const PickleValue* pair : arguments.items[0]->items) {
    const bool is_pair = (pair->kind == Kind::kTuple || pair->kind == Kind::kList) && pair->items.size() == 2;
    if (!is_pair) throw bad_input("{}: an OrderedDict made of something else than pairs", place());
    dictionary.items.insert(dictionary.items.end(), pair->items.begin(), pair->items.end());
  }
  return dictionary;
}

/// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]).
PickleValue& PickleMachine::rebuild_tensor(const PickleValue& arguments) {
  const auto& items = arguments.items;
  if (items.size() < 4 || items[0]->kind != Kind::kStorage || items[1]->kind != Kind::kInteger) {
    throw bad_input("{}: a tensor without storage and offset", place());
  }
  if (tensors_.size() >= kMostPickledTensors) throw bad_input("{}: more than {} tensors", place(), kMostPickledTensors);
  PickledTensor tensor;
  tensor.type = items[0]->type;
  tensor.storage = items[0]->text;
  tensor.storage_elements = items[0]->integer;
  tensor.offset = items[1]->integer;
  tensor.shape = integers(*items[2], "shape");
  tensor.strides = integers(*items[3], "strides");
  PickleValue& value = make(Kind::kTensor);
  value.integer = static_cast<std::int64_t>(tensors_.size());
  tensors_.push_back(std::move(tensor));
  return value;
}

Shape PickleMachine::integers(const PickleValue& tuple, std::string_view what) const {
  if (tuple.kind != Kind::kTuple && tuple.kind != Kind::kList) {
    throw bad_input("{}: the {} of a tensor is no tuple", place(), what);
  }
  if (tuple.items.size() > kHighestRank) {
    throw bad_input("{}: a tensor with {} axes; at most {} are possible", place(), tuple.items.size(), kHighestRank);
  }
  Shape numbers;
  for (const PickleValue* item : tuple.items) {
    if (item->kind != Kind::kInteger) throw bad_input("{}: the {} of a tensor is not made of integers", place(), what);
    numbers.push_back(item->integer);
  }
  return numbers;
}

}  // namespace kvscope
