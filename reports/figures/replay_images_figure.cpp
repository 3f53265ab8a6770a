#include "reports/figures/replay_images_figure.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

std::string column_name(const ReplayImages& images, int sample) {
  const auto at = static_cast<std::size_t>(sample);
  return at < images.labels.size() ? fmt::format("label {}", images.labels[at]) : fmt::format("sample {}", sample);
}

void add_data(Table& data, const NamedReplay& replay, int sample) {
  if (sample >= replay.result.n_sample()) return;
  const ReplaySample& figures = replay.result.samples[static_cast<std::size_t>(sample)];
  // Images that agree in every byte have no finite PSNR.
  Cell psnr;
  if (!figures.identical) psnr = figures.psnr;
  data.add_row({std::int64_t{sample}, figures.label, std::move(psnr), figures.ssim,
                std::int64_t{figures.identical ? 1 : 0}, figures.token_agreement});
}

}  // namespace

std::string image_quality_text(const NamedReplay& replay, std::int64_t sample) {
  if (sample >= replay.result.n_sample()) return {};
  const ReplaySample& figures = replay.result.samples[static_cast<std::size_t>(sample)];
  return figures.identical ? "identical" : fmt::format("{:.1f} dB", figures.psnr);
}

ReplayImagesFigure replay_images_figure(const NamedReplay& replay, const std::vector<int>& samples) {
  const ReplayImages& images = *replay.images;
  ReplayImagesFigure figure;
  figure.heading = fmt::format("The same seeds with the full cache and with {}", replay.name);
  figure.rows = {{"full cache", {}, {}},
                 {replay.name, {}, {}},
                 {fmt::format("difference, {}-fold", number_label(kDifferenceGain)), {}, {}}};
  figure.data = Table(
      "", {{"sample", ""}, {"label", ""}, {"psnr", ""}, {"ssim", ""}, {"identical", ""}, {"token_agreement", ""}});
  for (const int sample : samples) {
    const RgbImage full = photo(images.full, sample);
    const RgbImage compressed = photo(images.compressed, sample);
    figure.columns.push_back(column_name(images, sample));
    figure.rows[0].images.push_back(full);
    figure.rows[1].images.push_back(compressed);
    figure.rows[1].notes.push_back(image_quality_text(replay, sample));
    figure.rows[2].images.push_back(difference(full, compressed, kDifferenceGain));
    add_data(figure.data, replay, sample);
  }
  figure.notes = {"Running freely, with the same noise. Below an image: its PSNR against the full run's."};
  return figure;
}

}  // namespace kvscope
