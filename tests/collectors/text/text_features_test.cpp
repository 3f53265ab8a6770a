#include "collectors/text/text_features.h"

#include "collectors/base/file.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

using namespace kvscope;
using testing::check_error;
using testing::TemporaryFolder;

namespace {

/// Two prompts of one and two tokens, of width 3.
TextFeatures two_prompts() {
  TextFeatures text;
  text.features = Array<float>({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9.5F});
  text.lengths = {1, 2};
  text.prompts = {"snow", "\xC5\xBDlu\xC5\xA5"};
  text.run = {{"dtype", "float32"}};
  return text;
}

/// A file with just these two datasets, as any program writes it.
template <typename Features>
void write_plain(const std::filesystem::path& path, const Array<Features>& features,
                 const std::vector<std::int32_t>& lengths) {
  Hdf5File file = Hdf5File::create(path);
  file.write("/features", features);
  file.write("/lengths", Array<std::int32_t>({std::ssize(lengths)}, lengths));
  file.close();
}

}  // namespace

TEST_SUITE("collectors.text.text_features") {
  TEST_CASE("the last prompt is split off with its features and its words") {
    TextFeatures text = two_prompts();
    const TextFeatures last = split_last_prompt(text);
    CHECK(std::ranges::equal(text.features.values(), std::vector<float>{1, 2, 3}));
    CHECK(text.lengths == std::vector<std::int32_t>{1});
    CHECK(text.prompts == std::vector<std::string>{"snow"});
    CHECK(std::ranges::equal(last.features.values(), std::vector<float>{4, 5, 6, 7, 8, 9.5F}));
    CHECK(last.lengths == std::vector<std::int32_t>{2});
    CHECK(last.prompts == std::vector<std::string>{"\xC5\xBDlu\xC5\xA5"});
    check_text_features(text, "text");
    check_text_features(last, "last");
  }

  TEST_CASE("a fingerprint tells lengths and features apart and nothing else") {
    const TextFeatures text = two_prompts();
    TextFeatures other = text;
    other.prompts = {"snow", "rain"};
    other.run = {};
    CHECK(text_fingerprint(other) == text_fingerprint(text));
    other.lengths = {2, 1};
    CHECK(text_fingerprint(other) != text_fingerprint(text));
    other = text;
    other.features(2, 2) = 9.0F;
    CHECK(text_fingerprint(other) != text_fingerprint(text));
  }

  TEST_CASE("what is written comes back") {
    const TemporaryFolder folder;
    const TextFeatures text = two_prompts();
    write_text_features(folder / "t.h5", text);
    const TextFeatures read = read_text_features(folder / "t.h5", 3);
    CHECK(read.features.shape() == text.features.shape());
    CHECK(std::ranges::equal(read.features.values(), text.features.values()));
    CHECK(read.lengths == text.lengths);
    CHECK(read.prompts == text.prompts);
    CHECK(read.run == text.run);
    CHECK_FALSE(std::filesystem::exists(folder / "t.h5.partial"));
  }

  TEST_CASE("a prompt's features are its rows") {
    const TextFeatures text = two_prompts();
    CHECK(text.count() == 2);
    CHECK(text.width() == 3);
    CHECK(std::ranges::equal(text.of_prompt(0), std::vector<float>{1, 2, 3}));
    CHECK(std::ranges::equal(text.of_prompt(1), std::vector<float>{4, 5, 6, 7, 8, 9.5F}));
    check_error(
        ErrorCode::kUsage, [&] { (void)text.of_prompt(2); }, "no such prompt");
  }

  TEST_CASE("other writers need two datasets of any number type") {
    const TemporaryFolder folder;
    write_plain(folder / "t.h5", Array<double>({2, 2}, {0.5, 1.5, 2.5, 3.5}), {2});
    const TextFeatures read = read_text_features(folder / "t.h5");
    CHECK(std::ranges::equal(read.features.values(), std::vector<float>{0.5F, 1.5F, 2.5F, 3.5F}));
    CHECK(read.lengths == std::vector<std::int32_t>{2});
    CHECK(read.prompts.empty());
    CHECK(read.run.is_null());
  }

  TEST_CASE("what does not fit together is refused by dataset") {
    const TemporaryFolder folder;
    const auto path = folder / "t.h5";
    const auto read = [&] { (void)read_text_features(path, 2); };
    const auto with = [&](const Array<float>& features, const std::vector<std::int32_t>& lengths) {
      write_plain(path, features, lengths);
      return read;
    };
    const Array<float> rows({3, 2}, 1.0F);
    CHECK_NOTHROW(with(rows, {1, 2})());
    check_error(ErrorCode::kBadInput, with(Array<float>({3, 4}), {1, 2}), "t.h5", "'features'", "width 4", "width 2");
    check_error(ErrorCode::kBadInput, with(Array<float>({6}), {6}), "'features'", "1 axes");
    check_error(ErrorCode::kBadInput, with(rows, {1, 1}), "3 rows", "adds up to 2");
    check_error(ErrorCode::kBadInput, with(rows, {1, 3}), "3 rows", "adds up to 4");
    check_error(ErrorCode::kBadInput, with(rows, {3, 0}), "'lengths'", "0 for prompt 1");
    check_error(ErrorCode::kBadInput, with(rows, {4, -1}), "'lengths'", "-1 for prompt 1");
    check_error(ErrorCode::kBadInput, with(Array<float>({0, 2}), {}), "'lengths'", "empty");
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Array<float> holed = rows;
      holed(2, 1) = value;
      check_error(ErrorCode::kBadInput, with(holed, {1, 2}), "'features'", "prompt 1, token 1", "finite");
    }
    // A number that becomes infinite as float32.
    write_plain(path, Array<double>({1, 2}, {1.0, 1e300}), {1});
    check_error(ErrorCode::kBadInput, read, "prompt 0, token 0");
  }

  TEST_CASE("files that lack something or say they are another are refused") {
    const TemporaryFolder folder;
    const auto path = folder / "t.h5";
    const auto read = [&] { (void)read_text_features(path); };
    check_error(ErrorCode::kBadInput, read, "t.h5");
    {
      Hdf5File file = Hdf5File::create(path);
      file.write("/features", Array<float>({1, 2}));
      file.close();
    }
    check_error(ErrorCode::kBadInput, read, "'lengths' is missing");
    write_text_features(path, two_prompts());
    {
      Hdf5File file = Hdf5File::open_for_writing(path);
      file.set_attribute("/", "version", 2);
      file.close();
    }
    check_error(ErrorCode::kBadInput, read, "version 2");
    const auto with_prompts = [&](const std::vector<std::string>& prompts) {
      write_text_features(path, two_prompts());
      Hdf5File file = Hdf5File::open_for_writing(path);
      file.remove("/prompts");
      file.write_strings("/prompts", prompts);
      file.close();
      return read;
    };
    check_error(ErrorCode::kBadInput, with_prompts({"one"}), "'prompts' holds 1 texts");
    check_error(ErrorCode::kBadInput, with_prompts({"one", "caf\xE9"}), "'prompts'", "caf?", "UTF-8");
    CHECK_NOTHROW(with_prompts({"one", ""})());
  }

  TEST_CASE("a file that was cut short is refused wherever it ends") {
    const TemporaryFolder folder;
    write_text_features(folder / "t.h5", two_prompts());
    const std::string whole = read_text_file(folder / "t.h5");
    for (std::size_t bytes = 0; bytes < whole.size(); bytes += 97) {
      write_file(folder / "cut.h5", whole.substr(0, bytes));
      CAPTURE(bytes);
      check_error(
          ErrorCode::kBadInput, [&] { (void)read_text_features(folder / "cut.h5"); }, "cut.h5");
    }
  }

  TEST_CASE("nothing is written that could not be read") {
    const TemporaryFolder folder;
    TextFeatures text = two_prompts();
    text.lengths = {1, 1};
    check_error(
        ErrorCode::kBadInput, [&] { write_text_features(folder / "t.h5", text); }, "adds up to 2");
    CHECK(std::filesystem::is_empty(folder.path()));
  }
}
