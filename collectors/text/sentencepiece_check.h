#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace kvscope {

/// Looks at what the SentencePiece library takes on trust in a model, so that a damaged file is an error and no crash:
/// the compiled table of character replacements (`precompiled_charsmap` of the normaliser's settings). It is a length
/// in bytes, so many bytes of a double-array trie (Darts-clone: 32-bit units that point at others) and the
/// replacements, texts that end with a zero byte. Every unit must point into the trie, and every replacement lie in the
/// texts.
///
/// Knows of the serialised model only how protocol buffers nest: field 3 or 5 (normaliser settings), in it field 2.
/// @throws Error  kBadInput naming `where` and the flaw.
void check_sentencepiece_model(std::span<const std::byte> model, std::string_view where);

}  // namespace kvscope
