#include "collectors/text/encode_prompts.h"

#include "collectors/base/file.h"
#include "collectors/base/parallel.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

using namespace kvscope;
using testing::check_error;
using testing::repository_file;

namespace {

const std::filesystem::path kFolder = repository_file("tests/data/t5");

/// The golden prompts but for the empty one.
TextEncoding golden_encoding(const Hdf5File& golden) {
  TextEncoding encoding;
  encoding.folder = kFolder;
  encoding.most_tokens = golden.integer_attribute("/", "max_length");
  for (const std::string& name : golden.children("/")) {
    const std::string prompt = golden.text_attribute(name, "prompt");
    if (!prompt.empty()) encoding.prompts.push_back(prompt);
  }
  REQUIRE(encoding.prompts.size() == 5);
  return encoding;
}

Hdf5File golden_file() {
  return Hdf5File::open(kFolder / "golden.h5");
}

}  // namespace

TEST_SUITE("collectors.text.encode_prompts") {
  TEST_CASE("prompts become the features of the published implementation one after the other") {
    const Hdf5File golden = golden_file();
    const TextEncoding encoding = golden_encoding(golden);
    const TextFeatures text = encode_prompts(encoding);
    CHECK(text.prompts == encoding.prompts);
    CHECK(text.lengths == std::vector<std::int32_t>{10, 2, 14, 16, 14});
    for (std::int64_t prompt = 0; prompt < text.count(); ++prompt) {
      const auto expected = golden.read<float>(fmt::format("{}/features", prompt));
      const auto found = text.of_prompt(prompt);
      REQUIRE(std::ssize(found) == expected.size());
      float scale = 0;
      for (const float value : expected.values()) scale = std::max(scale, std::abs(value));
      for (std::size_t i = 0; i < found.size(); ++i) {
        REQUIRE(std::abs(found[i] - expected.values()[i]) < 1e-5F * scale);
      }
    }
  }

  TEST_CASE("a prompt that is cut is said to be cut and where") {
    TextEncoding encoding = golden_encoding(golden_file());
    std::ostringstream messages;
    encoding.messages = &messages;
    (void)encode_prompts(encoding);
    const std::string said = messages.str();
    CAPTURE(said);
    CHECK(said.find("warning: prompt 3 has 17 tokens, 16 fit") != std::string::npos);
    CHECK(said.find("rain and light and a', byte 71 of 75") != std::string::npos);
    CHECK(std::count(said.begin(), said.end(), '\n') == 2);  // and what was done
    CHECK(said.find("5 of 5 prompts") != std::string::npos);
  }

  TEST_CASE("a negative prompt that is cut is called so and not numbered") {
    TextEncoding encoding = golden_encoding(golden_file());
    encoding.prompts = {encoding.prompts.front(), encoding.prompts[3]};
    encoding.last_is_negative = true;
    std::ostringstream messages;
    encoding.messages = &messages;
    (void)encode_prompts(encoding);
    CHECK(messages.str().find("warning: the negative prompt has 17 tokens, 16 fit") != std::string::npos);
  }

  TEST_CASE("features depend neither on the other prompts nor on the number of threads") {
    TextEncoding encoding = golden_encoding(golden_file());
    set_thread_count(1);
    const TextFeatures one = encode_prompts(encoding);
    set_thread_count(3);
    const TextFeatures three = encode_prompts(encoding);
    CHECK(std::ranges::equal(one.features.values(), three.features.values()));
    std::ranges::reverse(encoding.prompts);
    const TextFeatures reversed = encode_prompts(encoding);
    set_thread_count(0);
    for (std::int64_t prompt = 0; prompt < 5; ++prompt) {
      CHECK(std::ranges::equal(reversed.of_prompt(4 - prompt), one.of_prompt(prompt)));
    }
  }

  TEST_CASE("what cannot be encoded is refused before the weights are read") {
    const testing::TemporaryFolder folder;
    TextEncoding encoding;
    encoding.folder = folder.path();
    const auto encode = [&] { (void)encode_prompts(encoding); };
    check_error(ErrorCode::kUsage, encode, "no prompt");
    encoding.prompts = {"a cat", " "};
    check_error(ErrorCode::kUsage, encode, "prompt 1 is empty");
    encoding.prompts = {"a cat"};
    encoding.most_tokens = 1;
    check_error(ErrorCode::kUsage, encode, "2 to 4096");
    encoding.most_tokens = 16;
    check_error(ErrorCode::kBadInput, encode, "config.json");
    std::string config = read_text_file(kFolder / "config.json");
    write_file(folder / "config.json", config);
    check_error(ErrorCode::kBadInput, encode, "spiece.model");
    std::filesystem::copy_file(kFolder / "spiece.model", folder / "spiece.model");
    check_error(ErrorCode::kBadInput, encode, "pytorch_model.bin");
    const std::string vocabulary = R"("vocab_size": 128)";
    config.replace(config.find(vocabulary), vocabulary.size(), R"("vocab_size": 119)");
    write_file(folder / "config.json", config);
    check_error(ErrorCode::kBadInput, encode, "spiece.model", "120 pieces", "119");
  }
}
