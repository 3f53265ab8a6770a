#include "collectors/hdf5/fletcher32.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using namespace kvscope;

namespace {

/// The definition, word by word; like HDF5 it has 65535 in place of 0 where any byte is not 0.
std::uint32_t reference(std::span<const std::byte> bytes) {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  bool all_zero = true;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const auto low = i + 1 < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + 1]) : 0U;
    const std::uint32_t word = std::to_integer<std::uint32_t>(bytes[i]) * 256U + low;
    all_zero = all_zero && word == 0;
    first = (first + word) % 65535;
    second = (second + first) % 65535;
  }
  const auto folded = [&](std::uint64_t sum) {
    return static_cast<std::uint32_t>(sum == 0 && !all_zero ? 65535 : sum);
  };
  return folded(second) * 65536U + folded(first);
}

std::vector<std::byte> noise(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint32_t state = 12345;
  for (std::byte& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24U);
  }
  return bytes;
}

}  // namespace

TEST_SUITE("collectors.hdf5.fletcher32") {
  TEST_CASE("short texts have their known sums") {
    const auto sum = [](std::string_view text) {
      return fletcher32(std::as_bytes(std::span(text.data(), text.size())));
    };
    CHECK(sum("") == 0);
    CHECK(sum("a") == 0x61006100U);
    CHECK(sum("ab") == 0x61626162U);
    CHECK(sum("abcd") == (0x6162U + 0x6162U + 0x6364U - 0xFFFFU) * 65536U + 0xC4C6U);
  }

  TEST_CASE("every length around the steps agrees with the definition") {
    const auto bytes = noise(70000);
    for (const std::size_t size : {1UL, 2UL, 3UL, 63UL, 64UL, 65UL, 127UL, 128UL, 129UL, 16319UL, 16320UL, 16321UL,
                                   16383UL, 16384UL, 16385UL, 32640UL, 69999UL, 70000UL}) {
      CAPTURE(size);
      const std::span part(bytes.data(), size);
      CHECK(fletcher32(part) == reference(part));
    }
  }

  TEST_CASE("zeros and ones only are told apart and nothing overflows") {
    for (const std::size_t size : {64UL, 16320UL, 100001UL}) {
      CAPTURE(size);
      CHECK(fletcher32(std::vector<std::byte>(size)) == 0);
      const std::vector<std::byte> ones(size, std::byte{0xFF});
      CHECK(fletcher32(ones) == reference(ones));
      CHECK(fletcher32(ones) != 0);
    }
  }
}
