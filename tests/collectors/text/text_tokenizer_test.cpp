#include "collectors/text/text_tokenizer.h"

#include "collectors/base/file.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <fstream>
#include <random>
#include <string>
#include <string_view>

using namespace kvscope;
using testing::check_error;
using testing::repository_file;

namespace {

const std::filesystem::path kModel = repository_file("tests/data/t5/spiece.model");

}  // namespace

TEST_SUITE("collectors.text.text_tokenizer") {
  TEST_CASE("ids are those of the published tokenizer") {
    const Hdf5File golden = Hdf5File::open(repository_file("tests/data/t5/golden.h5"));
    const auto tokenizer = open_text_tokenizer(kModel);
    const std::int64_t limit = golden.integer_attribute("/", "max_length");
    const auto prompts = golden.children("/");
    REQUIRE(prompts.size() == 6);
    for (const std::string& name : prompts) {
      const auto expected = golden.read<std::int32_t>(name + "/ids");
      const TokenizedText tokens = tokenizer->encode(golden.text_attribute(name, "prompt"), limit);
      CAPTURE(name);
      CHECK(std::equal(tokens.ids.begin(), tokens.ids.end(), expected.values().begin(), expected.values().end()));
      CHECK(tokens.is_cut() == (name == "3"));
    }
  }

  TEST_CASE("a limit cuts pieces off and keeps the end of sequence") {
    const auto tokenizer = open_text_tokenizer(kModel);
    const std::string text = "A red cat sleeps under the old tree.";
    const TokenizedText whole = tokenizer->encode(text, 512);
    CHECK(whole.whole_tokens == 10);
    CHECK(whole.kept_bytes == text.size());
    CHECK_FALSE(whole.is_cut());
    const TokenizedText exact = tokenizer->encode(text, 10);
    CHECK(exact.ids == whole.ids);
    CHECK_FALSE(exact.is_cut());
    const TokenizedText cut = tokenizer->encode(text, 4);
    CHECK(cut.is_cut());
    CHECK(cut.whole_tokens == 10);
    CHECK(cut.ids == std::vector<std::int32_t>{whole.ids[0], whole.ids[1], whole.ids[2], 1});
    CHECK(text.substr(0, cut.kept_bytes) == "A red cat");
    check_error(
        ErrorCode::kUsage, [&] { (void)tokenizer->encode(text, 1); }, "limit");
  }

  TEST_CASE("a cut falls between characters") {
    const auto tokenizer = open_text_tokenizer(kModel);
    const std::string text = "\xC5\xBDlu\xC5\xA5ou\xC4\x8Dk\xC3\xBD k\xC5\xAF\xC5\x88 \xE7\x8C\xAB \xE2\x80\xA6";
    const std::int64_t most = tokenizer->encode(text, 512).whole_tokens;
    for (std::int64_t limit = 2; limit < most; ++limit) {
      const std::size_t end = tokenizer->encode(text, limit).kept_bytes;
      CAPTURE(limit);
      REQUIRE(end <= text.size());
      CHECK((end == text.size() || (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80));
    }
  }

  TEST_CASE("a file that is no model is refused by name") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "spiece.model";
    const auto open = [&] { (void)open_text_tokenizer(path); };
    check_error(ErrorCode::kBadInput, open, "spiece.model");
    write_file(path, "");
    check_error(ErrorCode::kBadInput, open, "spiece.model", "SentencePiece");
    write_file(path, read_text_file(kModel).substr(0, 1000));
    check_error(ErrorCode::kBadInput, open, "spiece.model", "cut short");
    write_file(path, read_text_file(repository_file("README.md")));
    check_error(ErrorCode::kBadInput, open, "spiece.model");
  }

  TEST_CASE("a table of character replacements that points elsewhere is refused") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "spiece.model";
    const std::string model = read_text_file(kModel);
    // The table begins with the length of its trie, and ends with the file.
    const std::size_t table = model.find(std::string("\x00\xBC\x02\x00", 4));
    REQUIRE(table != std::string::npos);
    const auto with = [&](std::size_t place, std::string_view bytes) {
      write_file(path, std::string(model).replace(place, bytes.size(), bytes));
      return [&] { (void)open_text_tokenizer(path); };
    };
    CHECK_NOTHROW(with(0, "")());
    check_error(ErrorCode::kBadInput, with(table, "\x7F\xBC\x02"), "spiece.model", "impossible size");
    check_error(ErrorCode::kBadInput, with(table, "\xFC\xFF\xFF\xFF"), "spiece.model", "cut short");
    // The root: an offset of 2^21 - 1, once in a unit that looks like a leaf.
    check_error(ErrorCode::kBadInput, with(table + 4, std::string_view("\x00\xFC\xFF\x7F", 4)), "out of its trie");
    check_error(ErrorCode::kBadInput, with(table + 4, std::string_view("\x00\xFC\xFF\xFF", 4)), "out of its trie");
    check_error(ErrorCode::kBadInput, with(model.size() - 1, "x"), "spiece.model", "does not end");
  }

  TEST_CASE("damaged models are refused or still give pieces that exist") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "spiece.model";
    const std::string model = read_text_file(kModel);
    std::mt19937 random(5);
    int refused = 0;
    for (int trial = 0; trial < 400; ++trial) {
      std::string damaged = model;
      // Every other time only what comes before most of the table.
      const std::size_t range = trial % 2 == 0 ? model.size() : 6000;
      for (int i = 0; i < 4; ++i) damaged[random() % range] = static_cast<char>(random());
      std::ofstream(path, std::ios::binary) << damaged;
      const auto error = testing::error_of([&] {
        const auto tokenizer = open_text_tokenizer(path);
        for (const std::int32_t id : tokenizer->encode("The \xC5\xBDlu\xC5\xA5 cat, 35mm \xEF\xAC\x81", 512).ids) {
          REQUIRE(id >= 0);
          REQUIRE(id < tokenizer->pieces());
        }
      });
      if (error) {
        REQUIRE(error->code() == ErrorCode::kBadInput);
        ++refused;
      }
    }
    CHECK(refused > 100);
    CHECK(refused < 400);
  }
}
