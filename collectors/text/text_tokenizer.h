#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace kvscope {

/// A text as the pieces of a tokenizer.
struct TokenizedText {
  std::vector<std::int32_t> ids;  ///< pieces, then the end of sequence
  std::int64_t whole_tokens = 0;  ///< how many there would be without a limit, the end of sequence included
  std::size_t kept_bytes = 0;     ///< the ids stand for the first so many bytes of the text

  [[nodiscard]] bool is_cut() const noexcept { return std::ssize(ids) < whole_tokens; }
};

/// Turns text into the numbers that a text encoder reads.
class TextTokenizer {
 public:
  virtual ~TextTokenizer() = default;

  /// Pieces there are; every id is in [0, pieces()).
  [[nodiscard]] virtual std::int64_t pieces() const = 0;
  /// The best segmentation of `text` (white space and characters normalised as the tokenizer was trained), cut so that
  /// the end of sequence still fits. Names of special pieces in the text ("</s>") count as text. May be called from
  /// several threads.
  /// @param text         UTF-8
  /// @param most_tokens  >= 2, the end of sequence included
  [[nodiscard]] virtual TokenizedText encode(std::string_view text, std::int64_t most_tokens) const = 0;
};

/// A SentencePiece model (Kudo, Richardson 2018, arXiv 1808.06226): the `spiece.model` of a transformers folder.
/// @throws Error  kBadInput naming the file if it is missing or no such model; kEnvironment if this build has no
///                SentencePiece.
[[nodiscard]] std::unique_ptr<TextTokenizer> open_text_tokenizer(const std::filesystem::path& path);

}  // namespace kvscope
