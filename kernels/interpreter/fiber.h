#pragma once

#include <boost/context/fiber.hpp>

#include <cstddef>

namespace kvscope::gpu::interpreter {

class Fiber;

/// The stack from which the fibers of one operating-system thread are started, while one of them runs.
struct Outside {
  boost::context::fiber rest;
  // Of AddressSanitizer: its own stack, and the extent of this one, which the first fiber to run finds out.
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t bytes = 0;
};

/// A strand of execution with a stack of its own, for one task after the other. Whoever calls resume() waits until the
/// task, or another fiber that it handed over to, calls suspend() or ends. Fibers stay on the operating-system thread
/// that made them and share its Outside. Sanitizers are told of every change of stack.
class Fiber {
 public:
  using Task = void (*)(void* argument);

  /// @param number  shifts the top of the stack, so that the hot ends of many stacks do not share cache sets.
  Fiber(Outside& outside, int number);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next resume() begins `task`, which must not throw. Requires that no task is under way.
  void begin(Task task, void* argument) {
    task_ = task;
    argument_ = argument;
    is_under_way_ = true;
    is_begun_ = false;
  }

  /// From outside: runs the task on.
  void resume();
  /// From inside: back to resume().
  void suspend();
  /// From inside: runs the task of `other` on in place of this one.
  void hand_over(Fiber& other);

  /// Whether a task was begun that has not ended.
  [[nodiscard]] bool is_under_way() const { return is_under_way_; }
  /// Whether the task has run at all.
  [[nodiscard]] bool is_begun() const { return is_begun_; }
  /// Forgets a task that has not run at all.
  void drop() { is_under_way_ = false; }

  [[nodiscard]] bool is_on_stack(const std::byte* address) const { return address >= memory_ && address < top_; }

 private:
  boost::context::fiber run();
  /// Where the fiber goes on after some time away.
  void arrive(void* fake_stack);
  [[nodiscard]] std::size_t bytes() const;

  Outside& outside_;
  std::byte* memory_;  ///< a page that faults, then the stack
  std::byte* top_;
  boost::context::fiber rest_;  ///< of the task, while something else runs
  Task task_ = nullptr;         ///< nullptr: the fiber itself shall end
  void* argument_ = nullptr;
  bool is_under_way_ = false;
  bool is_begun_ = false;
  void* fake_stack_ = nullptr;  ///< of AddressSanitizer
};

}  // namespace kvscope::gpu::interpreter
