#pragma once

#include "reports/pictures/raster_image.h"

#include <string>
#include <string_view>
#include <variant>

namespace kvscope {

/// The bytes of a PNG file: palette images with 8 bits an index, colour images with 24 bits a pixel. No
/// time stamp: the same pixels give the same bytes.
/// @param description  a sentence for the text chunk "Description", ASCII; empty: no such chunk
/// @throws Error  kUsage if the image is empty or contradicts itself; kEnvironment if libpng fails.
[[nodiscard]] std::string png_bytes(const IndexedImage& image, std::string_view description = {});
[[nodiscard]] std::string png_bytes(const RgbImage& image, std::string_view description = {});

/// Reads what png_bytes wrote: palette images come back as indices, all others as 8-bit colour.
/// @throws Error  kBadInput naming `where` if the bytes are no PNG file or are cut short.
[[nodiscard]] std::variant<IndexedImage, RgbImage> image_from_png(std::string_view bytes, std::string_view where);

/// RFC 4648 base64 with padding.
[[nodiscard]] std::string base64(std::string_view bytes);
/// "data:image/png;base64,..." for HTML and SVG that carry their pictures inside.
[[nodiscard]] std::string png_data_uri(std::string_view png);

}  // namespace kvscope
