#include "reports/pictures/image_rows.h"

#include "collectors/base/error.h"
#include "reports/pictures/attention_picture.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr double kSide = 96.0;
constexpr double kGap = 8.0;
constexpr double kLeft = 20.0;
constexpr double kTop = 34.0;
constexpr double kColumnNames = 18.0;
constexpr double kNote = 15.0;

double names_width(const std::vector<ImageRow>& rows) {
  double width = 0.0;
  for (const ImageRow& row : rows) width = std::max(width, text_width(row.name, kTickSize));
  return width + 10.0;
}

/// Draws a row; returns where it ends.
double draw_row(Drawing& drawing, const ImageRow& row, double left, double top) {
  double tallest = 0.0;
  for (std::size_t i = 0; i < row.images.size(); ++i) {
    const RgbImage& image = row.images[i];
    const double unit = kSide / static_cast<double>(std::max(image.width, image.height));
    const Box box{left + static_cast<double>(i) * (kSide + kGap), top, unit * static_cast<double>(image.width),
                  unit * static_cast<double>(image.height)};
    drawing.add(ImageShape{box, image, false});
    tallest = std::max(tallest, box.height);
    if (row.notes.empty()) continue;
    drawing.text({box.x + box.width / 2.0, box.bottom() + 12.0}, row.notes[i], kTickSize - 1.0, Anchor::kMiddle,
                 Role::kMuted);
  }
  drawing.text({kLeft, top + tallest / 2.0 + 0.36 * kTickSize}, row.name, kTickSize);
  return top + tallest + (row.notes.empty() ? 0.0 : kNote);
}

}  // namespace

Drawing image_rows(const std::vector<ImageRow>& rows, const std::vector<std::string>& columns, std::string heading,
                   const std::vector<std::string>& notes) {
  for (const ImageRow& row : rows) {
    require(row.images.size() == columns.size() && (row.notes.empty() || row.notes.size() == columns.size()),
            "image_rows: every row needs an image per column");
  }
  const double left = kLeft + names_width(rows);
  const double width = left + static_cast<double>(columns.size()) * (kSide + kGap) - kGap + kLeft;
  Drawing drawing{std::max(width, kLeft + text_width(heading, kLabelSize + 1.0) + 12.0), 0.0, heading, {}, {}};
  drawing.text({kLeft, 20.0}, std::move(heading), kLabelSize + 1.0);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    drawing.text({left + static_cast<double>(i) * (kSide + kGap) + kSide / 2.0, kTop + 12.0}, columns[i],
                 kTickSize - 1.0, Anchor::kMiddle, Role::kMuted);
  }
  double top = kTop + kColumnNames;
  for (const ImageRow& row : rows) top = draw_row(drawing, row, left, top) + kGap;
  drawing.height = top + 4.0;
  draw_notes(drawing, kLeft, notes);
  drawing.height += 4.0;
  return drawing;
}

}  // namespace kvscope
