#include "reports/pictures/svg.h"

#include "reports/pictures/png.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::array<std::string_view, kRoles> kRoleNames = {
    "ink",      "muted",    "grid",     "paper",    "contextual", "structural", "series-1",
    "series-2", "series-3", "series-4", "series-5", "series-6",   "series-7",   "series-8"};

constexpr Theme kLight = {{Rgb{0x1c, 0x20, 0x26}, Rgb{0x56, 0x5d, 0x68}, Rgb{0xe3, 0xe5, 0xe9}, Rgb{0xff, 0xff, 0xff},
                           Rgb{0x0b, 0x6c, 0xb0}, Rgb{0xc7, 0x5b, 0x0a}, Rgb{0x0b, 0x6c, 0xb0}, Rgb{0xc7, 0x5b, 0x0a},
                           Rgb{0x0b, 0x7f, 0x63}, Rgb{0xa8, 0x2f, 0x6f}, Rgb{0x6a, 0x51, 0xc4}, Rgb{0x8a, 0x6d, 0x00},
                           Rgb{0x3d, 0x46, 0x54}, Rgb{0xb0, 0x2a, 0x30}}};

constexpr Theme kDark = {{Rgb{0xe8, 0xea, 0xee}, Rgb{0xa3, 0xab, 0xb8}, Rgb{0x33, 0x3a, 0x45}, Rgb{0x14, 0x17, 0x1c},
                          Rgb{0x5c, 0xb3, 0xf5}, Rgb{0xf2, 0x97, 0x4b}, Rgb{0x5c, 0xb3, 0xf5}, Rgb{0xf2, 0x97, 0x4b},
                          Rgb{0x3f, 0xc9, 0xa4}, Rgb{0xee, 0x86, 0xb7}, Rgb{0xa8, 0x97, 0xf5}, Rgb{0xd9, 0xb9, 0x3a},
                          Rgb{0xb9, 0xc2, 0xd0}, Rgb{0xf5, 0x7f, 0x7f}}};

/// Bytes of the UTF-8 sequence that begins at `text[i]`, or 0 if there is no valid one (also for surrogates and
/// overlong forms).
std::size_t sequence_length(std::string_view text, std::size_t i) noexcept {
  const auto byte = [&text, i](std::size_t offset) {
    return i + offset < text.size() ? static_cast<unsigned char>(text[i + offset]) : 0U;
  };
  const auto follows = [&byte](std::size_t offset) { return (byte(offset) & 0xc0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    const bool out_of_range = (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90);
    return follows(1) && follows(2) && follows(3) && !out_of_range ? 4 : 0;
  }
  return 0;
}

constexpr std::string_view kFontFamily = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/// Writes shapes; a null theme leaves colours to the classes of a page.
class SvgWriter {
 public:
  SvgWriter(const Theme* theme, std::string& out) : theme_(theme), out_(out) {}

  void write(const DrawnShape& shape) {
    tip_ = &shape.tip;
    std::visit([this](const auto& form) { write_form(form); }, shape.form);
  }

 private:
  [[nodiscard]] std::string paint(std::string_view attribute, std::string_view class_prefix, const Paint& paint) {
    if (const auto* rgb = std::get_if<Rgb>(&paint)) return fmt::format(" {}=\"{}\"", attribute, hex_color(*rgb));
    if (const auto* role = std::get_if<Role>(&paint)) {
      if (theme_ != nullptr) return fmt::format(" {}=\"{}\"", attribute, hex_color((*theme_)[*role]));
      if (!classes_.empty()) classes_ += ' ';
      classes_ += fmt::format("{}{}", class_prefix, role_name(*role));
      return {};
    }
    return attribute == "fill" ? " fill=\"none\"" : std::string();
  }

  [[nodiscard]] std::string style(const Pen* pen, const Paint& fill, double fill_opacity) {
    classes_.clear();
    std::string text = paint("fill", "fill-", fill);
    if (fill_opacity != 1.0) text += fmt::format(" fill-opacity=\"{}\"", coordinate(fill_opacity));
    if (pen != nullptr && pen->paint.index() != 0) {
      text += paint("stroke", "line-", pen->paint);
      if (pen->width != 1.0) text += fmt::format(" stroke-width=\"{}\"", coordinate(pen->width));
      if (!pen->dash.empty()) {
        text += " stroke-dasharray=\"";
        for (const double length : pen->dash) text += coordinate(length) + ' ';
        text.back() = '"';
      }
    }
    return classes_.empty() ? text : fmt::format(" class=\"{}\"{}", classes_, text);
  }

  void finish(std::string_view element) {
    if (tip_->empty()) {
      out_ += "/>\n";
    } else {
      out_ += fmt::format("><title>{}</title></{}>\n", escaped(*tip_), element);
    }
  }

  void write_form(const PathShape& path) {
    std::string data;
    for (const auto& line : path.lines) {
      for (std::size_t i = 0; i < line.size(); ++i) {
        data += fmt::format("{}{} {}", i == 0 ? "M" : "L", coordinate(line[i].x), coordinate(line[i].y));
      }
      if (path.closed) data += 'Z';
    }
    out_ += fmt::format("<path d=\"{}\"{}", data, style(&path.pen, path.fill, path.fill_opacity));
    if (!path.closed && !path.lines.empty() && path.lines.front().size() > 2) out_ += " stroke-linejoin=\"round\"";
    finish("path");
  }

  void write_form(const BoxShape& shape) {
    out_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", coordinate(shape.box.x),
                        coordinate(shape.box.y), coordinate(shape.box.width), coordinate(shape.box.height));
    if (shape.radius > 0.0) out_ += fmt::format(" rx=\"{}\"", coordinate(shape.radius));
    out_ += style(&shape.pen, shape.fill, shape.fill_opacity);
    finish("rect");
  }

  void write_form(const DiscShape& disc) {
    out_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}", coordinate(disc.center.x), coordinate(disc.center.y),
                        coordinate(disc.radius), style(&disc.pen, disc.fill, disc.fill_opacity));
    finish("circle");
  }

  void write_form(const TextShape& text) {
    const std::string x = coordinate(text.baseline.x);
    const std::string y = coordinate(text.baseline.y);
    out_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\"", x, y, coordinate(text.size));
    if (text.anchor != Anchor::kStart) {
      out_ += fmt::format(" text-anchor=\"{}\"", text.anchor == Anchor::kMiddle ? "middle" : "end");
    }
    if (text.bold) out_ += " font-weight=\"600\"";
    if (text.upwards) out_ += fmt::format(" transform=\"rotate(-90 {} {})\"", x, y);
    out_ += fmt::format("{}>{}</text>\n", style(nullptr, text.paint, 1.0), escaped(text.text));
  }

  void write_form(const ImageShape& shape) {
    const std::string png = std::visit([](const auto& image) { return png_bytes(image); }, shape.image);
    out_ += fmt::format("<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\"",
                        coordinate(shape.box.x), coordinate(shape.box.y), coordinate(shape.box.width),
                        coordinate(shape.box.height));
    if (!shape.smooth) out_ += " style=\"image-rendering:pixelated\"";
    out_ += fmt::format(" href=\"{}\"", png_data_uri(png));
    finish("image");
  }

  const Theme* theme_;
  std::string& out_;
  const std::string* tip_ = nullptr;
  std::string classes_;
};

