#pragma once

#include "collectors/base/array.h"
#include "collectors/base/json_file.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// What a text-to-image model reads of its prompts: the last hidden states of a text encoder, token by token, those
/// of all prompts one after the other and without padding.
struct TextFeatures {
  Array<float> features;              ///< [sum of lengths, width], finite
  std::vector<std::int32_t> lengths;  ///< tokens of each prompt, each >= 1, the end of sequence included
  std::vector<std::string> prompts;   ///< their texts, for the record: one each (it may be empty), or none at all
  Json run;                           ///< how the features were made, for the record; null where that is not known

  [[nodiscard]] std::int64_t count() const noexcept { return std::ssize(lengths); }
  /// Tokens of the longest prompt.
  [[nodiscard]] std::int64_t longest() const noexcept {
    return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  }
  [[nodiscard]] std::int64_t width() const { return features.extent(1); }
  /// The features of one prompt, [lengths[prompt], width] row-major.
  [[nodiscard]] std::span<const float> of_prompt(std::int64_t prompt) const;
};

/// Throws kBadInput naming `where` and the field unless `text` is as TextFeatures says: at least one prompt, lengths
/// that add up to the rows, finite numbers.
void check_text_features(const TextFeatures& text, std::string_view where);

/// Throws kBadInput naming `where` unless the features have the width that a model reads.
void check_text_width(const TextFeatures& text, std::int64_t width, std::string_view where);

/// The texts of samples, whose labels count prompts; none where `text` is null or does not know them.
[[nodiscard]] std::vector<std::string> prompts_of_samples(const TextFeatures* text,
                                                          std::span<const std::int64_t> labels);

/// Takes the last of at least two prompts out of `text` and returns it.
[[nodiscard]] TextFeatures split_last_prompt(TextFeatures& text);

/// SHA-256 of what a model reads of them, lengths and features, as hexadecimal digits.
[[nodiscard]] std::string text_fingerprint(const TextFeatures& text);

/// Writes them as docs/formats/text_features.md says, in one stroke (see replace_hdf5_file).
void write_text_features(const std::filesystem::path& path, const TextFeatures& text);

/// Reads them, from kvscope or from another writer: only the datasets `features` and `lengths` must be there.
///
/// @param width  what the model expects; nothing: any
/// @throws Error  kBadInput naming file and dataset that is missing, of another shape or width, or holds something
///                else than it should.
[[nodiscard]] TextFeatures read_text_features(const std::filesystem::path& path,
                                              std::optional<std::int64_t> width = std::nullopt);

}  // namespace kvscope
