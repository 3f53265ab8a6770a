#include "tests/benchmarks/attention_peers.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include <cstring>
#include <memory>

namespace kvscope::benchmark {

AttentionPeer libtorch_attention(AttentionProblem& problem, int threads) {
  const AttentionShape& shape = problem.shape();
  struct Tensors {
    at::Tensor q, k, v;
  };
  const auto type = [](ElementType element) {
    return element == ElementType::kBFloat16  ? at::kBFloat16
           : element == ElementType::kFloat16 ? at::kHalf
                                              : at::kFloat;
  };
  const auto view = [&](const void* data, std::int64_t tokens, ElementType element) {
    return at::from_blob(const_cast<void*>(data), {1, shape.heads, tokens, shape.head_dim}, type(element));
  };
  std::vector<Tensors> copies;
  for (std::size_t i = 0; i < problem.copies(); ++i) {
    const AttentionProblem::Copy& copy = problem.copy(i);
    copies.push_back({view(copy.queries, shape.n_query, problem.types().queries),
                      view(copy.keys, shape.n_key, problem.types().keys_values),
                      view(copy.values, shape.n_key, problem.types().keys_values)});
  }
  struct Latest {
    std::size_t copy = 0;
    at::Tensor output;
  };
  const auto latest = std::make_shared<Latest>();
  const auto run = [copies = std::move(copies), latest, &problem] {
    latest->copy = problem.next();
    const Tensors& t = copies[latest->copy];
    latest->output =
        at::scaled_dot_product_attention(t.q, t.k, t.v, std::nullopt, 0.0, false, static_cast<double>(problem.scale()));
  };
  const auto store = [latest, &problem] {
    const at::Tensor output = latest->output.contiguous();
    std::memcpy(problem.copy(latest->copy).output, output.const_data_ptr(), output.nbytes());
  };
  return {.name = "LibTorch SDPA",
          .problem = &problem,
          .run = run,
          .prepare = [threads] { at::set_num_threads(threads); },
          .store = store};
}

std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace kvscope::benchmark
