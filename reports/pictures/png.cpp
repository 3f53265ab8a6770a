#include "reports/pictures/png.h"

#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace kvscope {
namespace {

constexpr std::int64_t kMaximumSide = 1 << 20;
constexpr std::int64_t kMaximumPixels = std::int64_t{1} << 28;

/// What libpng calls back with its complaints: leave through the exception that the caller expects. libpng is
/// compiled with unwind tables on Debian, but longjmp is what it promises, so the text is kept and longjmp used.
struct Failure {
  std::array<char, 160> text{};
};

[[noreturn]] void keep_text_and_leave(png_structp png, png_const_charp text) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::strncpy(failure->text.data(), text, failure->text.size() - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

void append_to_string(png_structp png, png_bytep data, png_size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

struct Writer {
  Writer() : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, keep_text_and_leave, ignore_warning)) {
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) throw environment_error("PNG: not enough memory");
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Failure failure;
  png_structp png;
  png_infop info = nullptr;
};

struct Reader {
  Reader() : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, keep_text_and_leave, ignore_warning)) {
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) throw environment_error("PNG: not enough memory");
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Failure failure;
  png_structp png;
  png_infop info = nullptr;
};

void check_size(std::int64_t width, std::int64_t height, std::size_t n_pixel) {
  require(width > 0 && height > 0 && width <= kMaximumSide && height <= kMaximumSide,
          "png_bytes: the image has no pixels or too many");
  require(static_cast<std::size_t>(width * height) == n_pixel, "png_bytes: width and height contradict the pixels");
}

/// Everything between setjmp and the end of the file is C: no destructor is jumped over.
bool write_file_bytes(Writer& writer, std::string& bytes, std::int64_t width, std::int64_t height, int color_type,
                      const std::vector<Rgb>* palette, const std::uint8_t* pixels, std::size_t row_bytes,
                      std::string* description) {
  if (setjmp(png_jmpbuf(writer.png)) != 0) return false;
  png_set_write_fn(writer.png, &bytes, append_to_string, nullptr);
  // Filters help photos; indices have no arithmetic meaning to predict from. Attention maps hold runs of the lowest
  // level and noise: searching further back than the run saves next to nothing and takes up
  // to a hundred times as long (256 x 680 striped weights: 128 ms at level 9, 1 ms so).
  png_set_compression_level(writer.png, 6);
  if (palette != nullptr) png_set_compression_strategy(writer.png, Z_RLE);
  png_set_filter(writer.png, 0, palette != nullptr ? PNG_FILTER_NONE : PNG_ALL_FILTERS);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
               color_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (palette != nullptr) {
    png_color entries[256];
    for (std::size_t i = 0; i < palette->size(); ++i) {
      entries[i] = {(*palette)[i].red, (*palette)[i].green, (*palette)[i].blue};
    }
    png_set_PLTE(writer.png, writer.info, entries, static_cast<int>(palette->size()));
  }
  if (description != nullptr) {
    static char key[] = "Description";
    png_text text{};
    text.compression = PNG_TEXT_COMPRESSION_NONE;
    text.key = key;
    text.text = description->data();
    png_set_text(writer.png, writer.info, &text, 1);
  }
  png_write_info(writer.png, writer.info);
  for (std::int64_t y = 0; y < height; ++y) {
    png_write_row(writer.png, pixels + static_cast<std::size_t>(y) * row_bytes);
  }
  png_write_end(writer.png, nullptr);
  return true;
}

struct Source {
  std::string_view rest;
};

void take_from_string(png_structp png, png_bytep data, png_size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->rest.size()) png_error(png, "the file is cut short");
  std::memcpy(data, source->rest.data(), size);
  source->rest.remove_prefix(size);
}

