#include "reports/atlas/encoding.h"

#include "reports/pictures/png.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kvscope {
namespace {

void append_little_endian(std::string& bytes, std::uint32_t value, int n_byte) {
  for (int byte = 0; byte < n_byte; ++byte)
    bytes.push_back(static_cast<char>((value >> (8U * static_cast<unsigned>(byte))) & 0xffU));
}

}  // namespace

WeightCodes::WeightCodes(int bits) : bits_(bits), floor_(bits == 8 ? 1e-6 : 1e-8), largest_((1 << bits) - 1) {
  require(bits == 8 || bits == 16, "WeightCodes: 8 or 16 bits");
}

double WeightCodes::relative_error() const noexcept {
  return std::expm1(-std::log(floor_) / (largest_ - 1) / 2.0);
}

std::uint16_t WeightCodes::code(float weight) const noexcept {
  const auto value = static_cast<double>(weight);
  if (!(value > 0.0)) return 0;
  const double place = 1.0 - std::log(std::min(value, 1.0)) / std::log(floor_);  // 0 at the floor, 1 at 1
  return static_cast<std::uint16_t>(std::max(1 + std::lround(place * (largest_ - 1)), 0L));
}

double WeightCodes::weight(std::uint16_t code) const noexcept {
  if (code == 0) return 0.0;
  return std::pow(floor_, static_cast<double>(largest_ - code) / (largest_ - 1));
}

std::string WeightCodes::base64_of(std::span<const float> weights) const {
  std::string bytes;
  bytes.reserve(weights.size() * static_cast<std::size_t>(bits_ / 8));
  for (const float weight : weights) append_little_endian(bytes, code(weight), bits_ / 8);
  return base64(bytes);
}

Json WeightCodes::description() const {
  return {{"bits", bits_}, {"floor", floor_}, {"relative_error", relative_error()}};
}

std::string shares_base64(std::span<const float> shares) {
  std::string bytes;
  for (const float share : shares) {
    const double inside = share > 0.0F ? std::min(static_cast<double>(share), 1.0) : 0.0;
    append_little_endian(bytes, static_cast<std::uint32_t>(std::lround(inside * 65535.0)), 2);
  }
  return base64(bytes);
}

Json float_array(std::span<const float> values, const std::vector<std::int64_t>& shape) {
  std::string bytes;
  bytes.reserve(4 * values.size());
  for (const float value : values) append_little_endian(bytes, std::bit_cast<std::uint32_t>(value), 4);
  return {{"shape", shape}, {"data", base64(bytes)}};
}

Json interval_json(const Interval& interval) {
  Json json = Json::array();
  for (const double value : {interval.mean, interval.low, interval.high})
    json.push_back(std::isfinite(value) ? Json(value) : Json(nullptr));
  return json;
}

std::string bit_set_base64(std::span<const std::int32_t> places, std::int64_t size) {
  std::string bytes(static_cast<std::size_t>((size + 7) / 8), '\0');
  for (const std::int32_t place : places) {
    if (place < 0 || place >= size) continue;
    char& byte = bytes[static_cast<std::size_t>(place) / 8];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | (1U << (static_cast<unsigned>(place) % 8U)));
  }
  return base64(bytes);
}

std::string script_json(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {  // outside of its strings JSON has none of these
      case '<':
        safe += "\\u003c";
        break;
      case '>':
        safe += "\\u003e";
        break;
      case '&':
        safe += "\\u0026";
        break;
      default:
        safe.push_back(c);
    }
  }
  return safe;
}

}  // namespace kvscope
