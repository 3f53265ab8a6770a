#include "kernels/cache/cache_checks.h"

#include "collectors/base/error.h"

namespace kvscope {

void check_call(const Plan& plan, std::int64_t rows, const AttentionSite& site, const Step& step, const at::Tensor& q,
                const at::Tensor& k, const at::Tensor& v) {
  const ModelInfo& model = plan.model;
  if (step.table == nullptr || *step.table != plan.steps) {
    throw usage_error("the plan was made for the steps {}, the run has {}", describe(plan.steps),
                      step.table == nullptr ? "none" : describe(*step.table));
  }
  if (site.layer < 0 || site.layer >= model.layers || q.dim() != 4 || k.dim() != 4 || q.size(1) != model.heads ||
      k.size(1) != model.kv_heads || q.size(3) != model.head_dim) {
    throw usage_error(
        "the plan was made for {} layers of {} heads and {} key/value heads of {} channels; layer {} attends with "
        "other shapes",
        model.layers, model.heads, model.kv_heads, model.head_dim, site.layer);
  }
  require(k.sizes() == v.sizes() && k.size(3) == q.size(3), "cache: k and v differ in shape");
  require(q.size(0) == rows && k.size(0) == rows, "cache: begin() was called for another number of rows");
  require(q.size(2) == plan.steps.n_query(step.index) && k.size(2) == q.size(2),
          "cache: the tokens are not those of the step");
}

}  // namespace kvscope
