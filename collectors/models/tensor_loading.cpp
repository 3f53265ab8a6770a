#include "collectors/models/tensor_loading.h"

#include "collectors/base/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstdint>
#include <cstring>

namespace kvscope {

at::ScalarType scalar_type(ElementType type) {
  switch (type) {
    case ElementType::kFloat64:
      return at::kDouble;
    case ElementType::kFloat32:
      return at::kFloat;
    case ElementType::kFloat16:
      return at::kHalf;
    case ElementType::kBFloat16:
      return at::kBFloat16;
    case ElementType::kInt64:
      return at::kLong;
    case ElementType::kInt32:
      return at::kInt;
    case ElementType::kInt16:
      return at::kShort;
    case ElementType::kInt8:
      return at::kChar;
    case ElementType::kUInt8:
      return at::kByte;
    case ElementType::kBool:
      return at::kBool;
  }
  throw usage_error("scalar_type: unknown element type {}", static_cast<int>(type));
}

ElementType element_type(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return ElementType::kFloat64;
    case at::kFloat:
      return ElementType::kFloat32;
    case at::kHalf:
      return ElementType::kFloat16;
    case at::kBFloat16:
      return ElementType::kBFloat16;
    case at::kLong:
      return ElementType::kInt64;
    case at::kInt:
      return ElementType::kInt32;
    case at::kShort:
      return ElementType::kInt16;
    case at::kChar:
      return ElementType::kInt8;
    case at::kByte:
      return ElementType::kUInt8;
    case at::kBool:
      return ElementType::kBool;
    default:
      throw usage_error("element_type: kvscope has no element type like {}", c10::toString(type));
  }
}

at::Tensor load_tensor(const CheckpointTensor& tensor, at::ScalarType type, at::Device device) {
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.storage.data());
  const bool aligned = address % static_cast<std::uintptr_t>(element_bytes(tensor.type)) == 0;
  at::Tensor stored;
  if (aligned && tensor.elements() > 0) {
    // LibTorch has no read-only tensors; weights are never written to.
    stored = at::from_blob(const_cast<std::byte*>(tensor.storage.data()), tensor.shape, tensor.strides,
                           at::TensorOptions().dtype(scalar_type(tensor.type)));
  } else {
    const std::vector<std::byte> bytes = contiguous_bytes(tensor);
    stored = at::empty(tensor.shape, at::TensorOptions().dtype(scalar_type(tensor.type)));
    if (!bytes.empty()) std::memcpy(stored.data_ptr(), bytes.data(), bytes.size());
  }
  return stored.to(type).contiguous().to(device);
}

at::Tensor load_tensor(const TensorGroup& group, std::string_view name, at::ScalarType type, at::Device device) {
  const CheckpointTensor& stored = group.at(name);
  at::Tensor loaded = load_tensor(stored, type, device);
  // What was copied is not held in memory twice.
  if (!loaded.is_cpu() || loaded.const_data_ptr() != stored.storage.data()) group.checkpoint().release(stored);
  return loaded;
}

}  // namespace kvscope
