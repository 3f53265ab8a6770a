#include "tests/benchmarks/attention_peers.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstring>

namespace kvscope::benchmark {

std::function<void()> libtorch_attention(AttentionCase& problem, int threads) {
  at::set_num_threads(threads);
  const auto view = [&](std::vector<float>& values, std::int64_t tokens) {
    return at::from_blob(values.data(), {1, 1, tokens, problem.head_dim}, at::kFloat);
  };
  const at::Tensor q = view(problem.queries, problem.n_query);
  const at::Tensor k = view(problem.keys, problem.n_key);
  const at::Tensor v = view(problem.values, problem.n_key);
  return [q, k, v, &problem] {
    const at::Tensor output =
        at::scaled_dot_product_attention(q, k, v, std::nullopt, 0.0, false, static_cast<double>(problem.scale));
    std::memcpy(problem.output.data(), output.const_data_ptr(), output.nbytes());
  };
}

}  // namespace kvscope::benchmark
