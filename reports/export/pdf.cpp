#include "reports/export/pdf.h"

#include "collectors/base/error.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace kvscope {
namespace {

constexpr const char* kProgram = "rsvg-convert";

/// A file in memory that a child process can be given: no pipe can fill up, nothing is left on the disk.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : descriptor_(memfd_create(name, MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw environment_error("{}: cannot make a file in memory: {}", name, std::strerror(errno));
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  void fill(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) throw environment_error("{}: cannot hand the picture over: {}", kProgram, std::strerror(errno));
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    lseek(descriptor_, 0, SEEK_SET);
  }

  [[nodiscard]] std::string content() const {
    std::string bytes;
    std::array<char, 65536> piece{};
    lseek(descriptor_, 0, SEEK_SET);
    while (true) {
      const ssize_t size = read(descriptor_, piece.data(), piece.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return bytes;
      bytes.append(piece.data(), static_cast<std::size_t>(size));
    }
  }

 private:
  int descriptor_;
};

struct SpawnActions {
  SpawnActions() { posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  posix_spawn_file_actions_t actions{};
};

/// This process's environment, with the date of files fixed to the beginning of time: what cairo writes into them.
std::vector<char*> environment_without_date() {
  static char fixed_date[] = "SOURCE_DATE_EPOCH=0";
  std::vector<char*> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("SOURCE_DATE_EPOCH=")) variables.push_back(*variable);
  }
  variables.push_back(fixed_date);
  variables.push_back(nullptr);
  return variables;
}

/// The program's standard output.
std::string run_program(std::vector<std::string> words, std::string_view input) {
  const MemoryFile in("kvscope-svg");
  const MemoryFile out("kvscope-pdf");
  const MemoryFile complaints("kvscope-messages");
  in.fill(input);
  SpawnActions spawn;
  posix_spawn_file_actions_adddup2(&spawn.actions, in.descriptor(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&spawn.actions, out.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&spawn.actions, complaints.descriptor(), STDERR_FILENO);
  words.insert(words.begin(), kProgram);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment = environment_without_date();
  pid_t process = 0;
  const int failure = posix_spawnp(&process, kProgram, &spawn.actions, nullptr, arguments.data(), environment.data());
  if (failure == ENOENT) {
    throw environment_error(
        "PDF needs the program {}, which is not there; on Debian: apt-get install librsvg2-bin; SVG needs nothing",
        kProgram);
  }
  if (failure != 0) throw environment_error("{} cannot be run: {}", kProgram, std::strerror(failure));
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::string text = complaints.content().substr(0, 300);
    std::ranges::replace(text, '\n', ' ');
    throw environment_error("{} failed: {}", kProgram, text);
  }
  return out.content();
}

/// cairo asks viewers to smooth every image, whatever the picture says of it (image-rendering: pixelated), and a
/// smoothed attention map is another map. A null value means the same as no entry (ISO 32000-1, 7.3.7) and is as long
/// as `true`, so that no offset in the file moves.
void forbid_smoothing(std::string& pdf) {
  constexpr std::string_view kSmooth = "/Interpolate true";
  constexpr std::string_view kExact = "/Interpolate null";
  static_assert(kSmooth.size() == kExact.size());
  for (std::size_t at = pdf.find(kSmooth); at != std::string::npos; at = pdf.find(kSmooth, at)) {
    pdf.replace(at, kSmooth.size(), kExact);
  }
}

}  // namespace

std::string pdf_from_svg(std::string_view svg) {
  std::string pdf = run_program({"--format=pdf"}, svg);
  if (!pdf.starts_with("%PDF-")) throw environment_error("{} made no PDF file", kProgram);
  forbid_smoothing(pdf);
  return pdf;
}

Drawing with_large_pixels(Drawing drawing) {
  constexpr std::int64_t kLargestFactor = 8;
  for (DrawnShape& shape : drawing.shapes) {
    auto* image_shape = std::get_if<ImageShape>(&shape.form);
    auto* image = image_shape == nullptr ? nullptr : std::get_if<IndexedImage>(&image_shape->image);
    if (image == nullptr || image_shape->smooth) continue;
    const std::int64_t longer = std::max(image->width, image->height);
    const std::int64_t factor = std::clamp<std::int64_t>(kLargeImage / longer, 1, kLargestFactor);
    IndexedImage large{image->width * factor, image->height * factor, {}, std::move(image->palette)};
    large.pixels.reserve(static_cast<std::size_t>(large.width * large.height));
    for (std::int64_t y = 0; y < large.height; ++y) {
      for (std::int64_t x = 0; x < large.width; ++x) {
        large.pixels.push_back(image->pixels[static_cast<std::size_t>(y / factor * image->width + x / factor)]);
      }
    }
    *image = std::move(large);
  }
  return drawing;
}

std::string pdf_program() {
  std::string text = run_program({"--version"}, {});
  return text.substr(0, text.find('\n'));
}

}  // namespace kvscope
