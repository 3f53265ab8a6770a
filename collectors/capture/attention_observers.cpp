#include "collectors/capture/attention_observers.h"

#include "collectors/base/parallel.h"
#include "collectors/capture/attention_call.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/compute/attention_strip.h"

#include <algorithm>

namespace kvscope {

void StatisticsObserver::observe(const AttentionRecord& record) {
  StepStatistics& statistics = writer_.statistics(record.step.index);
  require(record.q.size(0) == statistics.branches() * samples_, "capture: the rows are not those of the batch");
  engine_.add(record, samples_, statistics);
}

void MapObserver::observe(const AttentionRecord& record) {
  const int step = record.step.index;
  if (!selection_.has(record.site.layer, step)) return;
  const at::Tensor q = record.q.cpu();
  const at::Tensor keys = record.keys.cpu();
  // A map follows from queries and keys: nothing else is copied from a GPU.
  const AttentionCall call(
      {.site = record.site, .step = record.step, .q = q, .keys = keys, .values = keys, .output = q});
  const std::int64_t group = call.heads() / call.kv_heads();
  const auto selected = static_cast<std::int64_t>(selection_.heads.size());
  const std::int64_t strip_rows = statistics_strip_rows(call.n_key());
  const std::int64_t stride = strip_stride(call.n_key());
  parallel_for(call.rows() * selected, [&](std::int64_t task) {
    const std::int64_t row = task / selected;
    if (row % samples_ >= wanted_) return;
    thread_local AlignedBuffer strips;
    const int head = selection_.heads[static_cast<std::size_t>(task % selected)];
    const PackedHead& packed = call.packed(row, head / group, PackedParts::kKeys);
    const QueryBlock block = call.queries(row, head);
    for (std::int64_t first = 0; first < call.n_query(); first += strip_rows) {
      QueryBlock part = block;
      part.queries += first * block.stride;
      part.n_query = std::min(strip_rows, call.n_query() - first);
      float* strip = strips.reserve(part.n_query * stride);
      softmax_strip(packed, part, StripScaling::kNormalised, strip, nullptr);
      Array<float> rows(Shape{1, 1, part.n_query, call.n_key()});
      for (std::int64_t i = 0; i < part.n_query; ++i)
        std::copy_n(strip + i * stride, call.n_key(), rows.data() + i * call.n_key());
      writer_.write_map_rows(record.site.layer, head, step, row % samples_, row / samples_, first, rows);
    }
  });
}

}  // namespace kvscope
