#include "reports/atlas/atlas_heads.h"

#include "reports/atlas/encoding.h"
#include "reports/atlas/head_maps.h"
#include "reports/figures/kept_keys.h"
#include "reports/figures/similar_heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

/// Conditional rows, as in the classification.
constexpr int kBranch = 0;
/// Field names, quotes, kept keys' names and the <script> element of a head, from above.
constexpr std::int64_t kHeadOverhead = 640;
constexpr std::int64_t kStepOverhead = 60;

std::int64_t pooled_side(std::int64_t side, const AtlasDetail& detail) {
  return detail.map_side == 0 ? side : std::min(side, detail.map_side);
}

Shape map_shape_in_page(const StepTable& steps, int step, const AtlasDetail& detail, std::int64_t largest) {
  const auto side = [&](std::int64_t n) { return pooled_side(largest == 0 ? n : std::min(n, largest), detail); };
  return {side(steps.n_query(step)), side(steps.n_key(step))};
}

bool wants_step(const AtlasDetail& detail, const StepTable& steps, int step) {
  return detail.every_step || step == steps.size() - 1;
}

bool has_means(const Capture& capture, const CaptureQuantity& quantity, int step) {
  return capture.has(quantity, step);
}

/// Which of a head's maps go into the page.
struct MapChoice {
  bool raw = false;
  bool mean = false;
};

MapChoice map_choice(const Capture& capture, const AtlasDetail& detail, HeadPlace head, int step) {
  MapChoice choice;
  choice.raw = capture.map_samples() > 0 && capture.has_map(head.layer, head.head, step);
  choice.mean = capture.has(mean_statistic::kThumbnail, step) && (detail.both_sources || !choice.raw);
  return choice;
}

/// Fills the payloads of all heads, step by step.
class PayloadWriter {
 public:
  PayloadWriter(const Capture& capture, const AtlasDetail& detail, std::vector<Json>& payloads)
      : capture_(capture),
        steps_(capture.steps()),
        detail_(detail),
        codes_(detail.bits),
        reader_(capture),
        payloads_(payloads) {}

  void write_step(int step) {
    write_maps(step);
    write_columns(step);
    write_bands(step);
    write_displacement(step);
  }

 private:
  template <typename Action>
  void for_each_head(Action&& action) {
    const ModelInfo& model = capture_.model();
    for (int layer = 0; layer < model.layers; ++layer) {
      for (int head = 0; head < model.heads; ++head)
        action(HeadPlace{layer, head},
               payloads_[static_cast<std::size_t>(layer) * static_cast<std::size_t>(model.heads) +
                         static_cast<std::size_t>(head)]);
    }
  }

  void write_maps(int step) {
    const int branches = std::min(detail_.branches, static_cast<int>(capture_.model().branches.size()));
    for_each_head([&](HeadPlace head, Json& payload) {
      const MapChoice choice = map_choice(capture_, detail_, head, step);
      for (int branch = 0; branch < branches; ++branch) {
        if (choice.raw)
          put(payload["raw"][static_cast<std::size_t>(branch)], step,
              encoded(reader_.first_sample(head, step, branch)));
        if (choice.mean)
          put(payload["mean"][static_cast<std::size_t>(branch)], step, encoded(reader_.mean(head, step, branch)));
      }
    });
  }

  /// Column means, and how far they move from sample to sample: the standard deviation over samples.
  void write_columns(int step) {
    if (!has_means(capture_, mean_statistic::kColumnMean, step)) return;
    const Array<float> means = capture_.read(mean_statistic::kColumnMean, step);
    Array<float> squares;
    if (wants_step(detail_, steps_, step) && capture_.has(mean_statistic::kColumnMeanSquare, step))
      squares = capture_.read(mean_statistic::kColumnMeanSquare, step);
    for_each_head([&](HeadPlace head, Json& payload) {
      const auto mean = means.slice(kBranch, head.layer, head.head);
      put(payload["columns"], step, codes_.base64_of(mean));
      if (squares.empty()) return;
      const auto square = squares.slice(kBranch, head.layer, head.head);
      std::vector<float> deviation(mean.size());
      for (std::size_t key = 0; key < mean.size(); ++key)
        deviation[key] = std::sqrt(std::max(square[key] - mean[key] * mean[key], 0.0F));
      put(payload["spread"], step, codes_.base64_of(deviation));
    });
  }

