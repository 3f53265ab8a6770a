#include "kernels/cuda/statistics/map_tables.h"

#include "collectors/base/error.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/corresponding_place.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace kvscope::gpu {
namespace {

constexpr std::int64_t kDiagonals = 32;        // lanes of a warp
constexpr std::int64_t kKeysForAllWarps = 48;  // a source with more keys in a tile is dealt to all warps

std::int32_t narrow(std::int64_t value) {
  return static_cast<std::int32_t>(value);
}

template <typename Record>
std::size_t append(std::vector<std::int32_t>& words, const std::vector<Record>& records) {
  const std::size_t at = words.size();
  const std::size_t count = records.size() * sizeof(Record) / sizeof(std::int32_t);
  words.resize(at + count);
  if (count > 0) std::memcpy(words.data() + at, records.data(), count * sizeof(std::int32_t));
  return at;
}

/// A visible step as the tiles are cut along it.
struct Source {
  StepShape grid;
  bool corresponds;
  std::array<std::int32_t, 3> centres;  // of t, y, x
};

class TileCutter {
 public:
  TileCutter(const std::vector<Source>& sources, std::int64_t tile_keys) : sources_(sources), tile_keys_(tile_keys) {
    copies_.resize(sources.size());
  }

  void cut() {
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      const std::int64_t tokens = sources_[s].grid.tokens();
      for (std::int64_t first = 0; first < tokens;) {
        if (keys_ == tile_keys_) finish_tile();
        const std::int64_t count = std::min(tokens - first, tile_keys_ - keys_);
        const bool for_all = count > kKeysForAllWarps;
        const int copies = !sources_[s].corresponds ? 0 : for_all ? kMapWarps : 1;
        if (copy_count_ + copies > kMostCopies) {
          finish_tile();
          continue;
        }
        add_piece(s, first, count, for_all);
        first += count;
      }
    }
    finish_tile();
  }

  std::vector<ColumnTile> tiles;
  std::vector<DiagonalLine> lines;

  [[nodiscard]] std::int32_t copies() const noexcept { return first_copy_; }
  [[nodiscard]] const std::vector<std::vector<std::int32_t>>& source_copies() const noexcept { return copies_; }

 private:
  int idlest_warp() const {
    const auto fewest = std::ranges::min_element(warps_, {}, [](const auto& dealt) { return dealt.size(); });
    return static_cast<int>(fewest - warps_.begin());
  }

  /// Tokens [first, first + count) of a source, which the tile continues with.
  void add_piece(std::size_t s, std::int64_t first, std::int64_t count, bool for_all) {
    const Source& source = sources_[s];
    if (source.corresponds) {
      const int copies = for_all ? kMapWarps : 1;
      for (int c = 0; c < copies; ++c) copies_[s].push_back(first_copy_ + copy_count_ + c);
      const int only = idlest_warp();
      std::int64_t token = first;
      int turn = 0;
      while (token < first + count) {
        const std::int64_t x = token % source.grid.w;
        const std::int64_t length = std::min<std::int64_t>(source.grid.w - x, first + count - token);
        // Centres are within [0, w), so displacements within (x - w, x + length).
        for (std::int64_t d = x - source.grid.w + 1; d < x + length; d += kDiagonals) {
          const int warp = for_all ? turn++ % kMapWarps : only;
          DiagonalLine line = line_of(source, token, length, keys_ + token - first);
          line.first_diagonal = narrow(d);
          line.copy = copy_count_ + (for_all ? warp : 0);
          warps_[static_cast<std::size_t>(warp)].push_back(line);
        }
        token += length;
      }
      copy_count_ += copies;
    }
    keys_ += count;
  }

  static DiagonalLine line_of(const Source& source, std::int64_t token, std::int64_t length, std::int64_t column) {
    const GridPlace place = place_of(source.grid, token);
    DiagonalLine line{};
    line.centre_t = source.centres[0];
    line.centre_y = source.centres[1];
    line.centre_x = source.centres[2];
    line.t = narrow(place.t);
    line.y = narrow(place.y);
    line.origin = narrow(column - place.x);
    line.begin = narrow(column);
    line.end = narrow(column + length);
    return line;
  }