std::string opening(const Drawing& drawing) {
  return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\"",
                     coordinate(drawing.width), coordinate(drawing.height));
}

}  // namespace

const Theme& light_theme() noexcept {
  return kLight;
}
const Theme& dark_theme() noexcept {
  return kDark;
}

std::string_view role_name(Role role) noexcept {
  return kRoleNames[static_cast<std::size_t>(role)];
}

std::string hex_color(Rgb color) {
  return fmt::format("#{:02x}{:02x}{:02x}", color.red, color.green, color.blue);
}

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    const char c = text[i];
    if (length == 0) {
      result += "\xef\xbf\xbd";  // U+FFFD, the replacement character
    } else if (length > 1) {
      result += text.substr(i, length);
    } else if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else if (c == '\'') {
      result += "&#39;";
    } else {
      result += (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? ' ' : c;
    }
    i += std::max<std::size_t>(length, 1);
  }
  return result;
}

std::string coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string svg_file(const Drawing& drawing, const Theme& theme) {
  std::string svg = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + opening(drawing);
  svg += fmt::format(" font-family=\"{}\">\n<title>{}</title>\n", kFontFamily, escaped(drawing.title));
  if (!drawing.description.empty()) svg += fmt::format("<desc>{}</desc>\n", escaped(drawing.description));
  svg += fmt::format("<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n", hex_color(theme[Role::kPaper]));
  SvgWriter writer(&theme, svg);
  for (const DrawnShape& shape : drawing.shapes) writer.write(shape);
  return svg + "</svg>\n";
}

std::string svg_element(const Drawing& drawing) {
  // No <title> of the whole: browsers would show it as a tooltip everywhere; the label is read aloud all the same.
  std::string svg = opening(drawing) + fmt::format(" role=\"img\" aria-label=\"{}\">\n", escaped(drawing.title));
  SvgWriter writer(nullptr, svg);
  for (const DrawnShape& shape : drawing.shapes) writer.write(shape);
  return svg + "</svg>\n";
}

}  // namespace kvscope
