#pragma once

#include "reports/atlas/report_inputs.h"
#include "reports/figures/figure.h"
#include "reports/pictures/image_rows.h"

#include <string>
#include <vector>

namespace kvscope {

/// Differences of images are shown so many times as strong.
inline constexpr double kDifferenceGain = 4.0;

/// The same seeds with the full and with the compressed cache, and |compressed - full|, a column per sample.
struct ReplayImagesFigure {
  std::string heading;
  std::vector<std::string> columns;
  std::vector<ImageRow> rows;  ///< full, compressed with PSNR, difference
  std::vector<std::string> notes;
  Table data;  ///< sample, label, psnr, ssim, identical, token_agreement

  [[nodiscard]] Drawing drawing() const { return image_rows(rows, columns, heading, notes); }
};

/// @param replay   with images
/// @param samples  that it has images of
[[nodiscard]] ReplayImagesFigure replay_images_figure(const NamedReplay& replay, const std::vector<int>& samples);

/// "31.4 dB", or "identical": what stands below an image; empty where the replay has no figures of the sample.
[[nodiscard]] std::string image_quality_text(const NamedReplay& replay, std::int64_t sample);

}  // namespace kvscope
