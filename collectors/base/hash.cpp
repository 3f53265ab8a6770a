#include "collectors/base/hash.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

namespace kvscope {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();

  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->evp == nullptr || EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) != 1) {
    throw environment_error("OpenSSL offers no SHA-256");
  }
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

void Sha256::update(std::string_view text) {
  update(std::as_bytes(std::span(text)));
}

std::string Sha256::hex_digest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_->evp, digest.data(), &length);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256_of_file(const std::filesystem::path& path) {
  constexpr std::int64_t kPieceBytes = std::int64_t{1} << 18;  // a fraction of the second-level cache
  const FileReader file(path);
  Sha256 hash;
  std::vector<std::byte> piece(static_cast<std::size_t>(kPieceBytes));
  const std::int64_t size = file.size();
  for (std::int64_t offset = 0; offset < size; offset += kPieceBytes) {
    const std::span part = std::span(piece).first(static_cast<std::size_t>(std::min(kPieceBytes, size - offset)));
    file.read(offset, part);
    hash.update(part);
  }
  return hash.hex_digest();
}

}  // namespace kvscope
