#include "collectors/base/file.h"

#include "collectors/base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

std::string system_message() { return std::strerror(errno); }

/// A POSIX file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

void write_all(int descriptor, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw environment_error("{}: cannot write: {}", path.string(), system_message());
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw bad_input("{}: cannot open: {}", path.string(), system_message());
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw bad_input("{}: {}", path.string(), system_message());
  if (!S_ISREG(status.st_mode)) throw bad_input("{}: not a regular file", path.string());
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) throw environment_error("{}: cannot map {} bytes: {}", path.string(), size_, system_message());
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_text_file(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

fs::path partial_path(const fs::path& path) { return path.string() + ".partial"; }

void write_file(const fs::path& path, std::string_view bytes) {
  std::error_code failure;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), failure);
  const fs::path partial = partial_path(path);
  try {
    const Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.get() < 0) throw environment_error("{}: cannot create: {}", path.string(), system_message());
    write_all(file.get(), bytes, path);
    if (::fsync(file.get()) != 0 && errno != EINVAL) {
      throw environment_error("{}: cannot flush: {}", path.string(), system_message());
    }
  } catch (const Error&) {
    fs::remove(partial, failure);
    throw;
  }
  fs::rename(partial, path, failure);
  if (failure) throw environment_error("{}: cannot rename: {}", path.string(), failure.message());
}

}  // namespace kvscope
