#include "collectors/capture/computed_quantities.h"

#include "collectors/base/progress.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/map_stream.h"
#include "collectors/capture/step_statistics.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace kvscope {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

bool is_sample_column_mean(const CaptureQuantity& quantity) {
  return is_per_sample(quantity) && quantity.name == statistic::kSampleColumnMean.name;
}

MapFigures figures_for(std::span<const CaptureQuantity> quantities) {
  const auto wanted = [&](const CaptureQuantity& quantity) {
    return std::ranges::find(quantities, quantity.name, &CaptureQuantity::name) != quantities.end();
  };
  return {.entropy = wanted(statistic::kEntropy),
          .displacement = wanted(statistic::kBandMass) || wanted(mean_statistic::kDisplacement),
          .thumbnail = wanted(mean_statistic::kThumbnail)};
}

std::int64_t weights_of_step(const ComputedQuantities::Source& source, int step) {
  return element_count(map_shape(source.model, source.steps, step, source.samples)) * source.model.layers *
         source.model.heads;
}

}  // namespace

bool ComputedQuantities::has(const CaptureQuantity& quantity, int step) const {
  return arrays_.contains(dataset_path(quantity, step));
}

const Array<float>& ComputedQuantities::at(const CaptureQuantity& quantity, int step) const {
  return arrays_.at(dataset_path(quantity, step));
}

std::vector<CaptureQuantity> ComputedQuantities::along_with(const CaptureQuantity& asked) {
  std::vector<CaptureQuantity> quantities{asked};
  for (const auto all : {statistic_quantities(), mean_quantities()}) {
    std::ranges::copy_if(all, std::back_inserter(quantities), [&](const CaptureQuantity& quantity) {
      const bool is_asked = quantity.name == asked.name && quantity.axes == asked.axes;
      return follows_from_map(quantity) && !is_sample_column_mean(quantity) && !is_asked;
    });
  }
  return quantities;
}

MapPassReport ComputedQuantities::compute(const Hdf5File& file, const Source& source, const Work& work,
                                          const MapPassRequest& request) {
  MapPassReport report;
  if (work.empty()) return report;
  std::int64_t total = 0;
  for (const auto& [step, quantities] : work) total += weights_of_step(source, step);
  Progress progress("raw maps", total / kMillion, "million weights", request.progress);
  std::int64_t done = 0;
  const auto advanced = [&](std::int64_t weights) { progress.update((done += weights) / kMillion); };
  for (const auto& [step, quantities] : work) {
    StepStatistics statistics(source.model, source.steps, step, source.samples, quantities);
    const MapStreamRequest stream{.step = step,
                                  .samples = source.samples,
                                  .figures = figures_for(quantities),
                                  .buffer_bytes = request.buffer_bytes,
                                  .advanced = advanced};
    const MapStreamReport pass =
        stream_maps(file, source.model, source.steps, stream,
                    [&](const HeadPlace& place, const HeadStatistics& head) { statistics.add(place, head); });
    for (const CaptureQuantity& quantity : quantities) {
      arrays_.emplace(dataset_path(quantity, step),
                      is_per_sample(quantity) ? statistics.per_sample(quantity)
                                              : means_of_sums(quantity, statistics.sums(quantity), source.samples));
    }
    report.maps += pass.maps;
    report.bytes += pass.bytes;
    report.buffer_bytes = std::max(report.buffer_bytes, pass.buffer_bytes);
  }
  return report;
}

}  // namespace kvscope
