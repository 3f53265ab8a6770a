#pragma once

#include <boost/context/fiber.hpp>

#include <cstddef>

namespace kvscope::gpu::interpreter {

/// A strand of execution with a stack of its own, for one task after the other. Whoever calls resume() waits while the
/// task runs, until it calls suspend() or ends. Stays on the operating-system thread that made it. Sanitizers are told
/// of every change of stack.
class Fiber {
 public:
  using Task = void (*)(void* argument);

  /// @param number  shifts the top of the stack, so that the hot ends of many stacks do not share cache sets.
  explicit Fiber(int number);
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

  /// From inside the task: back to resume().
  void suspend();

  /// Whether a task was begun that has not ended.
  [[nodiscard]] bool is_under_way() const { return is_under_way_; }

  [[nodiscard]] bool is_on_stack(const std::byte* address) const { return address >= memory_ && address < top_; }

  /// Whether the task has run at all.
  [[nodiscard]] bool is_begun() const { return is_begun_; }

  /// Forgets a task that has not run at all.
  void drop() { is_under_way_ = false; }

 private:
  boost::context::fiber run(boost::context::fiber&& outside);

  std::byte* memory_;  ///< a page that faults, then the stack
  std::byte* top_;
  boost::context::fiber inside_;   ///< where the task goes on, while it is suspended
  boost::context::fiber outside_;  ///< where resume() goes on, while the task runs
  Task task_ = nullptr;            ///< nullptr: the fiber itself shall end
  void* argument_ = nullptr;
  bool is_under_way_ = false;
  bool is_begun_ = false;
  // Of AddressSanitizer: its own stacks of both sides, and the extent of the outer one.
  void* inside_fake_stack_ = nullptr;
  void* outside_fake_stack_ = nullptr;
  const void* outside_bottom_ = nullptr;
  std::size_t outside_bytes_ = 0;
};

}  // namespace kvscope::gpu::interpreter
