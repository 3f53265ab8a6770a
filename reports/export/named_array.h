#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace kvscope {

/// Elements of an array file. Text becomes numpy's fixed-width unicode.
using ArrayElements = std::variant<std::vector<float>, std::vector<double>, std::vector<std::int64_t>,
                                   std::vector<std::uint8_t>, std::vector<std::string>>;

/// A dense row-major array with a name, as files for numpy hold it.
struct NamedArray {
  std::string name;
  Shape shape;
  ArrayElements elements;
};

}  // namespace kvscope