  /// [source, 1 + radius]: mass, then band mass within each radius; means over samples.
  void write_bands(int step) {
    if (!capture_.has(statistic::kSourceMass, step) || !capture_.has(statistic::kBandMass, step)) return;
    const Array<float> mass = capture_.read(statistic::kSourceMass, step);
    const Array<float> band = capture_.read(statistic::kBandMass, step);
    const auto n_source = static_cast<std::size_t>(mass.extent(4));
    const auto n_radius = static_cast<std::size_t>(band.extent(5));
    for_each_head([&](HeadPlace head, Json& payload) {
      std::vector<double> sums(n_source * (1 + n_radius));
      for (std::int64_t sample = 0; sample < mass.extent(0); ++sample) {
        const auto masses = mass.slice(sample, kBranch, head.layer, head.head);
        const auto bands = band.slice(sample, kBranch, head.layer, head.head);
        for (std::size_t source = 0; source < n_source; ++source) {
          sums[source * (1 + n_radius)] += masses[source];
          for (std::size_t radius = 0; radius < n_radius; ++radius)
            sums[source * (1 + n_radius) + 1 + radius] += bands[source * n_radius + radius];
        }
      }
      std::vector<float> means;
      for (const double sum : sums) means.push_back(static_cast<float>(sum / static_cast<double>(mass.extent(0))));
      put(payload["bands"], step, shares_base64(means));
    });
  }

  /// [source, dy, dx], summed over dt.
  void write_displacement(int step) {
    if (!detail_.displacement || !wants_step(detail_, steps_, step) ||
        !capture_.has(mean_statistic::kDisplacement, step))
      return;
    const Array<float> histograms = capture_.read(mean_statistic::kDisplacement, step);
    const auto n_source = static_cast<std::size_t>(histograms.extent(3));
    const auto n_time = static_cast<std::size_t>(histograms.extent(4));
    const auto n_plane = static_cast<std::size_t>(histograms.extent(5) * histograms.extent(6));
    for_each_head([&](HeadPlace head, Json& payload) {
      const auto all = histograms.slice(kBranch, head.layer, head.head);
      std::vector<float> flat(n_source * n_plane);
      for (std::size_t source = 0; source < n_source; ++source) {
        for (std::size_t time = 0; time < n_time; ++time) {
          for (std::size_t i = 0; i < n_plane; ++i)
            flat[source * n_plane + i] += all[(source * n_time + time) * n_plane + i];
        }
      }
      put(payload["displacement"], step, codes_.base64_of(flat));
    });
  }

  [[nodiscard]] std::string encoded(const std::optional<HeadMap>& map) const {
    return codes_.base64_of(pooled(*map, detail_.map_side).weights);
  }

  /// list[step] = text; entries that nothing was written for are null.
  void put(Json& list, int step, std::string text) const {
    if (!list.is_array()) list = Json::array();
    while (std::ssize(list) < steps_.size()) list.push_back(nullptr);
    list[static_cast<std::size_t>(step)] = std::move(text);
  }

  const Capture& capture_;
  const StepTable& steps_;
  AtlasDetail detail_;
  WeightCodes codes_;
  MapReader reader_;
  std::vector<Json>& payloads_;
};

void write_similar(const Capture& capture, std::vector<Json>& payloads) {
  for (const SimilarityMeasure& measure : similarity_measures()) {
    const auto similar = similar_heads(capture, measure, capture.steps().size() - 1, kBranch);
    if (!similar) continue;
    for (std::size_t head = 0; head < payloads.size(); ++head) {
      Json list = Json::array();
      for (const SimilarHead& other : (*similar)[head])
        list.push_back({other.head, std::round(other.cosine * 1e4) / 1e4});
      payloads[head]["similar"][std::string(measure.name)] = std::move(list);
    }
  }
}

/// Kept keys of the replays as bit sets over the T_k keys of each step, by number of the replay.
void write_kept(const ReportInputs& inputs, std::vector<Json>& payloads) {
  for (std::size_t replay = 0; replay < inputs.replays.size(); ++replay) {
    const StepTable& steps = inputs.replays[replay].result.steps;
    const ModelInfo& model = inputs.replays[replay].result.model;
    for (std::size_t head = 0; head < payloads.size(); ++head) {
      const HeadPlace place{static_cast<int>(head) / model.heads, static_cast<int>(head) % model.heads};
      for (int step = 0; step < steps.size(); ++step) {
        const KeptPositions* const kept = kept_positions(inputs.replays[replay], place, step);
        if (kept == nullptr) continue;
        Json& list = payloads[head]["kept"][std::to_string(replay)];
        if (!list.is_array()) list = std::vector<Json>(static_cast<std::size_t>(steps.size()));
        list[static_cast<std::size_t>(step)] = bit_set_base64(kept->positions, steps.n_key(step));
      }
    }
  }
}

std::int64_t kept_bytes(const ReportInputs& inputs) {
  std::int64_t bytes = 0;
  for (const NamedReplay& replay : inputs.replays) {
    if (!replay.images) continue;
    const std::int64_t group = replay.result.model.heads / std::max(replay.result.model.kv_heads, 1);
    for (const KeptPositions& kept : replay.images->kept) {
      if (kept.step >= 0 && kept.step < replay.result.steps.size())
        bytes += group * (base64_size((replay.result.steps.n_key(kept.step) + 7) / 8) + 8);
    }
  }
  return bytes;
}

