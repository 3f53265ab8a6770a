#pragma once

#include "collectors/capture/host_mirror.h"
#include "collectors/models/full_kv_cache.h"

#include <vector>

namespace kvscope {

/// One attention call as it happened. Tensors are valid during AttentionObserver::observe(); on the CPU where an
/// observer of the call does not read device memory.
struct AttentionRecord {
  const AttentionSite& site;
  const Step& step;
  const at::Tensor& q;       ///< [rows, heads, N_k, head_dim]
  const at::Tensor& keys;    ///< [rows, kv_heads, T_k, head_dim], everything attended to
  const at::Tensor& values;  ///< [rows, kv_heads, T_k, head_dim]
  const at::Tensor& output;  ///< [rows, heads, N_k, head_dim]
};

/// Something that looks at every attention call of a run.
class AttentionObserver {
 public:
  virtual ~AttentionObserver() = default;
  /// Whether observe() takes tensors on a GPU.
  [[nodiscard]] virtual bool reads_device_memory() const { return false; }
  virtual void observe(const AttentionRecord& record) = 0;
};

/// The full cache, whose attention calls are also shown to observers; what the model gets is the full
/// cache's output, bit for bit. Where the model computes on a GPU and an observer does not read device memory, all
/// observers see copies on the host (HostMirror), whose keys and values are memory of the process beside what
/// held_bytes() and allocated_bytes() say.
class RecordingKvCache : public KvCache {
 public:
  /// @param observers  called in this order; they must outlive the cache
  explicit RecordingKvCache(std::vector<AttentionObserver*> observers, DenseAttention attention = library_attention);

  void begin(std::int64_t rows) override;
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override;
  [[nodiscard]] std::int64_t allocated_bytes() const override;

  /// Seconds that observers have taken since the cache was made; what they leave to a GPU is not among them.
  [[nodiscard]] double observer_seconds() const noexcept { return observer_seconds_; }

 private:
  void show(const AttentionRecord& record) const;
  [[nodiscard]] bool observers_read_device_memory() const;

  FullKvCache cache_;
  HostMirror mirror_;  ///< used where tensors are not on the CPU and an observer wants them there
  std::vector<AttentionObserver*> observers_;
  double observer_seconds_ = 0.0;
};

}  // namespace kvscope
