#include "collectors/text/t5_config.h"

#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <functional>

using namespace kvscope;
using testing::check_error;

namespace {

const std::filesystem::path kConfig = testing::repository_file("tests/data/t5/config.json");

/// Reads the config of the test data after `change`.
T5Config changed(const std::function<void(Json&)>& change) {
  const testing::TemporaryFolder folder;
  Json document = parse_json(read_text_file(kConfig), "config.json");
  change(document);
  write_json_file(folder / "config.json", document);
  return read_t5_config(folder / "config.json");
}

}  // namespace

TEST_SUITE("collectors.text.t5_config") {
  TEST_CASE("the geometry comes from config.json") {
    const T5Config config = read_t5_config(kConfig);
    CHECK(config.width == 128);
    CHECK(config.layers == 3);
    CHECK(config.heads == 8);
    CHECK(config.head_width == 16);
    CHECK(config.inner_width == 256);
    CHECK(config.vocabulary == 128);
    CHECK(config.buckets == 32);
    CHECK(config.max_distance == 128);
    CHECK(config.epsilon == 1e-6);
    CHECK(t5_encoder_tensors(config).size() == 2 + 3 * 9);
  }

  TEST_CASE("what older files leave out has the value of their time") {
    const T5Config config = changed([](Json& json) {
      json.erase("relative_attention_max_distance");
      json.erase("layer_norm_epsilon");
    });
    CHECK(config.max_distance == 128);
    CHECK(config.epsilon == 1e-6);
  }

  TEST_CASE("another family and impossible numbers are refused by field") {
    const auto with = [](const char* field, const Json& value) {
      return [=] { (void)changed([&](Json& json) { json[field] = value; }); };
    };
    check_error(ErrorCode::kBadInput, with("model_type", "umt5"), "config.json", "model_type", "umt5", "'t5'");
    check_error(ErrorCode::kBadInput, with("feed_forward_proj", "relu"), "feed_forward_proj", "relu", "gated-gelu");
    check_error(ErrorCode::kBadInput, with("d_model", 0), "d_model", "0");
    check_error(ErrorCode::kBadInput, with("num_layers", 1000000), "num_layers", "1024");
    check_error(ErrorCode::kBadInput, with("d_ff", "many"), "d_ff");
    check_error(ErrorCode::kBadInput, with("relative_attention_num_buckets", 30), "multiple of 4");
    check_error(ErrorCode::kBadInput, with("relative_attention_max_distance", 8), "relative_attention_max_distance");
    check_error(ErrorCode::kBadInput, with("layer_norm_epsilon", 0.0), "layer_norm_epsilon");
    check_error(
        ErrorCode::kBadInput, [] { (void)changed([](Json& json) { json.erase("num_heads"); }); }, "num_heads");
    check_error(
        ErrorCode::kBadInput, [] { (void)read_t5_config(testing::repository_file("README.md")); }, "README.md");
  }

  TEST_CASE("distances share buckets as published") {
    // Smallest distance of each bucket of a side: 8 of their own, then 8 * 2^(k / 2) rounded up.
    const std::vector<std::int64_t> first = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    const T5Config config;
    for (std::int64_t distance = 0; distance < 600; ++distance) {
      const auto next = std::upper_bound(first.begin(), first.end(), distance);
      const std::int64_t expected = next - first.begin() - 1;
      CAPTURE(distance);
      CHECK(relative_position_bucket(-distance, config) == expected);
      if (distance > 0) CHECK(relative_position_bucket(distance, config) == 16 + expected);
    }
  }
}
