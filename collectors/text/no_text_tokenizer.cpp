#include "collectors/base/error.h"
#include "collectors/text/text_tokenizer.h"

namespace kvscope {

std::unique_ptr<TextTokenizer> open_text_tokenizer(const std::filesystem::path& path) {
  throw environment_error(
      "{}: this build has no SentencePiece to read it with (apt-get install libsentencepiece-dev and configure again)",
      path.string());
}

}  // namespace kvscope
