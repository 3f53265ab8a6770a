#include "collectors/base/error.h"
#include "tests/benchmarks/attention_peers.h"
#include "tests/benchmarks/query_blocks.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <unordered_map>

namespace kvscope::benchmark {
namespace {

using dnnl::memory;

memory::data_type data_type(ElementType type) {
  switch (type) {
    case ElementType::kBFloat16:
      return memory::data_type::bf16;
    case ElementType::kFloat16:
      return memory::data_type::f16;
    default:
      return memory::data_type::f32;
  }
}

/// Debian's oneDNN runs on whatever OpenMP it was linked with; so does LibTorch, and the process has one of them.
void set_openmp_threads(int threads) {
  static const auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  require(set != nullptr, "onednn_attention: the process has no OpenMP");
  set(threads);
}

/// The three primitives for blocks of `n` queries of one head.
class BlockAttention {
 public:
  BlockAttention(const AttentionProblem& problem, std::int64_t n, const dnnl::engine& engine)
      : engine_(engine), shape_(problem.shape()) {
    const memory::data_type type = data_type(problem.types().queries);
    const std::int64_t d = shape_.head_dim;
    queries_ = memory::desc({n, d}, type, {d, 1});
    keys_ = memory::desc({d, shape_.n_key}, type, {1, d});
    values_ = memory::desc({shape_.n_key, d}, type, {d, 1});
    // Without gaps: the library's fast softmax takes no others.
    logits_ = memory::desc({n, shape_.n_key}, memory::data_type::f32, {shape_.n_key, 1});
    weights_ = memory::desc({n, shape_.n_key}, type, {shape_.n_key, 1});
    dnnl::primitive_attr scaled;
    scaled.set_output_scales(0, {problem.scale()});
    product_ = dnnl::matmul({{queries_, keys_, logits_}, scaled, engine});
    softmax_ = dnnl::softmax_v2_forward(
        {{dnnl::prop_kind::forward_inference, dnnl::algorithm::softmax_accurate, logits_, weights_, 1}, engine});
    output_ = dnnl::matmul({{weights_, values_, queries_}, engine});
  }

  void run(const AttentionProblem& problem, const AttentionProblem::Copy& copy, std::int64_t head, std::int64_t first,
           dnnl::stream& stream) {
    const std::int64_t bytes = element_bytes(problem.types().queries);
    const std::int64_t offset = (head * shape_.n_query + first) * shape_.head_dim * bytes;
    const std::int64_t key_offset = head * shape_.n_key * shape_.head_dim * bytes;
    const auto at = [&](const memory::desc& desc, const void* data, std::int64_t byte) {
      return memory(desc, engine_, const_cast<std::byte*>(static_cast<const std::byte*>(data) + byte));
    };
    const memory queries = at(queries_, copy.queries, offset);
    const memory keys = at(keys_, copy.keys, key_offset);
    const memory values = at(values_, copy.values, key_offset);
    const memory output = at(queries_, copy.output, offset);
    if (!map_) map_ = memory(logits_, engine_);
    // Where both are float32 the softmax works in place.
    if (!softmax_map_) softmax_map_ = weights_ == logits_ ? map_ : memory(weights_, engine_);
    product_.execute(stream, {{DNNL_ARG_SRC, queries}, {DNNL_ARG_WEIGHTS, keys}, {DNNL_ARG_DST, map_}});
    softmax_.execute(stream, {{DNNL_ARG_SRC, map_}, {DNNL_ARG_DST, softmax_map_}});
    output_.execute(stream, {{DNNL_ARG_SRC, softmax_map_}, {DNNL_ARG_WEIGHTS, values}, {DNNL_ARG_DST, output}});
  }

 private:
  dnnl::engine engine_;
  AttentionShape shape_;
  memory::desc queries_, keys_, values_, logits_, weights_;
  memory map_, softmax_map_;
  dnnl::matmul product_, output_;
  dnnl::softmax_v2_forward softmax_;
};

/// All heads and blocks, one after the other; the library spreads each over its threads.
class Attention {
 public:
  explicit Attention(AttentionProblem& problem)
      : problem_(problem), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const std::int64_t n_query = problem.shape().n_query;
    const std::int64_t block = peer_block_queries(n_query, 1);
    for (std::int64_t first = 0; first < n_query; first += block) {
      const std::int64_t n = std::min(block, n_query - first);
      if (!blocks_.contains(n)) blocks_.emplace(n, BlockAttention(problem, n, engine_));
    }
  }

  void run() {
    const AttentionShape& shape = problem_.shape();
    const AttentionProblem::Copy& copy = problem_.copy(problem_.next());
    const std::int64_t block = peer_block_queries(shape.n_query, 1);
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      for (std::int64_t first = 0; first < shape.n_query; first += block) {
        blocks_.at(std::min(block, shape.n_query - first)).run(problem_, copy, head, first, stream_);
      }
    }
    stream_.wait();
  }

 private:
  AttentionProblem& problem_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::unordered_map<std::int64_t, BlockAttention> blocks_;
};

}  // namespace

std::optional<AttentionPeer> onednn_attention(AttentionProblem& problem, int threads) {
  if (problem.types().queries != problem.types().keys_values) return std::nullopt;
  set_openmp_threads(threads);
  try {
    const auto attention = std::make_shared<Attention>(problem);
    return AttentionPeer{.name = fmt::format("oneDNN {}", element_name(problem.types().queries)),
                         .problem = &problem,
                         .run = [attention] { attention->run(); },
                         .prepare = [threads] { set_openmp_threads(threads); }};
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return std::nullopt;
    throw environment_error("oneDNN: {}", error.what());
  }
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace kvscope::benchmark
