#pragma once

#include "collectors/base/stopwatch.h"

#include <cstdint>
#include <ostream>
#include <string>

namespace kvscope {

/// Says on `out` how far a task is: a bar that is redrawn on a terminal, else a line every few
/// seconds. Never writes to standard output, which belongs to results.
class Progress {
 public:
  /// @param unit  what is counted, in the plural: "samples"
  /// @param out   usually std::cerr; nullptr is silent
  Progress(std::string task, std::int64_t total, std::string unit, std::ostream* out);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` units are finished, in [0, total].
  void update(std::int64_t done);
  /// Ends the display with the time taken; also called by the destructor.
  void finish();

 private:
  void draw();

  std::string task_;
  std::int64_t total_;
  std::string unit_;
  std::ostream* out_;
  bool is_terminal_;
  bool finished_ = false;
  std::int64_t done_ = 0;
  Stopwatch watch_;
  Stopwatch since_draw_;
};

}  // namespace kvscope