  void finish_tile() {
    if (keys_ == 0) return;
    ColumnTile tile{.first_key = narrow(first_key_),
                    .keys = narrow(keys_),
                    .first_copy = first_copy_,
                    .copies = copy_count_,
                    .first_line = {}};
    for (std::size_t w = 0; w < warps_.size(); ++w) {
      tile.first_line[w] = narrow(static_cast<std::int64_t>(lines.size()));
      lines.insert(lines.end(), warps_[w].begin(), warps_[w].end());
      warps_[w].clear();
    }
    tile.first_line[kMapWarps] = narrow(static_cast<std::int64_t>(lines.size()));
    tiles.push_back(tile);
    first_key_ += keys_;
    first_copy_ += copy_count_;
    keys_ = 0;
    copy_count_ = 0;
  }

  const std::vector<Source>& sources_;
  std::int64_t tile_keys_;
  std::int64_t first_key_ = 0;
  std::int64_t keys_ = 0;
  std::int32_t first_copy_ = 0;
  std::int32_t copy_count_ = 0;
  std::array<std::vector<DiagonalLine>, kMapWarps> warps_;
  std::vector<std::vector<std::int32_t>> copies_;
};

/// Corresponding places in `source` along one axis, appended to `centres`; where they begin.
std::int32_t append_centres(std::int64_t own, std::int64_t source, std::vector<std::int32_t>& centres) {
  const auto at = narrow(static_cast<std::int64_t>(centres.size()));
  for (std::int64_t i = 0; i < own; ++i) centres.push_back(narrow(corresponding_index(i, own, source)));
  return at;
}

}  // namespace

DeviceMapTables::DeviceMapTables(const StepTable& steps, int step, int tile_keys) {
  const StepShape& own = steps[step];
  require(steps.n_key(step) < (std::int64_t{1} << 31), "device statistics: more keys than kernels count");
  std::vector<Source> sources;
  std::vector<std::int32_t> centres;
  for (const int number : steps.sources(step)) {
    Source source{.grid = steps[number], .corresponds = corresponds(steps, step, number), .centres = {}};
    if (source.corresponds) {
      source.centres = {append_centres(own.t, source.grid.t, centres), append_centres(own.h, source.grid.h, centres),
                        append_centres(own.w, source.grid.w, centres)};
    }
    sources.push_back(source);
  }
  TileCutter cutter(sources, tile_keys);
  cutter.cut();

  const Shape thumbnail = thumbnail_shape(steps, step);
  numbers_.n_query = narrow(steps.n_query(step));
  numbers_.n_key = narrow(steps.n_key(step));
  numbers_.own_h = own.h;
  numbers_.own_w = own.w;
  numbers_.sources = narrow(static_cast<std::int64_t>(sources.size()));
  numbers_.time_radius = displacement_time_radius(steps, step);
  numbers_.bins = narrow(displacement_bins(steps, step));
  numbers_.thumbnail_rows = narrow(thumbnail[0]);
  numbers_.thumbnail_columns = narrow(thumbnail[1]);
  numbers_.tiles = narrow(static_cast<std::int64_t>(cutter.tiles.size()));
  numbers_.copies = cutter.copies();

  std::vector<SourceCopies> source_copies;
  std::vector<std::int32_t> copy_list;
  for (const auto& copies : cutter.source_copies()) {
    source_copies.push_back(
        {narrow(static_cast<std::int64_t>(copy_list.size())), narrow(static_cast<std::int64_t>(copies.size()))});
    copy_list.insert(copy_list.end(), copies.begin(), copies.end());
  }
  append(words_, cutter.tiles);
  lines_at_ = append(words_, cutter.lines);
  sources_at_ = append(words_, source_copies);
  copies_at_ = append(words_, copy_list);
  centres_at_ = append(words_, centres);
}

MapPlan DeviceMapTables::plan(const void* words) const noexcept {
  const auto* first = static_cast<const std::int32_t*>(words);
  MapPlan plan = numbers_;
  plan.column_tiles = reinterpret_cast<const ColumnTile*>(first);
  plan.lines = reinterpret_cast<const DiagonalLine*>(first + lines_at_);
  plan.source_copies = reinterpret_cast<const SourceCopies*>(first + sources_at_);
  plan.copy_list = first + copies_at_;
  plan.centres = first + centres_at_;
  return plan;
}

}  // namespace kvscope::gpu