/// Bytes of what every head has alike at one step.
std::int64_t common_bytes(const Capture& capture, const AtlasDetail& detail, int step) {
  const StepTable& steps = capture.steps();
  const std::int64_t weight_bytes = detail.bits / 8;
  const auto n_source = static_cast<std::int64_t>(steps.sources(step).size());
  const std::int64_t side = 2 * kDisplacementRadius + 1;
  std::int64_t bytes = kStepOverhead;
  if (capture.has(mean_statistic::kColumnMean, step))
    bytes += base64_size(weight_bytes * steps.n_key(step)) * (wants_step(detail, steps, step) ? 2 : 1);
  bytes += base64_size(2 * n_source * (1 + static_cast<std::int64_t>(std::size(kBandRadii))));
  if (detail.displacement && wants_step(detail, steps, step) && capture.has(mean_statistic::kDisplacement, step))
    bytes += base64_size(weight_bytes * n_source * side * side);
  return bytes;
}

std::int64_t map_bytes(const Capture& capture, const AtlasDetail& detail, HeadPlace head, int step) {
  const auto branches = std::min<std::int64_t>(detail.branches, std::ssize(capture.model().branches));
  const auto bytes_of = [&](std::int64_t largest) {
    return branches *
           (base64_size(detail.bits / 8 * element_count(map_shape_in_page(capture.steps(), step, detail, largest))) +
            3);
  };
  const MapChoice choice = map_choice(capture, detail, head, step);
  return (choice.raw ? bytes_of(0) : 0) + (choice.mean ? bytes_of(kThumbnailSide) : 0);
}

Json header_of(const Capture& capture, const AtlasDetail& detail) {
  Json raw = Json::array();
  Json mean = Json::array();
  for (int step = 0; step < capture.steps().size(); ++step) {
    raw.push_back(map_shape_in_page(capture.steps(), step, detail, 0));
    mean.push_back(map_shape_in_page(capture.steps(), step, detail, kThumbnailSide));
  }
  return {{"codes", WeightCodes(detail.bits).description()},
          {"share_error", 0.5 / 65535.0},
          {"raw_shapes", std::move(raw)},
          {"mean_shapes", std::move(mean)},
          {"branches", std::min<std::int64_t>(detail.branches, std::ssize(capture.model().branches))}};
}

}  // namespace

std::int64_t payload_bytes(const ReportInputs& inputs, const AtlasDetail& detail) {
  if (!inputs.capture) return kept_bytes(inputs);
  const Capture& capture = *inputs.capture;
  const ModelInfo& model = capture.model();
  const std::int64_t n_head = std::int64_t{model.layers} * model.heads;
  std::int64_t bytes = kept_bytes(inputs) + n_head * kHeadOverhead;
  for (int step = 0; step < capture.steps().size(); ++step) {
    bytes += n_head * common_bytes(capture, detail, step);
    for (int layer = 0; layer < model.layers; ++layer) {
      for (int head = 0; head < model.heads; ++head) bytes += map_bytes(capture, detail, {layer, head}, step);
    }
  }
  return bytes;
}

AtlasHeads atlas_heads(const ReportInputs& inputs, std::int64_t max_bytes) {
  AtlasHeads result;
  const ModelInfo* model = inputs.model();
  if (model == nullptr) return result;
  const auto ladder = detail_ladder(static_cast<int>(model->branches.size()));
  const auto rung =
      std::ranges::find_if(ladder, [&](const AtlasDetail& d) { return payload_bytes(inputs, d) <= max_bytes; });
  if (rung == ladder.end()) {
    throw usage_error("--max-size is {:.1f} MB too small: with the least detail attention takes {:.1f} MB",
                      1e-6 * static_cast<double>(payload_bytes(inputs, ladder.back()) - max_bytes),
                      1e-6 * static_cast<double>(payload_bytes(inputs, ladder.back())));
  }
  result.detail = *rung;
  std::vector<Json> payloads(static_cast<std::size_t>(model->layers) * static_cast<std::size_t>(model->heads),
                             Json::object());
  if (inputs.capture) {
    PayloadWriter writer(*inputs.capture, result.detail, payloads);
    for (int step = 0; step < inputs.capture->steps().size(); ++step) writer.write_step(step);
    write_similar(*inputs.capture, payloads);
    result.header = header_of(*inputs.capture, result.detail);
  }
  write_kept(inputs, payloads);
  result.header["left_out"] = rung == ladder.begin() ? std::vector<std::string>() : result.detail.sentences();
  for (const Json& payload : payloads) result.payloads.push_back(script_json(payload));
  return result;
}

}  // namespace kvscope
