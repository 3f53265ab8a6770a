#include "collectors/models/tensor_loading.h"

#include "collectors/models/golden.h"
#include "support/aten.h"
#include "support/errors.h"

#include <cstring>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// Numbers 0, 1, 2, ... as float32, `shift` bytes away from an aligned address.
struct Storage {
  explicit Storage(std::size_t shift) : bytes(12 * sizeof(float) + 64) {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    begin = bytes.data() + (64 - address % 64) % 64 + shift;
    for (int i = 0; i < 12; ++i) {
      const auto value = static_cast<float>(i);
      std::memcpy(begin + static_cast<std::size_t>(i) * sizeof(float), &value, sizeof(float));
    }
  }
  [[nodiscard]] CheckpointTensor tensor(const Shape& shape, const Shape& strides) const {
    return {.name = "x",
            .type = ElementType::kFloat32,
            .shape = shape,
            .strides = strides,
            .storage = {begin, 12 * sizeof(float)}};
  }

  std::vector<std::byte> bytes;
  std::byte* begin = nullptr;
};

}  // namespace

TEST_SUITE("collectors.models.tensor_loading") {
  TEST_CASE("tensors of the wanted type are used where they lie") {
    const Storage storage(0);
    const at::Tensor tensor = load_tensor(storage.tensor({3, 4}, {4, 1}), at::kFloat);
    CHECK(tensor.const_data_ptr() == static_cast<const void*>(storage.begin));
    CHECK(largest_difference(tensor, at::arange(12, at::kFloat).view({3, 4})) == 0.0);
  }

  TEST_CASE("other types are converted") {
    const Storage storage(0);
    const at::Tensor tensor = load_tensor(storage.tensor({12}, {1}), at::kBFloat16);
    CHECK((tensor.scalar_type() == at::kBFloat16));
    CHECK(largest_difference(tensor, at::arange(12)) == 0.0);
  }

  TEST_CASE("strided tensors become row-major") {
    const Storage storage(0);
    const at::Tensor tensor = load_tensor(storage.tensor({4, 3}, {1, 4}), at::kFloat);
    CHECK(tensor.is_contiguous());
    CHECK(largest_difference(tensor, at::arange(12, at::kFloat).view({3, 4}).t()) == 0.0);
  }

  TEST_CASE("misaligned tensors are copied") {
    const Storage storage(2);
    const at::Tensor tensor = load_tensor(storage.tensor({3, 4}, {4, 1}), at::kFloat);
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % sizeof(float) == 0);
    CHECK(largest_difference(tensor, at::arange(12, at::kFloat).view({3, 4})) == 0.0);
  }

  TEST_CASE("element types translate both ways") {
    for (const ElementType type : {ElementType::kFloat64, ElementType::kFloat32, ElementType::kFloat16,
                                   ElementType::kBFloat16, ElementType::kInt64, ElementType::kInt32,
                                   ElementType::kInt16, ElementType::kInt8, ElementType::kUInt8, ElementType::kBool}) {
      CHECK(element_type(scalar_type(type)) == type);
    }
    check_error(
        ErrorCode::kUsage, [] { (void)element_type(at::kComplexFloat); }, "ComplexFloat");
  }
}
