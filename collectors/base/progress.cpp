#include "collectors/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

namespace kvscope {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(5);
constexpr int kBarWidth = 30;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Progress::Progress(std::string task, std::int64_t total, std::string unit, std::ostream* out)
    : task_(std::move(task)),
      total_(total),
      unit_(std::move(unit)),
      out_(out),
      is_terminal_(out == &std::cerr && isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_draw_(start_) {}

Progress::~Progress() {
  finish();
}

void Progress::update(std::int64_t done) {
  done_ = done;
  const auto interval = is_terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kLineInterval);
  if (Clock::now() - last_draw_ >= interval) draw();
}

void Progress::draw() {
  last_draw_ = Clock::now();
  if (out_ == nullptr) return;
  const double elapsed = seconds_since(start_);
  const double fraction = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1.0;
  const double left = fraction > 0.0 ? elapsed * (1.0 - fraction) / fraction : 0.0;
  if (is_terminal_) {
    const int filled = std::clamp(static_cast<int>(fraction * kBarWidth), 0, kBarWidth);
    *out_ << fmt::format("\r{} [{:#<{}}{:.<{}}] {}/{} {}, {:.0f} s left   ", task_, "", filled, "", kBarWidth - filled,
                         done_, total_, unit_, left);
  } else {
    *out_ << fmt::format("{}: {}/{} {} after {:.0f} s, {:.0f} s left\n", task_, done_, total_, unit_, elapsed, left);
  }
  out_->flush();
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (out_ == nullptr) return;
  *out_ << fmt::format("{}{}: {} of {} {} in {:.1f} s{}\n", is_terminal_ ? "\r" : "", task_, done_, total_, unit_,
                       seconds_since(start_), is_terminal_ ? std::string(kBarWidth + 20, ' ') : std::string());
  out_->flush();
}

}  // namespace kvscope
