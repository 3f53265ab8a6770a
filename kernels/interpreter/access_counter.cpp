#include "kernels/interpreter/access_counter.h"

#include "kernels/interpreter/execution.h"

#include <algorithm>

namespace kvscope::gpu::interpreter {
namespace {

constexpr int kBanks = 32;
constexpr std::int64_t kWordBytes = 4;

/// Wavefronts that lanes [first, end) need: the words of the busiest bank.
std::int64_t wavefronts_of(const std::array<std::int64_t, kWarpThreads>& offsets, std::uint32_t lanes, int first,
                           int end, std::size_t bytes) {
  std::array<std::vector<std::int64_t>, kBanks> words;
  for (int lane = first; lane < end; ++lane) {
    if ((lanes >> lane & 1U) == 0) continue;
    const std::int64_t offset = offsets[static_cast<std::size_t>(lane)];
    for (std::int64_t word = offset / kWordBytes; word * kWordBytes < offset + static_cast<std::int64_t>(bytes);
         ++word) {
      auto& bank = words[static_cast<std::size_t>(word % kBanks)];
      if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
    }
  }
  std::size_t most = 0;
  for (const auto& bank : words) most = std::max(most, bank.size());
  return static_cast<std::int64_t>(most);
}

}  // namespace

AccessCounter::~AccessCounter() {
  for (const auto& [warp, lines] : lines_) count(lines);
}

void AccessCounter::read_shared(const Thread& thread, std::int64_t offset, std::size_t bytes, const CallSite& site) {
  counts_.shared_bytes_read += static_cast<std::int64_t>(bytes);
  add(thread, offset, bytes, site);
}

void AccessCounter::write_shared(const Thread& thread, std::int64_t offset, std::size_t bytes, const CallSite& site) {
  counts_.shared_bytes_written += static_cast<std::int64_t>(bytes);
  add(thread, offset, bytes, site);
}

void AccessCounter::add(const Thread& thread, std::int64_t offset, std::size_t bytes, const CallSite& site) {
  std::vector<Line>& lines = lines_[{thread.block->index, thread.warp->index}];
  auto line = std::find_if(lines.begin(), lines.end(), [&](const Line& known) {
    return known.site.line == site.line && known.site.file == site.file && known.bytes == bytes;
  });
  if (line == lines.end()) line = lines.insert(lines.end(), {.site = site, .bytes = bytes});
  const auto lane = static_cast<std::size_t>(thread.lane);
  const std::size_t number = line->done[lane]++;
  if (number == line->instructions.size()) line->instructions.emplace_back();
  Instruction& instruction = line->instructions[number];
  instruction.lanes |= 1U << lane;
  instruction.offsets[lane] = offset;
}

void AccessCounter::meet(const Warp& warp) {
  const auto lines = lines_.find({warp.block->index, warp.index});
  if (lines == lines_.end()) return;
  count(lines->second);
  lines->second.clear();
}

void AccessCounter::count(const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    SharedSite& counts = counts_of(line.site);
    const int lanes_at_once = kWarpThreads * 4 / static_cast<int>(std::max<std::size_t>(line.bytes, 4));
    for (const Instruction& instruction : line.instructions) {
      for (int first = 0; first < kWarpThreads; first += lanes_at_once) {
        const std::int64_t wavefronts =
            wavefronts_of(instruction.offsets, instruction.lanes, first, first + lanes_at_once, line.bytes);
        counts.wavefronts += wavefronts;
        counts.least_wavefronts += std::min<std::int64_t>(wavefronts, 1);
      }
    }
  }
}

SharedSite& AccessCounter::counts_of(const CallSite& site) {
  auto& sites = counts_.shared_sites;
  const auto known = std::find_if(sites.begin(), sites.end(), [&](const SharedSite& other) {
    return other.site.line == site.line && std::string_view(other.site.file) == site.file;
  });
  return known != sites.end() ? *known : sites.emplace_back(SharedSite{.site = site});
}

}  // namespace kvscope::gpu::interpreter
