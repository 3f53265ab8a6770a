#include "collectors/checkpoint/crc32.h"

#include "support/checkpoint_files.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;
using testing::bytes_of;

TEST_SUITE("collectors.checkpoint.crc32") {
  TEST_CASE("the check values of the CRC catalogue come out") {
    CHECK(crc32({}) == 0x00000000U);
    CHECK(crc32(bytes_of("123456789")) == 0xCBF43926U);
    CHECK(crc32(bytes_of("The quick brown fox jumps over the lazy dog")) == 0x414FA339U);
  }

  TEST_CASE("every length and alignment agrees with the bit by bit definition") {
    std::string text;
    for (int i = 0; i < 40; ++i) text += static_cast<char>(i * 37 + 200);
    for (std::size_t begin = 0; begin < 9; ++begin) {
      for (std::size_t length = 0; begin + length <= text.size(); ++length) {
        std::uint32_t remainder = 0xFFFFFFFFU;
        for (const char c : text.substr(begin, length)) {
          remainder ^= static_cast<unsigned char>(c);
          for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? 0xEDB88320U : 0U);
        }
        CHECK(crc32(bytes_of(std::string_view(text).substr(begin, length))) == ~remainder);
      }
    }
  }
}
