#include "kernels/interpreter/fiber.h"

#include "collectors/base/error.h"

#include <boost/context/preallocated.hpp>
#include <boost/context/stack_context.hpp>
#include <sys/mman.h>

#include <memory>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define KVSCOPE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KVSCOPE_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef KVSCOPE_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace kvscope::gpu::interpreter {
namespace {

constexpr std::size_t kPageBytes = 4096;
/// Kernels keep a few KiB of fragments; AddressSanitizer multiplies that. Only touched pages cost memory.
constexpr std::size_t kStackBytes = std::size_t{256} * 1024;
constexpr std::size_t kMappedBytes = kPageBytes + kStackBytes;

/// Stacks belong to Fiber, not to the context that runs on them.
struct BorrowedStack {
  void deallocate(boost::context::stack_context& /*stack*/) const noexcept {}
};

void announce_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                     [[maybe_unused]] std::size_t bytes) {
#ifdef KVSCOPE_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
#endif
}

void end_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                [[maybe_unused]] std::size_t* bytes) {
#ifdef KVSCOPE_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
#endif
}

/// Goes on in `to` and leaves what remains to do here in `from`.
void change(boost::context::fiber& from, boost::context::fiber& to) {
  std::move(to).resume_with([&from](boost::context::fiber&& rest) {
    from = std::move(rest);
    return boost::context::fiber();
  });
}

}  // namespace

Fiber::Fiber(Outside& outside, int number) : outside_(outside) {
  void* mapped = mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) throw environment_error("interpreter: no memory for the stack of a thread");
  memory_ = static_cast<std::byte*>(mapped);
  mprotect(memory_, kPageBytes, PROT_NONE);
  constexpr int shifts = 32;
  constexpr std::size_t shift_bytes = 192;  // three cache lines: 32 lanes spread over all sets of a page
  top_ = memory_ + kMappedBytes - static_cast<std::size_t>(number % shifts) * shift_bytes;
  boost::context::stack_context stack;
  stack.sp = top_;
  stack.size = bytes();
  rest_ = boost::context::fiber(std::allocator_arg, boost::context::preallocated(top_, stack.size, stack),
                                BorrowedStack{}, [this](boost::context::fiber&& /*outside*/) { return run(); });
}

Fiber::~Fiber() {
  task_ = nullptr;
  resume();
  munmap(memory_, kMappedBytes);
}

std::size_t Fiber::bytes() const {
  return static_cast<std::size_t>(top_ - memory_) - kPageBytes;
}

void Fiber::resume() {
  is_begun_ = true;
  announce_switch(&outside_.fake_stack, memory_ + kPageBytes, bytes());
  change(outside_.rest, rest_);
  end_switch(outside_.fake_stack, nullptr, nullptr);
}

void Fiber::suspend() {
  announce_switch(&fake_stack_, outside_.bottom, outside_.bytes);
  change(rest_, outside_.rest);
  arrive(fake_stack_);
}

void Fiber::hand_over(Fiber& other) {
  other.is_begun_ = true;
  announce_switch(&fake_stack_, other.memory_ + kPageBytes, other.bytes());
  change(rest_, other.rest_);
  arrive(fake_stack_);
}

void Fiber::arrive(void* fake_stack) {
  const void* bottom = nullptr;
  std::size_t bytes_before = 0;
  end_switch(fake_stack, &bottom, &bytes_before);
  if (outside_.bottom != nullptr) return;
  outside_.bottom = bottom;
  outside_.bytes = bytes_before;
}

boost::context::fiber Fiber::run() {
  arrive(nullptr);
  while (task_ != nullptr) {
    task_(argument_);
    is_under_way_ = false;
    suspend();
  }
  announce_switch(nullptr, outside_.bottom, outside_.bytes);
  return std::move(outside_.rest);
}

}  // namespace kvscope::gpu::interpreter
