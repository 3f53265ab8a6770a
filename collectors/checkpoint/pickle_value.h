#pragma once

#include "collectors/base/element_type.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace kvscope {

/// The only globals that a pickle may name.
enum class PickleGlobal { kOrderedDict, kSize, kRebuildTensor, kRebuildParameter, kStorage };

/// One value on the stack of the pickle machine. Values live in the machine and refer to one another and to the
/// pickle's own bytes, so that what a pickle repeats costs nothing.
struct PickleValue {
  enum class Kind { kOther, kInteger, kText, kTuple, kList, kDictionary, kGlobal, kStorage, kTensor };

  Kind kind = Kind::kOther;                      ///< kOther: None, numbers, large integers: never looked at
  PickleGlobal global = PickleGlobal::kStorage;  ///< kGlobal
  ElementType type = ElementType::kFloat32;      ///< kGlobal that is a storage class; kStorage
  std::int64_t integer = 0;                      ///< kInteger; kStorage: elements; kTensor: index
  std::string_view text;                         ///< kText; kStorage: its key
  std::vector<const PickleValue*> items;         ///< kTuple, kList; kDictionary: keys and values in turn
};

}  // namespace kvscope
