#include "collectors/text/text_tokenizer.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/checkpoint/tensor_name.h"
#include "collectors/text/sentencepiece_check.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <string>
#include <utility>

namespace kvscope {
namespace {

class SentencePieceTokenizer : public TextTokenizer {
 public:
  explicit SentencePieceTokenizer(std::filesystem::path path) : path_(std::move(path)) {
    const MappedFile file(path_);
    const auto bytes = file.bytes();
    check_sentencepiece_model(bytes, path_.string());
    const auto status = processor_.LoadFromSerializedProto({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (!status.ok()) {
      throw bad_input("{}: is no SentencePiece model: {}", path_.string(), printable(status.ToString()));
    }
    if (processor_.eos_id() < 0) throw bad_input("{}: has no piece for the end of sequence", path_.string());
  }

  [[nodiscard]] std::int64_t pieces() const override { return processor_.GetPieceSize(); }

  [[nodiscard]] TokenizedText encode(std::string_view text, std::int64_t most_tokens) const override {
    require(most_tokens >= 2, "TextTokenizer: a limit must leave room for a piece and the end of sequence");
    sentencepiece::ImmutableSentencePieceText segmented;
    const auto status = processor_.Encode(text, segmented.mutable_proto());
    if (!status.ok()) {
      throw bad_input("{}: cannot encode '{}': {}", path_.string(), printable(text), printable(status.ToString()));
    }
    const auto pieces = segmented.pieces();
    TokenizedText tokens;
    tokens.whole_tokens = std::ssize(pieces) + 1;
    const std::int64_t kept = std::min(tokens.whole_tokens, most_tokens) - 1;
    for (std::int64_t i = 0; i < kept; ++i) {
      tokens.ids.push_back(static_cast<std::int32_t>(pieces[static_cast<std::size_t>(i)].id()));
      tokens.kept_bytes = pieces[static_cast<std::size_t>(i)].end();
    }
    if (!tokens.is_cut()) tokens.kept_bytes = text.size();
    tokens.ids.push_back(processor_.eos_id());
    return tokens;
  }

 private:
  std::filesystem::path path_;
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::unique_ptr<TextTokenizer> open_text_tokenizer(const std::filesystem::path& path) {
  return std::make_unique<SentencePieceTokenizer>(path);
}

}  // namespace kvscope
