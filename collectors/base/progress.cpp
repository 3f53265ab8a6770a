#include "collectors/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

namespace kvscope {
namespace {

constexpr double kTerminalSeconds = 0.1;  // between two drawings
constexpr double kLineSeconds = 5.0;
constexpr int kBarWidth = 30;

}  // namespace

Progress::Progress(std::string task, std::int64_t total, std::string unit, std::ostream* out)
    : task_(std::move(task)),
      total_(total),
      unit_(std::move(unit)),
      out_(out),
      is_terminal_(out == &std::cerr && isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  finish();
}

void Progress::update(std::int64_t done) {
  done_ = done;
  if (since_draw_.seconds() >= (is_terminal_ ? kTerminalSeconds : kLineSeconds)) draw();
}

void Progress::draw() {
  since_draw_ = Stopwatch();
  if (out_ == nullptr) return;
  const double elapsed = watch_.seconds();
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
                       watch_.seconds(), is_terminal_ ? std::string(kBarWidth + 20, ' ') : std::string());
  out_->flush();
}

}  // namespace kvscope
