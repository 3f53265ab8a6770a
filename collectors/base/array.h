#pragma once

#include "collectors/base/error.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace kvscope {

using Shape = std::vector<std::int64_t>;

/// Number of elements of a row-major array of `shape`; 1 for the empty shape.
[[nodiscard]] inline std::int64_t element_count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

/// A dense row-major array that owns its elements.
template <typename T>
class Array {
 public:
  Array() = default;
  explicit Array(Shape shape, T value = T{})
      : shape_(std::move(shape)), data_(static_cast<std::size_t>(element_count(shape_)), value) {}
  Array(Shape shape, std::vector<T> data) : shape_(std::move(shape)), data_(std::move(data)) {
    require(element_count(shape_) == static_cast<std::int64_t>(data_.size()),
            "Array: the shape does not match the number of elements");
  }

  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] std::int64_t extent(std::size_t axis) const { return shape_.at(axis); }
  [[nodiscard]] std::int64_t size() const noexcept { return static_cast<std::int64_t>(data_.size()); }
  [[nodiscard]] bool empty() const noexcept { return data_.empty(); }

  [[nodiscard]] std::span<T> values() noexcept { return data_; }
  [[nodiscard]] std::span<const T> values() const noexcept { return data_; }
  [[nodiscard]] T* data() noexcept { return data_.data(); }
  [[nodiscard]] const T* data() const noexcept { return data_.data(); }

  /// array(i, j, k): one element; as many indices as axes.
  template <typename... Index>
  [[nodiscard]] T& operator()(Index... index) {
    return data_[offset(index...)];
  }
  template <typename... Index>
  [[nodiscard]] const T& operator()(Index... index) const {
    return data_[offset(index...)];
  }

  /// The contiguous elements below the leading indices: slice(i, j) is array[i, j, ...].
  template <typename... Index>
  [[nodiscard]] std::span<const T> slice(Index... index) const {
    const std::int64_t inner = inner_size(sizeof...(Index));
    return std::span<const T>(data_).subspan(offset(index...) * static_cast<std::size_t>(inner),
                                             static_cast<std::size_t>(inner));
  }
  template <typename... Index>
  [[nodiscard]] std::span<T> slice(Index... index) {
    const std::int64_t inner = inner_size(sizeof...(Index));
    return std::span<T>(data_).subspan(offset(index...) * static_cast<std::size_t>(inner),
                                       static_cast<std::size_t>(inner));
  }

 private:
  /// Row-major offset over the first sizeof...(index) axes.
  template <typename... Index>
  [[nodiscard]] std::size_t offset(Index... index) const {
    std::size_t result = 0;
    std::size_t axis = 0;
    ((result = result * static_cast<std::size_t>(shape_[axis++]) + static_cast<std::size_t>(index)), ...);
    return result;
  }
  [[nodiscard]] std::int64_t inner_size(std::size_t leading) const {
    return std::accumulate(shape_.begin() + static_cast<std::ptrdiff_t>(leading), shape_.end(), std::int64_t{1},
                           std::multiplies<>());
  }

  Shape shape_;
  std::vector<T> data_;
};

}  // namespace kvscope
