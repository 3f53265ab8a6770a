#include "collectors/base/file.h"

#include "collectors/base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

std::string system_message() {
  return std::strerror(errno);
}

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
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

std::int64_t size_of(int file, const fs::path& path) {
  struct stat status {};
  if (::fstat(file, &status) != 0) throw bad_input("{}: {}", path.string(), system_message());
  if (!S_ISREG(status.st_mode)) throw bad_input("{}: not a regular file", path.string());
  return static_cast<std::int64_t>(status.st_size);
}

int open_regular_file(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw bad_input("{}: cannot open: {}", path.string(), system_message());
  static_cast<void>(size_of(file.get(), path));  // of a regular file only
  return file.release();
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const Descriptor file(open_regular_file(path));
  size_ = static_cast<std::size_t>(size_of(file.get(), path));
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED)
    throw environment_error("{}: cannot map {} bytes: {}", path.string(), size_, system_message());
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  if (part.empty() || data_ == nullptr) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(part.data() - data_);
  // Pages at either end that hold something else, too, are whole again at once when that is read.
  const std::size_t first = begin / page * page;
  const std::size_t last = std::min((begin + part.size() + page - 1) / page * page, (size_ + page - 1) / page * page);
  static_cast<void>(::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED));
}

FileReader::FileReader(const fs::path& path) : path_(path), descriptor_(open_regular_file(path)) {}

FileReader::~FileReader() {
  ::close(descriptor_);
}

void FileReader::read(std::int64_t offset, std::span<std::byte> target) const {
  while (!target.empty()) {
    const ssize_t got = ::pread(descriptor_, target.data(), target.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw bad_input("{}: cannot read: {}", path_.string(), system_message());
    if (got == 0) throw bad_input("{}: cut short: it ends before byte {}", path_.string(), offset);
    offset += got;
    target = target.subspan(static_cast<std::size_t>(got));
  }
}

std::int64_t FileReader::size() const {
  return size_of(descriptor_, path_);
}

std::string read_text_file(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

fs::path partial_path(const fs::path& path) {
  return path.string() + ".partial";
}

FileWriter::FileWriter(const fs::path& path) : path_(path) {
  std::error_code ignored;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), ignored);
  descriptor_ = ::open(partial_path(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw environment_error("{}: cannot create: {}", path.string(), system_message());
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  close();
  std::error_code ignored;
  fs::remove(partial_path(path_), ignored);
}

void FileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw environment_error("{}: cannot write: {}", path_.string(), system_message());
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void FileWriter::commit() {
  // Devices and pipes cannot be flushed and say so.
  if (::fsync(descriptor_) != 0 && errno != EINVAL) {
    throw environment_error("{}: cannot flush: {}", path_.string(), system_message());
  }
  std::error_code failure;
  fs::rename(partial_path(path_), path_, failure);
  if (failure) throw environment_error("{}: cannot rename: {}", path_.string(), failure.message());
  close();
}

void FileWriter::close() noexcept {
  ::close(std::exchange(descriptor_, -1));
}

void write_file(const fs::path& path, std::string_view bytes) {
  FileWriter writer(path);
  writer.write(bytes);
  writer.commit();
}

}  // namespace kvscope
