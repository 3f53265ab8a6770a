#include "reports/export/chosen_replays.h"
#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/figures/figure.h"
#include "reports/figures/replay_images_figure.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

constexpr int kGap = 2;  ///< pixels between images of a PNG
/// Samples shown where none are named.
constexpr std::size_t kSamples = 10;

/// The chosen samples of [sample, height, width, 3].
std::vector<std::uint8_t> bytes_of(const Array<std::uint8_t>& images, const std::vector<int>& samples) {
  std::vector<std::uint8_t> bytes;
  for (const int sample : samples) {
    const auto image = images.slice(sample);
    bytes.insert(bytes.end(), image.begin(), image.end());
  }
  return bytes;
}

/// |compressed - full| as it is, then both runs.
std::vector<NamedArray> image_arrays(const ReplayImages& images, const std::vector<int>& samples) {
  Shape shape = images.full.shape();
  shape[0] = static_cast<std::int64_t>(samples.size());
  const std::vector<std::uint8_t> full = bytes_of(images.full, samples);
  const std::vector<std::uint8_t> compressed = bytes_of(images.compressed, samples);
  std::vector<std::uint8_t> change(full.size());
  for (std::size_t i = 0; i < full.size(); ++i)
    change[i] = full[i] > compressed[i] ? full[i] - compressed[i] : compressed[i] - full[i];
  return {{"difference", shape, std::move(change)}, {"full", shape, full}, {"compressed", shape, compressed}};
}

ExportContent image_content(const NamedReplay& replay, const std::vector<int>& samples) {
  const auto figure = std::make_shared<const ReplayImagesFigure>(replay_images_figure(replay, samples));
  ExportContent content;
  content.drawing = [=] { return figure->drawing(); };
  content.pixels = [=] {
    std::vector<RgbImage> images;
    for (const ImageRow& row : figure->rows) images.insert(images.end(), row.images.begin(), row.images.end());
    return image_grid(images, static_cast<int>(figure->columns.size()), kGap, {255, 255, 255});
  };
  content.table = [=] { return figure->data; };
  content.arrays = [=, &replay] { return image_arrays(*replay.images, samples); };
  content.colors_in_words = figure->rows.back().name;
  return content;
}

}  // namespace

std::vector<ExportItem> image_items(const ReportInputs& inputs, const ExportRequest& request) {
  std::vector<ExportItem> items;
  for (const NamedReplay* const replay : chosen_replays(inputs, request.selection)) {
    if (!replay->images || replay->images->full.empty())
      throw usage_error("{} has left no images; kvscope replay --images records them", replay->name);
    const auto n_image = static_cast<int>(replay->images->full.extent(0));
    std::vector<int> samples = chosen(request.selection.samples, n_image, "sample");
    if (!request.selection.samples) samples.resize(std::min(samples.size(), kSamples));
    ExportItem item{safe_file_name("images_" + replay->name), {}, [=] { return image_content(*replay, samples); }};
    item.selection.samples = samples;
    item.selection.only = {replay->name};
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace kvscope
