#include "reports/atlas/atlas_detail.h"

#include <fmt/format.h>

namespace kvscope {

std::vector<std::string> AtlasDetail::sentences() const {
  std::vector<std::string> sentences;
  if (map_side > 0)
    sentences.push_back(
        fmt::format("Maps are pooled to at most {0} × {0} cells, each the mean of its weights.", map_side));
  if (bits == 8) sentences.emplace_back("Weights have 8 bits instead of 16.");
  if (!both_sources)
    sentences.emplace_back("Where there are raw maps of the first sample, means over samples are left out.");
  if (!displacement) {
    sentences.emplace_back("Displacement histograms are left out.");
  } else if (!every_step) {
    sentences.emplace_back("Displacement histograms and the columns' spread are those of the last scale only.");
  }
  if (branches == 1) sentences.emplace_back("Maps are those of the first branch of guidance.");
  return sentences;
}

std::vector<AtlasDetail> detail_ladder(int branches) {
  std::vector<AtlasDetail> ladder;
  if (branches > 1) ladder.push_back({.branches = branches});
  ladder.push_back({});
  ladder.push_back({.bits = 8});
  ladder.push_back({.bits = 8, .both_sources = false, .every_step = false});
  for (const std::int64_t side : {256, 192, 128, 96, 64, 48, 40, 32})
    ladder.push_back({.bits = 8, .both_sources = false, .map_side = side, .every_step = false});
  for (const std::int64_t side : {32, 24, 16, 8})
    ladder.push_back({.bits = 8, .both_sources = false, .map_side = side, .every_step = false, .displacement = false});
  return ladder;
}

}  // namespace kvscope
