#include "collectors/text/encode_prompts.h"

#include "collectors/base/error.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/base/progress.h"
#include "collectors/text/prompts.h"
#include "collectors/text/t5_encoder.h"
#include "collectors/text/text_tokenizer.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::size_t kShownBytes = 40;

/// The end of `text` in so many bytes, beginning with a whole character.
std::string_view ending(std::string_view text) {
  std::size_t first = text.size() - std::min(text.size(), kShownBytes);
  while (first < text.size() && (static_cast<unsigned char>(text[first]) & 0xC0U) == 0x80) ++first;
  return text.substr(first);
}

void check_request(const TextEncoding& encoding) {
  if (encoding.prompts.empty()) throw usage_error("there is no prompt to encode");
  for (std::size_t i = 0; i < encoding.prompts.size(); ++i) {
    const std::string_view flaw = prompt_flaw(encoding.prompts[i]);
    if (!flaw.empty()) throw usage_error("prompt {} {}", i, flaw);
  }
  if (encoding.most_tokens < 2 || encoding.most_tokens > kMostTextTokens) {
    throw usage_error("the limit of tokens is {}, expected 2 to {}", encoding.most_tokens, kMostTextTokens);
  }
}

T5Config read_config(const TextEncoding& encoding) {
  const std::filesystem::path path = encoding.folder / "config.json";
  const T5Config config = read_t5_config(path);
  if (encoding.width && config.width != *encoding.width) {
    throw bad_input("{}: the encoder has the width {}, but the model reads text of width {}", path.string(),
                    config.width, *encoding.width);
  }
  return config;
}

void warn_of_cut(std::string_view prompt, std::string_view text, const TokenizedText& tokens, std::ostream& messages) {
  messages << fmt::format("warning: {} has {} tokens, {} fit: it is cut after '{}', byte {} of {}\n", prompt,
                          tokens.whole_tokens, tokens.ids.size(), ending(text.substr(0, tokens.kept_bytes)),
                          tokens.kept_bytes, text.size());
}

/// The tokens of every prompt, for a model of `vocabulary` of them.
std::vector<std::vector<std::int32_t>> tokenized(const TextEncoding& encoding, std::int64_t vocabulary) {
  const std::filesystem::path path = encoding.folder / "spiece.model";
  const auto tokenizer = open_text_tokenizer(path);
  if (tokenizer->pieces() > vocabulary) {
    throw bad_input("{}: has {} pieces, but the vocabulary of config.json only {}", path.string(), tokenizer->pieces(),
                    vocabulary);
  }
  std::vector<std::vector<std::int32_t>> ids;
  for (std::size_t i = 0; i < encoding.prompts.size(); ++i) {
    TokenizedText tokens = tokenizer->encode(encoding.prompts[i], encoding.most_tokens);
    if (tokens.is_cut() && encoding.messages != nullptr) {
      const bool is_negative = encoding.last_is_negative && i + 1 == encoding.prompts.size();
      warn_of_cut(is_negative ? "the negative prompt" : fmt::format("prompt {}", i), encoding.prompts[i], tokens,
                  *encoding.messages);
    }
    ids.push_back(std::move(tokens.ids));
  }
  return ids;
}

/// Fills `text.features` prompt by prompt.
void encode_all(const T5Encoder& encoder, const std::vector<std::vector<std::int32_t>>& ids, std::int64_t at_a_time,
                TextFeatures& text, std::ostream* messages) {
  const std::int64_t count = std::ssize(ids);
  Progress progress("encode text", count, "prompts", messages);
  std::vector<std::int64_t> prompt_of(static_cast<std::size_t>(at_a_time));
  std::vector<Array<float>> rows_of(static_cast<std::size_t>(at_a_time));
  std::int64_t begun = 0;
  std::int64_t done = 0;
  auto target = text.features.values().begin();
  run_stream({.slots = at_a_time,
              .read =
                  [&](std::int64_t slot) {
                    throw_if_interrupted();
                    if (begun == count) return false;
                    prompt_of[static_cast<std::size_t>(slot)] = begun++;
                    return true;
                  },
              .work =
                  [&](std::int64_t slot) {
                    const auto at = static_cast<std::size_t>(slot);
                    rows_of[at] = encoder.encode(ids[static_cast<std::size_t>(prompt_of[at])]);
                  },
              .collect =
                  [&](std::int64_t slot) {
                    const auto rows = rows_of[static_cast<std::size_t>(slot)].values();
                    target = std::copy(rows.begin(), rows.end(), target);
                    progress.update(++done);
                  }});
}

/// Room for the features of prompts with these tokens.
TextFeatures blank_features(const TextEncoding& encoding, const std::vector<std::vector<std::int32_t>>& ids,
                            std::int64_t width) {
  TextFeatures text;
  std::int64_t rows = 0;
  for (const auto& tokens : ids) {
    text.lengths.push_back(static_cast<std::int32_t>(tokens.size()));
    rows += std::ssize(tokens);
  }
  text.features = Array<float>({rows, width});
  text.prompts = encoding.prompts;
  return text;
}

}  // namespace

TextFeatures encode_prompts(const TextEncoding& encoding) {
  check_request(encoding);
  // The tokenizer first: what is wrong with prompts shows before gigabytes are read.
  const T5Config config = read_config(encoding);
  const auto ids = tokenized(encoding, config.vocabulary);
  const T5Encoder encoder = T5Encoder::open(encoding.folder, encoding.compute_type, encoding.device);
  TextFeatures text = blank_features(encoding, ids, config.width);
  text.run = {{"encoder", encoding.folder.string()},
              {"dtype", element_name(encoding.compute_type)},
              {"device", name_of(encoding.device)},
              {"most_tokens", encoding.most_tokens}};
  encode_all(encoder, ids, encoding.device.is_cuda() ? 1 : 2 * std::int64_t{thread_count()}, text, encoding.messages);
  check_text_features(text, encoding.folder.string());
  return text;
}

TextFeatures measure_prompts(const TextEncoding& encoding) {
  check_request(encoding);
  const T5Config config = read_config(encoding);
  return blank_features(encoding, tokenized(encoding, config.vocabulary), config.width);
}

}  // namespace kvscope
