#include "collectors/text/text_features.h"

#include "collectors/base/error.h"
#include "collectors/base/hash.h"
#include "collectors/checkpoint/tensor_name.h"
#include "collectors/hdf5/hdf5_document.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-text-features";
constexpr int kVersion = 1;
constexpr std::int64_t kChunkElements = std::int64_t{1} << 20;

std::int64_t sum(std::span<const std::int32_t> lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

/// Throws unless every length is at least 1 and they add up to the rows of `features`.
void check_lengths(std::span<const std::int32_t> lengths, const Shape& features, std::string_view where) {
  if (lengths.empty()) throw bad_input("{}: 'lengths' is empty, expected one number per prompt", where);
  const auto wrong = std::find_if(lengths.begin(), lengths.end(), [](std::int32_t length) { return length < 1; });
  if (wrong != lengths.end()) {
    throw bad_input("{}: 'lengths' says {} for prompt {}, expected at least 1", where, *wrong, wrong - lengths.begin());
  }
  if (sum(lengths) != features[0]) {
    throw bad_input("{}: 'features' has {} rows, but 'lengths' adds up to {}", where, features[0], sum(lengths));
  }
}

/// Throws unless the shape is [rows, width] with some width, or `width` where that is given.
void check_shape(const Shape& shape, std::optional<std::int64_t> width, std::string_view where) {
  if (shape.size() != 2) throw bad_input("{}: 'features' has {} axes, expected 2: row, width", where, shape.size());
  if (shape[1] < 1) throw bad_input("{}: 'features' has the width 0, expected at least 1", where);
  if (width && shape[1] != *width) {
    throw bad_input("{}: 'features' has the width {}, but the model reads text of width {}", where, shape[1], *width);
  }
}

/// 'prompt 3, token 5' of a row.
std::string place_of(std::int64_t row, std::span<const std::int32_t> lengths) {
  std::size_t prompt = 0;
  for (; row >= lengths[prompt]; ++prompt) row -= lengths[prompt];
  return fmt::format("prompt {}, token {}", prompt, row);
}

/// Throws unless there are no texts, or one that can be shown for each prompt.
void check_texts(std::span<const std::string> prompts, std::int64_t count, std::string_view where) {
  if (prompts.empty()) return;
  if (std::ssize(prompts) != count) {
    throw bad_input("{}: 'prompts' holds {} texts, but 'lengths' {} numbers", where, prompts.size(), count);
  }
  const auto wrong = std::find_if_not(prompts.begin(), prompts.end(), is_plain_text);
  if (wrong != prompts.end()) {
    throw bad_input("{}: 'prompts' holds '{}', which is no UTF-8 text without control characters", where,
                    printable(*wrong));
  }
}

void write_all(Hdf5File& file, const TextFeatures& text) {
  const std::int64_t chunk_rows = std::clamp<std::int64_t>(kChunkElements / text.width(), 1, text.features.extent(0));
  file.set_attribute("/", "format", kFormat);
  file.set_attribute("/", "version", kVersion);
  if (!text.run.is_null()) file.set_attribute("/", "run", text.run.dump());
  file.write("/features", text.features, {.chunk = {chunk_rows, text.width()}, .checksum = true});
  file.set_attribute("/features", "axes", "row, width");
  file.write("/lengths", Array<std::int32_t>({text.count()}, text.lengths));
  file.set_attribute("/lengths", "unit", "tokens");
  if (!text.prompts.empty()) file.write_strings("/prompts", text.prompts);
}

}  // namespace

std::span<const float> TextFeatures::of_prompt(std::int64_t prompt) const {
  require(prompt >= 0 && prompt < count(), "TextFeatures: there is no such prompt");
  const std::int64_t first = sum(std::span(lengths).first(static_cast<std::size_t>(prompt)));
  return features.values().subspan(static_cast<std::size_t>(first * width()),
                                   static_cast<std::size_t>(lengths[static_cast<std::size_t>(prompt)] * width()));
}

void check_text_features(const TextFeatures& text, std::string_view where) {
  check_shape(text.features.shape(), std::nullopt, where);
  check_lengths(text.lengths, text.features.shape(), where);
  check_texts(text.prompts, text.count(), where);
  const auto values = text.features.values();
  const auto wrong = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != values.end()) {
    throw bad_input("{}: 'features' holds {} at {}, expected finite numbers", where, *wrong,
                    place_of((wrong - values.begin()) / text.width(), text.lengths));
  }
}

void check_text_width(const TextFeatures& text, std::int64_t width, std::string_view where) {
  check_shape(text.features.shape(), width, where);
}

std::vector<std::string> prompts_of_samples(const TextFeatures* text, std::span<const std::int64_t> labels) {
  std::vector<std::string> prompts;
  if (text == nullptr || text->prompts.empty()) return prompts;
  for (const std::int64_t label : labels) prompts.push_back(text->prompts.at(static_cast<std::size_t>(label)));
  return prompts;
}

TextFeatures split_last_prompt(TextFeatures& text) {
  require(text.count() >= 2, "split_last_prompt: there must be a prompt before it");
  const auto all = text.features.values();
  const auto last = text.of_prompt(text.count() - 1);
  const auto before = all.first(all.size() - last.size());
  TextFeatures split;
  split.lengths = {text.lengths.back()};
  split.features = Array<float>({text.lengths.back(), text.width()}, {last.begin(), last.end()});
  split.run = text.run;
  if (!text.prompts.empty()) {
    split.prompts = {text.prompts.back()};
    text.prompts.pop_back();
  }
  Array<float> rest({text.features.extent(0) - text.lengths.back(), text.width()}, {before.begin(), before.end()});
  text.features = std::move(rest);
  text.lengths.pop_back();
  return split;
}

std::string text_fingerprint(const TextFeatures& text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text.lengths)));
  hash.update(std::as_bytes(text.features.values()));
  return hash.hex_digest();
}

void write_text_features(const std::filesystem::path& path, const TextFeatures& text) {
  check_text_features(text, path.string());
  replace_hdf5_file(path, [&](Hdf5File& file) { write_all(file, text); });
}

TextFeatures read_text_features(const std::filesystem::path& path, std::optional<std::int64_t> width) {
  const Hdf5File file = Hdf5File::open(path);
  const std::string name = path.string();
  if (file.has_attribute("/", "format")) check_hdf5_format(file, kFormat, kVersion);
  for (const char* dataset : {"features", "lengths"}) {
    if (!file.is_dataset(dataset)) throw bad_input("{}: dataset '{}' is missing", name, dataset);
  }
  const Shape lengths_shape = file.shape("lengths");
  if (lengths_shape.size() != 1) {
    throw bad_input("{}: 'lengths' has {} axes, expected 1: prompt", name, lengths_shape.size());
  }
  TextFeatures text;
  const auto lengths = file.read<std::int32_t>("lengths");
  text.lengths.assign(lengths.values().begin(), lengths.values().end());
  // Before anything large is read.
  check_shape(file.shape("features"), width, name);
  check_lengths(text.lengths, file.shape("features"), name);
  text.features = file.read<float>("features");
  if (file.has("prompts")) text.prompts = file.read_strings("prompts");
  if (file.has_attribute("/", "run")) text.run = json_attribute(file, "run");
  check_text_features(text, name);
  return text;
}

}  // namespace kvscope
