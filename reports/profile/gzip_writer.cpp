#include "reports/profile/gzip_writer.h"

#include "collectors/base/error.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <span>

namespace kvscope {
namespace {

constexpr int kLargestWindow = 15;
constexpr int kGzipFormat = 16;  // added to the window: gzip's header and check sum instead of zlib's
constexpr int kMemoryLevel = 8;  // zlib's default
// Text that is handed on at once.
constexpr std::size_t kPiece = std::size_t{1} << 18;

}  // namespace

/// Owns zlib's state.
class GzipWriter::Stream {
 public:
  Stream() {
    if (deflateInit2(&state, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kLargestWindow + kGzipFormat, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Stream() { deflateEnd(&state); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  z_stream state{};
  std::array<Bytef, 1 << 16> buffer{};
};

GzipWriter::GzipWriter(const std::filesystem::path& path)
    : file_(path), stream_(path.extension() == ".gz" ? std::make_unique<Stream>() : nullptr) {}

GzipWriter::~GzipWriter() = default;

void GzipWriter::hand_on(int flush) {
  if (stream_ == nullptr) {
    file_.write(pending_);
  } else {
    z_stream& state = stream_->state;
    state.next_in = reinterpret_cast<Bytef*>(pending_.data());
    state.avail_in = static_cast<uInt>(pending_.size());
    do {
      state.next_out = stream_->buffer.data();
      state.avail_out = static_cast<uInt>(stream_->buffer.size());
      (void)deflate(&state, flush);  // fails only where the state is damaged
      file_.write(std::as_bytes(std::span(stream_->buffer)).first(stream_->buffer.size() - state.avail_out));
    } while (state.avail_out == 0);
  }
  pending_.clear();
}

void GzipWriter::write(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(std::min(kPiece, text.size()))) {
    pending_ += text.substr(0, kPiece);
    if (pending_.size() >= kPiece) hand_on(Z_NO_FLUSH);
  }
}

void GzipWriter::commit() {
  hand_on(Z_FINISH);
  file_.commit();
}

}  // namespace kvscope
