#pragma once

#include "collectors/geometry/step_table.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// Infinity's multi-scale residual quantiser (Han et al. 2024, arXiv 2412.04431, section 3.2; binary spherical codes:
/// Zhao, Xiong, Krähenbühl 2024, arXiv 2406.07548): turns bits into the code map and back, in float32.
///
/// The bits of a token are those of `cells_per_side`^2 cells of the code map, ordered as pixel_shuffle does: bit
/// c * 4 + 2 * dy + dx is bit c of the cell (2y + dy, 2x + dx). A cell's code is its bits as signs, a vector of length
/// one.
///
/// Thread safety: const members may be called from several threads at once.
class BsqQuantiser {
 public:
  /// @param code_width      bits of a cell
  /// @param cells_per_side  1, or 2 where a token stands for 2 x 2 cells (code_cells_per_side())
  /// @param steps           token grids of all scales; the last one decides the size H x W of the code map
  /// @param device          where it computes, and where its arguments are
  BsqQuantiser(std::int64_t code_width, int cells_per_side, const StepTable& steps, at::Device device = at::kCPU);

  [[nodiscard]] int steps() const noexcept { return static_cast<int>(grids_.size()); }
  /// d
  [[nodiscard]] std::int64_t token_bits() const noexcept { return code_width_ * cells_per_side_ * cells_per_side_; }
  /// What a bit stands for: 1 is +level, 0 is -level; 1/sqrt(code_width) but for the rounding of the published code.
  [[nodiscard]] float level() const noexcept { return level_; }

  /// Code maps of zeros, [samples, code_width, H, W].
  [[nodiscard]] at::Tensor empty_map(std::int64_t samples = 1) const;
  /// Codes of the bits ([samples, N_k, d], any integer type) of scale `step`, [samples, code_width, h_k, w_k].
  [[nodiscard]] at::Tensor codes(const at::Tensor& bits, int step) const;
  /// Adds the codes of `bits` to the maps, linearly upsampled to H x W (not at the last scale).
  void accumulate(at::Tensor& map, const at::Tensor& bits, int step) const;
  /// What scale `step` is predicted from: the maps linearly resized (four neighbours, no averaging) to its grid, as the
  /// d values of each token, [samples, N_k, d].
  [[nodiscard]] at::Tensor input_tokens(const at::Tensor& map, int step) const;

  /// Bits of every scale, [N_k, d] uint8 each, for an encoder's output [1, code_width, H, W]: at each scale the signs
  /// of the averaged residual.
  [[nodiscard]] std::vector<at::Tensor> quantise(const at::Tensor& features) const;

 private:
  struct Grid {
    std::int64_t h, w;  ///< in cells
  };

  [[nodiscard]] const Grid& grid(int step) const { return grids_.at(static_cast<std::size_t>(step)); }
  /// Codes as they are added to the maps, [samples, code_width, H, W].
  [[nodiscard]] at::Tensor contribution(const at::Tensor& bits, int step) const;
  /// Values of cells [samples, code_width, h, w] by token, [samples, N, d].
  [[nodiscard]] at::Tensor tokens_of_cells(const at::Tensor& cells) const;

  std::int64_t code_width_;
  int cells_per_side_;
  std::vector<Grid> grids_;
  at::Device device_;
  float level_;
};

}  // namespace kvscope
