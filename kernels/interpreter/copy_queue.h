#pragma once

#include "kernels/cuda/call_site.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvscope::gpu::interpreter {

/// The copies of one thread that are under way, in the groups in which it committed them.
class CopyQueue {
 public:
  struct Copy {
    std::int64_t target = 0;  ///< offset in shared memory
    const void* source = nullptr;
    int bytes = 0;
    CallSite site;
  };

  void add(const Copy& copy) { copies_.push_back(copy); }
  void commit() { group_ends_.push_back(copies_.size()); }

  /// Ends all groups but the latest `pending`, oldest copy first. Copies without a group stay under way.
  template <typename Finish>
  void wait(std::size_t pending, Finish&& finish) {
    if (group_ends_.size() <= pending) return;
    const std::size_t groups = group_ends_.size() - pending;
    const std::size_t copies = group_ends_[groups - 1];
    for (std::size_t i = 0; i < copies; ++i) finish(copies_[i]);
    copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(copies));
    group_ends_.erase(group_ends_.begin(), group_ends_.begin() + static_cast<std::ptrdiff_t>(groups));
    for (std::size_t& end : group_ends_) end -= copies;
  }

  void clear() {
    copies_.clear();
    group_ends_.clear();
  }

 private:
  std::vector<Copy> copies_;
  std::vector<std::size_t> group_ends_;  ///< number of copies up to the end of each group
};

}  // namespace kvscope::gpu::interpreter
