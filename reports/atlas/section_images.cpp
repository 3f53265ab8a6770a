#include "reports/atlas/sections.h"
#include "reports/figures/replay_images_figure.h"
#include "reports/pictures/png.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::int64_t kSamplesShown = 10;
/// Larger photos are reduced inside the page; the PNG files beside it are full size.
constexpr std::int64_t kLargestSide = 160;
/// Wider ones are photos, which the page shows larger and smooth; narrower ones as pixels.
constexpr std::int64_t kWidestIcon = 96;
constexpr int kGridGap = 2;
constexpr Rgb kGridBackground{255, 255, 255};

/// Mean over blocks of an integer factor, so that no side exceeds `largest`.
RgbImage reduced(const RgbImage& image, std::int64_t largest) {
  const std::int64_t factor = (std::max(image.width, image.height) + largest - 1) / largest;
  if (factor <= 1) return image;
  RgbImage result(std::max<std::int64_t>(image.width / factor, 1), std::max<std::int64_t>(image.height / factor, 1));
  for (std::int64_t y = 0; y < result.height; ++y) {
    for (std::int64_t x = 0; x < result.width; ++x) {
      std::int64_t sum[3] = {0, 0, 0};
      std::int64_t n_pixel = 0;
      for (std::int64_t v = y * factor; v < std::min((y + 1) * factor, image.height); ++v) {
        for (std::int64_t u = x * factor; u < std::min((x + 1) * factor, image.width); ++u) {
          const Rgb pixel = image.at(u, v);
          sum[0] += pixel.red;
          sum[1] += pixel.green;
          sum[2] += pixel.blue;
          ++n_pixel;
        }
      }
      result.at(x, y) = {static_cast<std::uint8_t>(sum[0] / n_pixel), static_cast<std::uint8_t>(sum[1] / n_pixel),
                         static_cast<std::uint8_t>(sum[2] / n_pixel)};
    }
  }
  return result;
}

std::string image_html(const RgbImage& image, const std::string& description) {
  const RgbImage small = reduced(image, kLargestSide);
  return fmt::format("<img{} src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{}\">",
                     small.width > kWidestIcon ? " class=\"photo\"" : "", png_data_uri(png_bytes(small)), small.width,
                     small.height, escaped(description));
}

std::int64_t n_image(const Array<std::uint8_t>& images) {
  return images.shape().size() == 4 ? images.extent(0) : 0;
}

/// What a sample shows: its prompt where that is known, else its class.
std::string sample_name(const std::vector<std::string>& prompts, const std::vector<std::int64_t>& labels,
                        std::int64_t sample) {
  if (sample < std::ssize(prompts)) return prompts[static_cast<std::size_t>(sample)];
  if (sample < std::ssize(labels)) return fmt::format("label {}", labels[static_cast<std::size_t>(sample)]);
  return fmt::format("sample {}", sample);
}

/// Long prompts are cut by the page's style and whole in the tooltip.
std::string sample_name_html(const std::string& name) {
  return fmt::format("<span class=\"prompt\" title=\"{0}\">{0}</span>", escaped(name));
}

/// All images of a run as one PNG, ten in a row.
std::string grid_file(ReportFolder& folder, const std::string& name, const Array<std::uint8_t>& images) {
  std::vector<RgbImage> photos;
  for (std::int64_t sample = 0; sample < n_image(images); ++sample) photos.push_back(photo(images, sample));
  return folder.add_png(name, png_bytes(image_grid(photos, 10, kGridGap, kGridBackground)));
}

/// Replays that have pictures of both runs.
std::vector<const NamedReplay*> replays_with_images(const ReportInputs& inputs) {
  std::vector<const NamedReplay*> replays;
  for (const NamedReplay& replay : inputs.replays) {
    if (replay.images && n_image(replay.images->full) > 0 &&
        replay.images->full.shape() == replay.images->compressed.shape()) {
      replays.push_back(&replay);
    }
  }
  return replays;
}