bool read_header(Reader& reader, Source& source) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_read_fn(reader.png, &source, take_from_string);
  png_read_info(reader.png, reader.info);
  if (png_get_color_type(reader.png, reader.info) != PNG_COLOR_TYPE_PALETTE) {
    png_set_expand(reader.png);
    png_set_strip_16(reader.png);
    png_set_strip_alpha(reader.png);
    png_set_gray_to_rgb(reader.png);
  } else {
    png_set_packing(reader.png);
  }
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(Reader& reader, std::vector<png_bytep>& rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_image(reader.png, rows.data());
  png_read_end(reader.png, nullptr);
  return true;
}

std::vector<Rgb> palette_of(Reader& reader) {
  png_colorp entries = nullptr;
  int n_entry = 0;
  std::vector<Rgb> palette;
  if (png_get_PLTE(reader.png, reader.info, &entries, &n_entry) == 0) return palette;
  for (int i = 0; i < n_entry; ++i) palette.push_back({entries[i].red, entries[i].green, entries[i].blue});
  return palette;
}

}  // namespace

std::string png_bytes(const IndexedImage& image, std::string_view description) {
  check_size(image.width, image.height, image.pixels.size());
  require(!image.palette.empty() && image.palette.size() <= 256, "png_bytes: a palette has 1 to 256 colours");
  require(std::ranges::all_of(image.pixels, [&image](std::uint8_t pixel) { return pixel < image.palette.size(); }),
          "png_bytes: a pixel lies outside the palette");
  Writer writer;
  std::string bytes;
  std::string text(description);
  if (!write_file_bytes(writer, bytes, image.width, image.height, PNG_COLOR_TYPE_PALETTE, &image.palette,
                        image.pixels.data(), static_cast<std::size_t>(image.width), text.empty() ? nullptr : &text)) {
    throw environment_error("PNG: {}", writer.failure.text.data());
  }
  return bytes;
}

std::string png_bytes(const RgbImage& image, std::string_view description) {
  check_size(image.width, image.height, image.pixels.size());
  static_assert(sizeof(Rgb) == 3, "rows of Rgb are written as they lie in memory");
  Writer writer;
  std::string bytes;
  std::string text(description);
  if (!write_file_bytes(writer, bytes, image.width, image.height, PNG_COLOR_TYPE_RGB, nullptr,
                        reinterpret_cast<const std::uint8_t*>(image.pixels.data()),
                        static_cast<std::size_t>(image.width) * sizeof(Rgb), text.empty() ? nullptr : &text)) {
    throw environment_error("PNG: {}", writer.failure.text.data());
  }
  return bytes;
}

std::variant<IndexedImage, RgbImage> image_from_png(std::string_view bytes, std::string_view where) {
  Reader reader;
  Source source{bytes};
  if (!read_header(reader, source)) throw bad_input("{}: not a PNG file: {}", where, reader.failure.text.data());
  const std::int64_t width = png_get_image_width(reader.png, reader.info);
  const std::int64_t height = png_get_image_height(reader.png, reader.info);
  if (width * height > kMaximumPixels)
    throw bad_input("{}: an image of {} x {} pixels is too large", where, width, height);
  const bool indexed = png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_PALETTE;
  const std::size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  std::vector<std::uint8_t> data(row_bytes * static_cast<std::size_t>(height));
  std::vector<png_bytep> rows;
  for (std::int64_t y = 0; y < height; ++y) rows.push_back(data.data() + static_cast<std::size_t>(y) * row_bytes);
  if (!read_rows(reader, rows)) throw bad_input("{}: not a PNG file: {}", where, reader.failure.text.data());
  if (indexed) return IndexedImage{width, height, std::move(data), palette_of(reader)};
  RgbImage image(width, height);
  std::memcpy(image.pixels.data(), data.data(), data.size());
  return image;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n_byte = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < n_byte ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) text += j <= n_byte ? kDigits[group >> (18 - 6 * j) & 63U] : '=';
  }
  return text;
}

std::string png_data_uri(std::string_view png) {
  return "data:image/png;base64," + base64(png);
}

}  // namespace kvscope
