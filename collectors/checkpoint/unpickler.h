#pragma once

#include "collectors/base/array.h"
#include "collectors/base/element_type.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// More tensors than this are refused; the largest models have a few thousand.
inline constexpr std::size_t kMostPickledTensors = std::size_t{1} << 17;

/// A tensor as a pickle of torch.save describes it: a strided view into a storage that lies elsewhere.
/// Nothing but the element type is checked yet.
struct PickledTensor {
  std::string name;  ///< keys of the dictionaries on the way, joined with '.'
  ElementType type = ElementType::kFloat32;
  std::string storage;                ///< key of the storage
  std::int64_t storage_elements = 0;  ///< as the pickle says
  std::int64_t offset = 0;            ///< of the first element, in elements
  Shape shape;
  Shape strides;  ///< in elements
};

/// The tensors in the data.pkl of a torch.save file, in the order of the dictionaries that hold them.
///
/// A restricted machine for pickle protocols 2 to 5: it knows plain values, tuples, lists, dictionaries,
/// `collections.OrderedDict`, `torch.Size`, the storage classes of the element types, and the two functions that
/// make tensors and parameters. Every other global is refused by name. Nothing is imported, called or executed:
/// the pickle is data that either describes tensors or is an error. Values that are no tensors are skipped.
///
/// Size, number of values and nesting are limited, so that time and memory stay linear in the pickle's size.
/// @param where  begins error messages, e.g. "model.pth: data.pkl"
/// @throws Error  kBadInput naming what was found, with its byte offset.
[[nodiscard]] std::vector<PickledTensor> read_pickled_tensors(std::span<const std::byte> pickle,
                                                              std::string_view where);

}  // namespace kvscope
