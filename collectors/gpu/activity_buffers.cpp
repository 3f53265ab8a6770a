#include "collectors/gpu/activity_buffers.h"

#include <new>
#include <utility>

namespace kvscope {

void ActivityBuffers::reserve() {
  const std::scoped_lock lock(mutex_);
  buffers_.reserve(kMostBuffers);
  free_.reserve(kMostBuffers);  // giving back must not allocate
  while (buffers_.size() < kFirstBuffers) {
    buffers_.push_back(std::make_unique<Buffer>());
    free_.push_back(buffers_.back()->bytes);
  }
}

std::span<std::uint8_t> ActivityBuffers::take() noexcept {
  const std::scoped_lock lock(mutex_);
  if (free_.empty() && buffers_.size() < kMostBuffers) {
    try {
      buffers_.push_back(std::make_unique<Buffer>());
      free_.push_back(buffers_.back()->bytes);
    } catch (const std::bad_alloc&) {
      // Counted below.
    }
  }
  if (free_.empty()) {
    ++log_.losses.refused_buffers;
    return {};
  }
  std::uint8_t* const buffer = free_.back();
  free_.pop_back();
  return {buffer, kBufferBytes};
}

void ActivityBuffers::decode_and_give_back(std::uint8_t* buffer, std::size_t valid_bytes,
                                           CuptiNextRecord next) noexcept {
  if (buffer == nullptr) return;
  const std::scoped_lock lock(mutex_);
  try {
    decode_buffer(buffer, valid_bytes, next, log_);
  } catch (const std::exception&) {
    ++log_.losses.malformed;
  }
  free_.push_back(buffer);
}

void ActivityBuffers::add_dropped(std::size_t records) noexcept {
  const std::scoped_lock lock(mutex_);
  log_.losses.dropped += static_cast<std::int64_t>(records);
}

void ActivityBuffers::add_node(std::uint64_t node, std::uint64_t range) noexcept {
  if (node == 0 || range == 0) return;
  const std::scoped_lock lock(mutex_);
  try {
    log_.range_of_node[node] = range;
  } catch (const std::bad_alloc&) {
    ++log_.losses.malformed;
  }
}

void ActivityBuffers::add_clone(std::uint64_t node, std::uint64_t original) noexcept {
  if (node == 0 || original == 0) return;
  const std::scoped_lock lock(mutex_);
  try {
    log_.cloned_from[node] = original;
  } catch (const std::bad_alloc&) {
    ++log_.losses.malformed;
  }
}

void ActivityBuffers::forget_work() {
  const std::scoped_lock lock(mutex_);
  ActivityLog rest;
  rest.range_of_node = std::move(log_.range_of_node);
  rest.cloned_from = std::move(log_.cloned_from);
  log_ = std::move(rest);
}

ActivityLog ActivityBuffers::take_log() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(log_, {});
}

}  // namespace kvscope
