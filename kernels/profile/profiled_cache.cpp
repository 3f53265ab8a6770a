#include "kernels/profile/profiled_cache.h"

#include "collectors/compute/compute_tensor.h"

namespace kvscope {

at::Tensor ProfiledCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                                 const at::Tensor& v) {
  if (site.layer == static_cast<int>(sites_.size())) {
    sites_.push_back({.softmax_scale = {site.softmax_scale.begin(), site.softmax_scale.end()},
                      .logit_bound = {site.logit_bound.begin(), site.logit_bound.end()},
                      .query_type = compute_type_of(q, "q"),
                      .key_type = compute_type_of(k, "k"),
                      .value_type = compute_type_of(v, "v")});
  }
  return cache_.attend(site, step, q, k, v);
}

}  // namespace kvscope
