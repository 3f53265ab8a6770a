#include "collectors/capture/capture_contents.h"

#include "collectors/capture/capture_layout.h"
#include "collectors/capture/capture_skeleton.h"

#include <algorithm>
#include <string_view>

namespace kvscope {
namespace {

constexpr std::string_view kMaps = "maps";
constexpr std::string_view kImages = "images";
constexpr std::string_view kSampleColumnMean = "column_mean per sample";

/// The order in which parts give way to --max-bytes.
constexpr std::string_view kGivesWay[] = {
    kMaps,
    kSampleColumnMean,
    kImages,
    "thumbnail",
    "displacement",
    "column_second_moment",
    "column_mean_square",
    "key_range",
    "value_range",
    "value_norm",
    "output_mean",
};

std::string part_name(const CaptureQuantity& quantity) {
  const bool is_optional = is_per_sample(quantity) && quantity.name == statistic::kSampleColumnMean.name;
  return std::string(is_optional ? kSampleColumnMean : quantity.name);
}

std::int64_t quantity_bytes(const CaptureQuantity& quantity, const CaptureGeometry& geometry,
                            std::int64_t element_bytes) {
  std::int64_t bytes = 0;
  for (int step = 0; step < geometry.steps.size(); ++step) {
    bytes +=
        element_bytes * element_count(quantity_shape(quantity, geometry.model, geometry.steps, step, geometry.samples));
  }
  return bytes;
}

std::int64_t map_bytes(const CaptureContents& contents, const CaptureGeometry& geometry) {
  std::int64_t bytes = 0;
  const MapSelection& maps = contents.maps;
  if (maps.empty()) return 0;
  for (const int step : maps.steps) {
    bytes += static_cast<std::int64_t>(sizeof(float)) *
             element_count(map_shape(geometry.model, geometry.steps, step, contents.map_samples));
  }
  return bytes * static_cast<std::int64_t>(maps.layers.size() * maps.heads.size());
}

/// HDF5's header and chunk index of a dataset: a B-tree (version 1) with nodes of up to 64 chunks, filled at
/// least half (HDF5 file format specification, III.A.1).
std::int64_t index_bytes(const Shape& shape, const Shape& chunk) {
  constexpr std::int64_t kHeader = 700;
  constexpr std::int64_t kNodeChunks = 64;
  std::int64_t chunks = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) chunks *= (shape[axis] + chunk[axis] - 1) / chunk[axis];
  const std::int64_t key = 8 + 8 * (static_cast<std::int64_t>(shape.size()) + 1);
  const std::int64_t node = 24 + (kNodeChunks + 1) * key + kNodeChunks * 8;
  return kHeader + node * (chunks <= kNodeChunks ? 1 : 1 + 2 * chunks / kNodeChunks);
}

std::int64_t bookkeeping_bytes(const CaptureContents& contents, const CaptureGeometry& geometry) {
  std::int64_t bytes = 0;
  for (int step = 0; step < geometry.steps.size(); ++step) {
    for (const CaptureQuantity& quantity : contents.quantities) {
      const Shape shape = quantity_shape(quantity, geometry.model, geometry.steps, step, geometry.samples);
      bytes += index_bytes(shape, checksummed(shape, is_per_sample(quantity) ? 1 : 0, sizeof(float)).chunk);
    }
  }
  for (const int step : contents.maps.steps) {
    const Shape shape = map_shape(geometry.model, geometry.steps, step, contents.map_samples);
    bytes += static_cast<std::int64_t>(contents.maps.layers.size() * contents.maps.heads.size()) *
             index_bytes(shape, map_chunk(shape));
  }
  return bytes;
}

void drop(CaptureContents& contents, std::string_view part) {
  if (part == kMaps) contents.maps = {};
  if (part == kImages) contents.images = false;
  std::erase_if(contents.quantities, [&](const CaptureQuantity& quantity) { return part_name(quantity) == part; });
}

}  // namespace

CaptureContents default_contents() {
  CaptureContents contents;
  for (const CaptureQuantity& quantity : statistic_quantities()) {
    if (quantity.name != statistic::kSampleColumnMean.name) contents.quantities.push_back(quantity);
  }
  contents.quantities.insert(contents.quantities.end(), mean_quantities().begin(), mean_quantities().end());
  return contents;
}

std::vector<PartSize> part_sizes(const CaptureContents& contents, const CaptureGeometry& geometry) {
  std::vector<PartSize> parts;
  constexpr std::int64_t kPerSample = sizeof(std::int64_t) + sizeof(std::uint64_t);  // label and seed
  const std::int64_t bytes_of_token =
      geometry.token_bits > 0 ? geometry.token_bits : static_cast<std::int64_t>(sizeof(std::int32_t));
  const std::int64_t token_bytes = bytes_of_token * geometry.steps.total_tokens();
  parts.push_back({"samples", geometry.samples * (kPerSample + token_bytes)});
  for (const CaptureQuantity& quantity : contents.quantities) {
    const std::int64_t element_bytes = quantity.name == mean_statistic::kThumbnail.name ? 2 : 4;
    parts.push_back({part_name(quantity), quantity_bytes(quantity, geometry, element_bytes)});
  }
  parts.push_back({"bookkeeping", bookkeeping_bytes(contents, geometry)});
  if (contents.images)
    parts.push_back({std::string(kImages), geometry.samples * geometry.image_size[0] * geometry.image_size[1] * 3});
  if (!contents.maps.empty()) parts.push_back({std::string(kMaps), map_bytes(contents, geometry)});
  return parts;
}

std::int64_t total_bytes(const std::vector<PartSize>& parts) {
  std::int64_t bytes = 0;
  for (const PartSize& part : parts) bytes += part.bytes;
  return bytes;
}

std::int64_t accumulator_bytes(const CaptureContents& contents, const CaptureGeometry& geometry) {
  constexpr std::int64_t kSlots = 2;
  std::int64_t bytes = 0;
  for (const CaptureQuantity& quantity : contents.quantities) {
    if (!is_per_sample(quantity)) bytes += kSlots * quantity_bytes(quantity, geometry, sizeof(double));
  }
  return bytes;
}

CaptureContents contents_within(CaptureContents contents, const CaptureGeometry& geometry, std::int64_t max_bytes,
                                std::vector<std::string>& left_out) {
  for (const std::string_view part : kGivesWay) {
    const auto parts = part_sizes(contents, geometry);
    if (total_bytes(parts) <= max_bytes) return contents;
    if (std::ranges::find(parts, part, &PartSize::part) == parts.end()) continue;
    drop(contents, part);
    left_out.emplace_back(part);
  }
  const std::int64_t least = total_bytes(part_sizes(contents, geometry));
  if (least > max_bytes)
    throw usage_error("--max-bytes {} is too small: the least that a capture of {} samples needs is {} bytes",
                      max_bytes, geometry.samples, least);
  return contents;
}

}  // namespace kvscope
