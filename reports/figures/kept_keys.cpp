#include "reports/figures/kept_keys.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

namespace kvscope {

const KeptPositions* kept_positions(const NamedReplay& replay, HeadPlace head, int step) {
  if (!replay.images) return nullptr;
  const ModelInfo& model = replay.result.model;
  const int group = std::max(model.heads / std::max(model.kv_heads, 1), 1);
  const std::tuple wanted(head.layer, head.head / group, step);
  const auto place = [](const KeptPositions& kept) { return std::tuple(kept.layer, kept.head, kept.step); };
  const auto found = std::ranges::lower_bound(replay.images->kept, wanted, {}, place);
  return found != replay.images->kept.end() && place(*found) == wanted ? &*found : nullptr;
}

std::optional<std::vector<std::uint8_t>> kept_keys(const NamedReplay& replay, HeadPlace head, int step) {
  const KeptPositions* const kept = kept_positions(replay, head, step);
  if (kept == nullptr || step >= replay.result.steps.size()) return std::nullopt;
  const std::int64_t n_key = replay.result.steps.n_key(step);
  std::vector<std::uint8_t> keys(static_cast<std::size_t>(n_key));
  for (const std::int32_t position : kept->positions) {
    if (position < 0 || position >= n_key) {
      throw bad_input("{}: layer {} head {} step {}: kept key {} does not exist; there are {}", replay.name,
                      kept->layer, kept->head, step, position, n_key);
    }
    keys[static_cast<std::size_t>(position)] = 1;
  }
  return keys;
}

std::string kept_origin(const NamedReplay& replay) {
  std::vector<std::string> facts;
  const Json& run = replay.result.run;
  if (run.is_object() && run.contains("seed") && run["seed"].is_number()) {
    facts.push_back("seed " + run["seed"].dump());
  }
  if (replay.images && !replay.images->labels.empty()) {
    facts.push_back(fmt::format("label {}", replay.images->labels.front()));
  }
  return fmt::format("Kept by {}'s own first sample{}, conditional row; the map is the capture's.", replay.name,
                     facts.empty() ? std::string() : fmt::format(" ({})", fmt::join(facts, ", ")));
}

}  // namespace kvscope
