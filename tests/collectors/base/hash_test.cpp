#include "collectors/base/hash.h"

#include "collectors/base/file.h"
#include "support/paths.h"

#include <doctest/doctest.h>

using namespace kvscope;

TEST_SUITE("collectors.base.hash") {
  TEST_CASE("the digest is that of FIPS 180-2 for its example") {
    Sha256 hash;
    hash.update("a");
    hash.update("bc");
    CHECK(hash.hex_digest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }

  TEST_CASE("a file is hashed by its content") {
    const testing::TemporaryFolder folder;
    write_file(folder / "empty", "");
    CHECK(sha256_of_file(folder / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  }
}
