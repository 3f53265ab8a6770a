#include "collectors/models/full_kv_cache.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/base/phase_range.h"
#include "collectors/models/libtorch_scope.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace kvscope {
namespace {

// Axis of tokens in [rows, heads, tokens, head_dim].
constexpr std::int64_t kTokenAxis = 2;

/// Where the tokens of `step` begin among all tokens that are kept.
std::int64_t kept_offset(const StepTable& table, int step) {
  std::int64_t offset = 0;
  for (int earlier = 0; earlier < step; ++earlier) {
    if (table.is_read_later(earlier)) offset += table.n_query(earlier);
  }
  return offset;
}

/// A stretch of neighbouring kept tokens.
struct Run {
  std::int64_t begin;
  std::int64_t length;
};

/// The kept tokens that `step` attends to, as few runs as possible; its own tokens included if they stay.
std::vector<Run> kept_runs(const StepTable& table, int step) {
  std::vector<Run> runs;
  for (const int source : table.sources(step)) {
    if (!table.is_read_later(source)) continue;
    const Run run{kept_offset(table, source), table.n_query(source)};
    if (!runs.empty() && runs.back().begin + runs.back().length == run.begin) {
      runs.back().length += run.length;
    } else {
      runs.push_back(run);
    }
  }
  return runs;
}

/// What a step attends to: a view of the kept tokens where they lie side by side and include the step's
/// own, else a copy.
at::Tensor attended(const at::Tensor& kept, const std::vector<Run>& runs, const at::Tensor& own, bool own_is_kept) {
  if (own_is_kept && runs.size() == 1) return kept.narrow(kTokenAxis, runs[0].begin, runs[0].length);
  std::vector<at::Tensor> parts;
  for (const Run& run : runs) parts.push_back(kept.narrow(kTokenAxis, run.begin, run.length));
  if (!own_is_kept) parts.push_back(own);
  return at::cat(parts, kTokenAxis);
}

std::int64_t bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<std::int64_t>(tensor.nbytes()) : 0;
}

void check_shapes(const Step& step, std::int64_t rows, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  require(step.table != nullptr && step.index >= 0 && step.index < step.table->size(),
          "FullKvCache: the step has no table");
  require(q.dim() == 4 && k.dim() == 4 && v.dim() == 4, "FullKvCache: q, k and v are [rows, heads, tokens, head_dim]");
  require(k.sizes() == v.sizes(), "FullKvCache: k and v differ in shape");
  require(q.size(0) == rows && k.size(0) == rows, "FullKvCache: begin() was called for another number of rows");
  require(q.size(1) % k.size(1) == 0, "FullKvCache: heads are no multiple of key/value heads");
  require(k.size(kTokenAxis) == step.table->n_query(step.index), "FullKvCache: the tokens are not those of the step");
}

}  // namespace

struct FullKvCache::Layer {
  at::Tensor keys;  ///< [rows, kv_heads, kept tokens, head_dim], or undefined where nothing is kept
  at::Tensor values;
  std::int64_t held = 0;  ///< tokens in it
  int next_step = 0;
};

FullKvCache::FullKvCache(DenseAttention attention) : attention_(std::move(attention)) {}
FullKvCache::~FullKvCache() = default;

void FullKvCache::begin(std::int64_t rows) {
  require(rows >= 1, "FullKvCache: at least one row");
  if (rows != rows_) layers_.clear();
  rows_ = rows;
  latest_layer_ = -1;
  latest_keys_.reset();
  latest_values_.reset();
  for (Layer& layer : layers_) {
    layer.held = 0;
    layer.next_step = 0;
  }
}

at::Tensor FullKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v) {
  const LibTorchScope scope;
  check_shapes(step, rows_, q, k, v);
  require(site.layer >= 0 && site.layer <= static_cast<int>(layers_.size()), "FullKvCache: layers ascend by one");
  if (site.layer == static_cast<int>(layers_.size())) layers_.emplace_back();
  Layer& layer = layers_[static_cast<std::size_t>(site.layer)];
  require(layer.next_step == step.index, "FullKvCache: steps ascend by one");
  {
    const PhaseRange range({.phase = Phase::kCacheUpdate, .step = step.index, .layer = site.layer});
    if (step.index == 0) reserve(layer, *step.table, k, v);
    append(layer, step, k, v);
    const std::vector<Run> runs = kept_runs(*step.table, step.index);
    const bool is_kept = step.table->is_read_later(step.index);
    latest_layer_ = site.layer;
    latest_keys_ = attended(layer.keys, runs, k, is_kept);
    latest_values_ = attended(layer.values, runs, v, is_kept);
  }
  return attention_(site, q, latest_keys_, latest_values_);
}