bool same_full_images(const NamedReplay& a, const NamedReplay& b) {
  return a.images->full.shape() == b.images->full.shape() &&
         std::ranges::equal(a.images->full.values(), b.images->full.values());
}

std::string row_html(const std::string& heading, const Array<std::uint8_t>& images, std::int64_t n_shown,
                     const NamedReplay* replay) {
  std::string html = fmt::format("<tr><th scope=\"row\">{}</th>", escaped(heading));
  for (std::int64_t sample = 0; sample < n_shown; ++sample) {
    html += "<td>" + image_html(photo(images, sample), fmt::format("{}, sample {}", heading, sample));
    if (replay != nullptr) html += fmt::format("<span>{}</span>", image_quality_text(*replay, sample));
    html += "</td>";
  }
  return html + "</tr>\n";
}

std::string replay_images_html(const std::vector<const NamedReplay*>& replays, ReportFolder& folder) {
  const ReplayImages& first = *replays.front()->images;
  const std::int64_t n_shown = std::min(n_image(first.full), kSamplesShown);
  std::string html =
      "<div class=\"scroll images\" tabindex=\"0\" role=\"group\" aria-label=\"Images of full and compressed "
      "runs\">\n<table>\n<thead><tr><th scope=\"col\">Run</th>";
  for (std::int64_t sample = 0; sample < n_shown; ++sample) {
    html +=
        fmt::format("<th scope=\"col\">{}</th>", sample_name_html(sample_name(first.prompts, first.labels, sample)));
  }
  html += "</tr></thead>\n<tbody>\n" + row_html("full cache", first.full, n_shown, nullptr);
  std::string files = link_html(grid_file(folder, "images_full", first.full), "full cache");
  for (const NamedReplay* replay : replays) {
    const std::int64_t here = std::min(n_image(replay->images->full), n_shown);
    if (replay != replays.front() && !same_full_images(*replay, *replays.front())) {
      // Other seeds or samples: its own full run belongs beside it.
      html += row_html("full cache of " + replay->name, replay->images->full, here, nullptr);
    }
    html += row_html(replay->name, replay->images->compressed, here, replay);
    files += ' ' + link_html(grid_file(folder, "images_" + replay->name, replay->images->compressed), replay->name);
  }
  return html + fmt::format("</tbody>\n</table>\n</div>\n<p class=\"files\">All samples as PNG: {}</p>\n", files);
}

std::string capture_images_html(const Capture& capture, const Array<std::uint8_t>& images, ReportFolder& folder) {
  const std::vector<std::string> prompts = capture.prompts();
  const std::vector<std::int64_t> labels = capture.labels();
  std::string html = "<div class=\"strip\">\n";
  for (std::int64_t sample = 0; sample < std::min(n_image(images), 2 * kSamplesShown); ++sample) {
    const std::string name = sample_name(prompts, labels, sample);
    html += fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n",
                        image_html(photo(images, sample), "captured image, " + name), sample_name_html(name));
  }
  return html + fmt::format("</div>\n<p class=\"files\">All samples as PNG: {}</p>\n",
                            link_html(grid_file(folder, "images_capture", images), "capture"));
}

}  // namespace

Section images_section(const ReportInputs& inputs, ReportFolder& folder) {
  Section section{"images", "Images", {}, true};
  const auto replays = replays_with_images(inputs);
  if (!replays.empty()) {
    section.html =
        "<p>The same seeds with the full cache and with each plan's compressed cache, free-running. Figures below an "
        "image are its PSNR against "
        "the full run's.</p>\n" +
        replay_images_html(replays, folder);
  } else {
    section.complete = false;
    section.html =
        missing_html("No replay with images was given: kvscope replay --images writes them beside replay.json.");
  }
  if (inputs.capture) {
    const Array<std::uint8_t> images = inputs.capture->images();
    if (n_image(images) > 0) {
      section.html += "<h3>Captured samples</h3>\n<p>What was generated while attention was recorded.</p>\n" +
                      capture_images_html(*inputs.capture, images, folder);
    }
  }
  return section;
}

}  // namespace kvscope
