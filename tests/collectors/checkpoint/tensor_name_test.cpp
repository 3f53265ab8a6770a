#include "collectors/checkpoint/tensor_name.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;

TEST_SUITE("collectors.checkpoint.tensor_name") {
  TEST_CASE("plain text is UTF-8 without control characters") {
    CHECK(is_plain_text("blocks.0.attn.mat_qkv.weight"));
    CHECK(
        is_plain_text("gr\xC3\xB6\xC3\x9F"
                      "e \xE2\x82\xAC \xF0\x9F\x98\x80"));
    for (const std::string_view text :
         {std::string_view("a\nb"), std::string_view("a\0b", 3), std::string_view("\x7F"), std::string_view("\x80"),
          std::string_view("\xC0\x80"), std::string_view("\xE2\x82"), std::string_view("\xED\xA0\x80"),
          std::string_view("\xF4\x90\x80\x80"), std::string_view("\xE0\x80\x80"), std::string_view("\xFF")}) {
      CAPTURE(text.size());
      CHECK_FALSE(is_plain_text(text));
    }
  }

  TEST_CASE("messages show foreign text on one line of bounded length") {
    CHECK(printable("os\nsystem\x1B[31m") == "os?system?[31m");
    CHECK(printable(std::string(1000, 'x')).size() < 130);
  }

  TEST_CASE("empty and endless names are refused") {
    check_tensor_name("x", "f");
    check_tensor_name(std::string(kLongestTensorName, 'x'), "f");
    for (const auto& name : {std::string(), std::string(kLongestTensorName + 1, 'x'), std::string("a\tb")}) {
      testing::check_error(
          ErrorCode::kBadInput, [&] { check_tensor_name(name, "file.pth"); }, "file.pth");
    }
  }
}
