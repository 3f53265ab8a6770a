#include "collectors/models/infinity_schedule.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <set>

namespace kvscope {
namespace {

constexpr int kMostScales = 13;
constexpr int kScalesOfSize[] = {7, 10, 12, 13};  // of kInfinitySizes

struct Template {
  double ratio;  // height / width, >= 1
  std::array<TokenGrid, kMostScales> scales;
};

// Portrait formats; landscape ones have height and width exchanged.
constexpr Template kTemplates[] = {
    {1.000,
     {{{1, 1},
       {2, 2},
       {4, 4},
       {6, 6},
       {8, 8},
       {12, 12},
       {16, 16},
       {20, 20},
       {24, 24},
       {32, 32},
       {40, 40},
       {48, 48},
       {64, 64}}}},
    {1.250,
     {{{1, 1},
       {2, 2},
       {3, 3},
       {5, 4},
       {10, 8},
       {15, 12},
       {20, 16},
       {25, 20},
       {30, 24},
       {35, 28},
       {45, 36},
       {55, 44},
       {70, 56}}}},
    {1.333,
     {{{1, 1},
       {2, 2},
       {4, 3},
       {8, 6},
       {12, 9},
       {16, 12},
       {20, 15},
       {24, 18},
       {28, 21},
       {36, 27},
       {48, 36},
       {60, 45},
       {72, 54}}}},
    {1.500,
     {{{1, 1},
       {2, 2},
       {3, 2},
       {6, 4},
       {9, 6},
       {15, 10},
       {21, 14},
       {27, 18},
       {33, 22},
       {39, 26},
       {48, 32},
       {63, 42},
       {78, 52}}}},
    {1.750,
     {{{1, 1},
       {2, 2},
       {3, 3},
       {7, 4},
       {11, 6},
       {14, 8},
       {21, 12},
       {28, 16},
       {35, 20},
       {42, 24},
       {56, 32},
       {70, 40},
       {84, 48}}}},
    {2.000,
     {{{1, 1},
       {2, 2},
       {4, 2},
       {6, 3},
       {10, 5},
       {16, 8},
       {22, 11},
       {30, 15},
       {38, 19},
       {46, 23},
       {60, 30},
       {74, 37},
       {90, 45}}}},
    {2.500,
     {{{1, 1},
       {2, 2},
       {5, 2},
       {10, 4},
       {15, 6},
       {20, 8},
       {25, 10},
       {30, 12},
       {40, 16},
       {50, 20},
       {65, 26},
       {80, 32},
       {100, 40}}}},
    {3.000,
     {{{1, 1},
       {2, 2},
       {6, 2},
       {9, 3},
       {15, 5},
       {21, 7},
       {27, 9},
       {36, 12},
       {45, 15},
       {54, 18},
       {72, 24},
       {90, 30},
       {111, 37}}}},
};

int scale_count(std::string_view size) {
  const auto* found = std::ranges::find(kInfinitySizes, size);
  if (found == std::end(kInfinitySizes))
    throw usage_error("image size '{}' is not known; {} are", size, fmt::join(kInfinitySizes, ", "));
  return kScalesOfSize[found - std::begin(kInfinitySizes)];
}

/// The published tables name inverse ratios by three digits, cut off.
double inverse_of(double ratio) {
  return std::trunc(1000.0 / ratio) / 1000.0;
}

}  // namespace

StepTable InfinitySchedule::steps() const {
  std::vector<StepShape> shapes;
  for (const TokenGrid& grid : scales) shapes.push_back({.h = grid.height, .w = grid.width});
  return StepTable(std::move(shapes));
}

InfinitySchedule infinity_schedule(std::string_view size, double height_over_width) {
  const int scales = scale_count(size);
  if (!(height_over_width > 0.0) || !std::isfinite(height_over_width))
    throw usage_error("ratio of height to width is {}, expected a number above 0", height_over_width);
  InfinitySchedule nearest;
  double smallest = HUGE_VAL;
  for (const Template& published : kTemplates) {
    for (const bool is_landscape : {false, true}) {
      const double ratio = is_landscape ? inverse_of(published.ratio) : published.ratio;
      const double distance = std::abs(height_over_width - ratio);
      if (distance >= smallest) continue;
      smallest = distance;
      nearest = {.ratio = ratio, .scales = {}, .largest = {}};
      for (const TokenGrid& grid : published.scales)
        nearest.scales.push_back(is_landscape ? TokenGrid{grid.width, grid.height} : grid);
    }
  }
  nearest.largest = nearest.scales.back();
  nearest.scales.resize(static_cast<std::size_t>(scales));
  return nearest;
}

void check_published_ratio(double height_over_width) {
  constexpr double kTolerance = 0.02;
  const double nearest = infinity_schedule(kInfinitySizes[0], height_over_width).ratio;
  if (std::abs(height_over_width - nearest) <= kTolerance * nearest) return;
  std::set<double> ratios;
  for (const Template& published : kTemplates) ratios.insert({published.ratio, inverse_of(published.ratio)});
  throw usage_error("there is no schedule for height / width = {}; there are those for {}", height_over_width,
                    fmt::join(ratios, ", "));
}

}  // namespace kvscope