void FullKvCache::reserve(Layer& layer, const StepTable& table, const at::Tensor& k, const at::Tensor& v) const {
  const std::int64_t tokens = kept_offset(table, table.size());
  const auto fit = [&](at::Tensor& buffer, const at::Tensor& example) {
    const std::vector<std::int64_t> shape = {rows_, example.size(1), tokens, example.size(3)};
    const bool fits = buffer.defined() && buffer.sizes() == shape && buffer.scalar_type() == example.scalar_type() &&
                      buffer.device() == example.device();
    if (fits) return;
    buffer = at::empty(shape, example.options());
  };
  fit(layer.keys, k);
  fit(layer.values, v);
}

void FullKvCache::append(Layer& layer, const Step& step, const at::Tensor& k, const at::Tensor& v) {
  ++layer.next_step;
  if (!step.table->is_read_later(step.index)) return;
  const std::int64_t tokens = step.table->n_query(step.index);
  layer.keys.narrow(kTokenAxis, layer.held, tokens).copy_(k);
  layer.values.narrow(kTokenAxis, layer.held, tokens).copy_(v);
  layer.held += tokens;
}

std::int64_t FullKvCache::held_bytes() const {
  std::int64_t bytes = 0;
  for (const Layer& layer : layers_) {
    const std::int64_t capacity = layer.keys.defined() ? layer.keys.size(kTokenAxis) : 0;
    if (capacity > 0) bytes += (bytes_of(layer.keys) + bytes_of(layer.values)) / capacity * layer.held;
  }
  return bytes;
}

std::int64_t FullKvCache::allocated_bytes() const {
  std::int64_t bytes = 0;
  for (const Layer& layer : layers_) bytes += bytes_of(layer.keys) + bytes_of(layer.values);
  return bytes;
}

const at::Tensor& FullKvCache::attended_keys(int layer) const {
  require(layer == latest_layer_, "FullKvCache: only the latest layer's keys are at hand");
  return latest_keys_;
}

const at::Tensor& FullKvCache::attended_values(int layer) const {
  require(layer == latest_layer_, "FullKvCache: only the latest layer's values are at hand");
  return latest_values_;
}

at::Tensor library_attention(const AttentionSite& site, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const LibTorchScope scope;
  const std::span<const float> scales = site.softmax_scale;
  require(!scales.empty(), "library_attention: the softmax scale is missing");
  const bool same_for_all = std::all_of(scales.begin(), scales.end(), [&](float scale) { return scale == scales[0]; });
  require(same_for_all || static_cast<std::int64_t>(scales.size()) == q.size(1),
          "library_attention: one softmax scale per head");
  // The library takes one scale: different ones go into q.
  at::Tensor head_scale;
  if (!same_for_all) {
    head_scale = at::from_blob(const_cast<float*>(scales.data()), {q.size(1), 1, 1}, at::kFloat).to(q.options());
  }
  const double scale = same_for_all ? static_cast<double>(scales[0]) : 1.0;
  const bool grouped = q.size(1) != k.size(1);
  if (!q.is_cpu()) {
    return at::scaled_dot_product_attention(same_for_all ? q : q * head_scale, k, v, std::nullopt, 0.0, false, scale,
                                            grouped);
  }
  at::Tensor out = at::empty_like(q, at::MemoryFormat::Contiguous);
  parallel_for(q.size(0), [&](std::int64_t row) {
    const LibTorchScope row_scope;
    const at::Tensor query = same_for_all ? q.narrow(0, row, 1) : q.narrow(0, row, 1) * head_scale;
    out.narrow(0, row, 1).copy_(at::scaled_dot_product_attention(query, k.narrow(0, row, 1), v.narrow(0, row, 1),
                                                                 std::nullopt, 0.0, false, scale, grouped));
  });
  return out;
}

}  // namespace kvscope
