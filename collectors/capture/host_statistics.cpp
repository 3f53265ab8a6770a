#include "collectors/capture/host_statistics.h"

#include "collectors/base/parallel.h"
#include "collectors/capture/attention_call.h"
#include "collectors/capture/head_statistics.h"

namespace kvscope {

void HostStatistics::add(const AttentionRecord& record, std::int64_t samples, StepStatistics& statistics) {
  const AttentionCall call(record);
  const int step = record.step.index;
  const StepTable& steps = *record.step.table;
  if (tables_ == nullptr || !tables_->are_of(steps, step)) tables_ = std::make_shared<const MapTables>(steps, step);
  const std::int64_t branches = call.rows() / samples;
  const std::int64_t kv_heads = call.kv_heads();
  const std::int64_t group = call.heads() / kv_heads;
  parallel_for(branches * kv_heads, [&](std::int64_t task) {
    const std::int64_t branch = task / kv_heads;
    const std::int64_t kv_head = task % kv_heads;
    for (std::int64_t sample = 0; sample < samples; ++sample) {
      const std::int64_t row = branch * samples + sample;
      const PackedHead& keys_and_values = call.packed(row, kv_head);
      statistics.add(HeadPlace{sample, branch, record.site.layer, kv_head},
                     key_value_statistics(call.tokens(row, kv_head), call.n_query(), call.head_dim()));
      for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        const HeadAttention attention{
            .head = &keys_and_values, .block = call.queries(row, head), .output = call.output(row, head)};
        statistics.add(HeadPlace{sample, branch, record.site.layer, head}, head_statistics(attention, tables_));
      }
    }
  });
}

}  // namespace kvscope
