#include "collectors/capture/host_mirror.h"

#include "collectors/models/libtorch_device.h"

#include <ATen/core/Tensor.h>

namespace kvscope {
namespace {

/// Into page-locked memory, without waiting, where the tensor is on a GPU.
at::Tensor queue_host_copy(const at::Tensor& tensor) {
  return tensor.to(tensor.options().device(at::kCPU), /*non_blocking=*/true);
}

}  // namespace

HostMirror::HostMirror()
    : cache_([](const AttentionSite&, const at::Tensor& q, const at::Tensor&, const at::Tensor&) { return q; }) {}

void HostMirror::follow(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, const at::Tensor& output) {
  q_ = queue_host_copy(q);
  const at::Tensor own_keys = queue_host_copy(k);
  const at::Tensor own_values = queue_host_copy(v);
  output_ = queue_host_copy(output);
  wait_for(q.device());
  (void)cache_.attend(site, step, q_, own_keys, own_values);
}

}  // namespace kvscope
