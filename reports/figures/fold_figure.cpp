#include "reports/figures/fold_figure.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

constexpr const char* kOverPhoto = "Colours lie over the generated image and hide the more of it the higher they are.";
constexpr const char* kCrossedOut = "Strokes cross out keys that were not kept.";

/// Grids of text have no places that correspond.
std::optional<GridPlace> corresponding(const StepShape& own, const StepShape& other, std::int64_t token) {
  if (own.kind != StepKind::kImageGrid || other.kind != StepKind::kImageGrid) return std::nullopt;
  return corresponding_place(place_of(own, token), own, other);
}

/// Heading, colours and photo; the scale is that of the whole map, so that folds of its queries compare.
FoldPicture picture_of(const FoldRequest& request, const StepTable& steps) {
  const AttentionView view{request.map.values(), request.map.extent(0), request.map.extent(1), request.step};
  const ValueScale scale = attention_scale(view, steps, request.colors);
  return {request.heading, {}, scale, request.colors.colors, attention_label(request.colors, scale), request.photo, {}};
}

/// The tokens of `source` among `keys` entries, crossed out where 0.
std::vector<std::uint8_t> lost_of(const FoldRequest& request, std::int64_t offset, std::int64_t n_token) {
  std::vector<std::uint8_t> lost;
  if (request.kept.empty()) return lost;
  for (std::int64_t token = 0; token < n_token; ++token)
    lost.push_back(request.kept[static_cast<std::size_t>(offset + token)] == 0 ? 1 : 0);
  return lost;
}

}  // namespace

FoldPicture fold_of_query(const FoldRequest& request, const StepTable& steps, std::int64_t query) {
  const StepShape& own = steps[request.step];
  const auto factor = static_cast<float>(unit_factor(steps, request.step, request.colors.unit));
  FoldPicture picture = picture_of(request, steps);
  const std::string place = place_text(own, place_of(own, query));
  picture.panels.push_back({own, "query " + place, {}, place_of(own, query), {}});
  for (const int source : steps.sources(request.step)) {
    const std::int64_t offset = steps.key_offset(request.step, source);
    FoldPanel panel{steps[source], {}, {}, corresponding(own, steps[source], query), {}};
    double share = 0.0;
    for (std::int64_t token = 0; token < steps.n_query(source); ++token) {
      const float weight = request.map(query, offset + token);
      share += weight;
      panel.values.push_back(factor * weight);
    }
    panel.note = fmt::format("{:.1f} %", 100.0 * share);
    panel.lost = lost_of(request, offset, steps.n_query(source));
    picture.panels.push_back(std::move(panel));
  }
  picture.notes.push_back(fmt::format(
      "Where query {} of {} looks: its attention on the tokens of every source scale, its corresponding place framed.",
      place, step_name(own)));
  if (request.photo) picture.notes.emplace_back(kOverPhoto);
  if (!request.kept.empty()) picture.notes.emplace_back(kCrossedOut);
  return picture;
}

FoldPicture fold_of_key(const FoldRequest& request, const StepTable& steps, std::int64_t key) {
  const StepShape& own = steps[request.step];
  const int source = source_of_key(steps, request.step, key);
  const std::int64_t token = key - steps.key_offset(request.step, source);
  const auto factor = static_cast<float>(unit_factor(steps, request.step, request.colors.unit));
  FoldPicture picture = picture_of(request, steps);
  const std::string place = place_text(steps[source], place_of(steps[source], token));
  picture.panels.push_back({steps[source],
                            "key " + place,
                            {},
                            place_of(steps[source], token),
                            lost_of(request, key - token, steps.n_query(source))});
  FoldPanel queries{own, "queries", {}, corresponding(steps[source], own, token), {}};
  for (std::int64_t query = 0; query < request.map.extent(0); ++query)
    queries.values.push_back(factor * request.map(query, key));
  picture.panels.push_back(std::move(queries));
  picture.notes.push_back(fmt::format("Which queries of {} look at key {} of {}; the corresponding query is framed.",
                                      step_name(own), place, step_name(steps[source])));
  if (request.photo) picture.notes.emplace_back(kOverPhoto);
  if (!request.kept.empty()) picture.notes.emplace_back(kCrossedOut);
  return picture;
}

int source_of_key(const StepTable& steps, int step, std::int64_t key) {
  int found = steps.sources(step).front();
  for (const int source : steps.sources(step)) {
    if (steps.key_offset(step, source) <= key) found = source;
  }
  return found;
}

std::string place_text(const StepShape& grid, const GridPlace& place) {
  if (grid.t > 1) return fmt::format("({}, {}, {})", place.t, place.y, place.x);
  return fmt::format("({}, {})", place.y, place.x);
}

}  // namespace kvscope
