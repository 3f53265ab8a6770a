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
constexpr std::size_t kStackBytes = 256 * 1024;
constexpr std::size_t kMappedBytes = kPageBytes + kStackBytes;

/// Stacks belong to Fiber, not to the context that runs on them.
struct BorrowedStack {
  void deallocate(boost::context::stack_context& /*stack*/) const noexcept {}
};

void leave_stack([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                 [[maybe_unused]] std::size_t bytes) {
#ifdef KVSCOPE_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
#endif
}

void enter_stack([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                 [[maybe_unused]] std::size_t* bytes) {
#ifdef KVSCOPE_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
#endif
}

}  // namespace

Fiber::Fiber(int number) {
  void* mapped = mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) throw environment_error("interpreter: no memory for the stack of a thread");
  memory_ = static_cast<std::byte*>(mapped);
  mprotect(memory_, kPageBytes, PROT_NONE);
  constexpr int kShifts = 32;
  constexpr std::size_t kShiftBytes = 192;  // three cache lines: 32 lanes spread over all sets of a page
  top_ = memory_ + kMappedBytes - static_cast<std::size_t>(number % kShifts) * kShiftBytes;
  boost::context::stack_context stack;
  stack.sp = top_;
  stack.size = static_cast<std::size_t>(top_ - memory_) - kPageBytes;
  inside_ =
      boost::context::fiber(std::allocator_arg, boost::context::preallocated(top_, stack.size, stack), BorrowedStack{},
                            [this](boost::context::fiber&& outside) { return run(std::move(outside)); });
}

Fiber::~Fiber() {
  task_ = nullptr;
  resume();
  munmap(memory_, kMappedBytes);
}

void Fiber::resume() {
  is_begun_ = true;
  leave_stack(&outside_fake_stack_, memory_ + kPageBytes, static_cast<std::size_t>(top_ - memory_) - kPageBytes);
  inside_ = std::move(inside_).resume();
  enter_stack(outside_fake_stack_, nullptr, nullptr);
}

void Fiber::suspend() {
  leave_stack(&inside_fake_stack_, outside_bottom_, outside_bytes_);
  outside_ = std::move(outside_).resume();
  enter_stack(inside_fake_stack_, &outside_bottom_, &outside_bytes_);
}

boost::context::fiber Fiber::run(boost::context::fiber&& outside) {
  outside_ = std::move(outside);
  enter_stack(nullptr, &outside_bottom_, &outside_bytes_);
  while (task_ != nullptr) {
    task_(argument_);
    is_under_way_ = false;
    suspend();
  }
  leave_stack(nullptr, outside_bottom_, outside_bytes_);
  return std::move(outside_);
}

}  // namespace kvscope::gpu::interpreter
