#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// What a class or a text determines once for a whole generation of a row, or of all rows of a batch together: the six
/// AdaLN vectors of every block and the two of the head, in float32, and what cross attention reads of a text.
struct RowCondition {
  struct Block {
    at::Tensor gate1, gate2;                  ///< gamma1, gamma2: [C], of all rows [rows, 1, C]
    at::Tensor scale1_plus_1, scale2_plus_1;  ///< the same
    at::Tensor shift1, shift2;                ///< the same
    /// [heads, length, head_dim], of all rows [rows, heads, longest, head_dim]; undefined without cross attention.
    at::Tensor text_key, text_value;
  };
  at::Tensor start;  ///< what the first scale starts from, [1, C], of all rows [rows, 1, C]
  std::vector<Block> blocks;
  at::Tensor head_scale_plus_1, head_shift;  ///< as the vectors of a block
  /// Of rows whose texts differ in length, [rows, 1, 1, longest]: 0 where there is text, else -infinity.
  at::Tensor text_mask;

  /// All of it that blocks and the head read (all but `start`), always in the same order; parts that are not there are
  /// undefined tensors.
  [[nodiscard]] std::vector<at::Tensor> vectors() const;
  /// The condition of such a list; its `start` is undefined.
  [[nodiscard]] static RowCondition of_vectors(const std::vector<at::Tensor>& vectors);

  /// Bytes of text_key and text_value over all blocks (and rows).
  [[nodiscard]] std::int64_t text_bytes() const;
};

/// The condition of many rows together, from that of each.
[[nodiscard]] RowCondition of_rows(const std::vector<const RowCondition*>& rows);

}  // namespace kvscope
