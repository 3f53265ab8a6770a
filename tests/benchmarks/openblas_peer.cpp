#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/row_kernels.h"
#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/attention_peers.h"
#include "tests/benchmarks/query_blocks.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace kvscope::benchmark {
namespace {

// Of cblas.h, which need not be installed.
enum CblasOrder { kRowMajor = 101 };
enum CblasTranspose { kAsItIs = 111, kTransposed = 112 };
using Sgemm = void (*)(CblasOrder, CblasTranspose, CblasTranspose, int m, int n, int k, float alpha, const float* a,
                       int lda, const float* b, int ldb, float beta, float* c, int ldc);

std::string wanted_core_type(std::string_view core_type) {
  if (!core_type.empty()) return std::string(core_type);
  return std::ranges::count(simd_levels(), "avx512") > 0 ? "SkylakeX" : "";
}

int narrow(std::int64_t extent) {
  return static_cast<int>(extent);
}

/// exp(row - max of the row) with the row's padding at 0; returns 1 / sum.
float unnormalised_softmax(float* row, std::int64_t n_key, std::int64_t padded) {
  std::fill(row + n_key, row + padded, -std::numeric_limits<float>::infinity());
  const RowKernels& kernels = row_kernels();
  float maximum = -std::numeric_limits<float>::infinity();
  kernels.fold_maxima({row, padded, 1, padded}, &maximum);
  float sum = 0.0F;
  kernels.exponentials2({row, padded, 1, padded}, kLog2E, &maximum, &sum);
  return 1.0F / sum;
}

}  // namespace

struct OpenBlas::Functions {
  void* library = nullptr;
  Sgemm sgemm = nullptr;
  std::string core;

  /// Queries [first, first + n) of one head.
  void attend(const AttentionProblem& problem, const AttentionProblem::Copy& copy, std::int64_t head,
              std::int64_t first, std::int64_t n) const {
    const AttentionShape& shape = problem.shape();
    const std::int64_t offset = (head * shape.n_query + first) * shape.head_dim;
    const std::int64_t key_offset = head * shape.n_key * shape.head_dim;
    const std::int64_t padded = round_up(shape.n_key, kPanelKeys);
    const std::int64_t stride = strip_stride(shape.n_key);
    thread_local AlignedBuffer buffer;
    float* map = buffer.reserve(n * stride);
    const int depth = narrow(shape.head_dim);
    auto* output = static_cast<float*>(copy.output) + offset;
    sgemm(kRowMajor, kAsItIs, kTransposed, narrow(n), narrow(shape.n_key), depth, problem.scale(),
          static_cast<const float*>(copy.queries) + offset, depth, static_cast<const float*>(copy.keys) + key_offset,
          depth, 0.0F, map, narrow(stride));
    std::vector<float> factors(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
      factors[static_cast<std::size_t>(i)] = unnormalised_softmax(map + i * stride, shape.n_key, padded);
    }
    sgemm(kRowMajor, kAsItIs, kAsItIs, narrow(n), depth, narrow(shape.n_key), 1.0F, map, narrow(stride),
          static_cast<const float*>(copy.values) + key_offset, depth, 0.0F, output, depth);
    for (std::int64_t i = 0; i < n; ++i) {
      row_kernels().scale(output + i * depth, depth, factors[static_cast<std::size_t>(i)], output + i * depth);
    }
  }
};

OpenBlas::OpenBlas(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}

OpenBlas::~OpenBlas() {
  if (functions_->library != nullptr) dlclose(functions_->library);
}

std::unique_ptr<OpenBlas> OpenBlas::load(std::string_view core_type) {
  const std::string wanted = wanted_core_type(core_type);
  const char* before = std::getenv("OPENBLAS_CORETYPE");
  const std::string restored = before == nullptr ? "" : before;
  // Read while the library is loaded, and only then.
  if (!wanted.empty()) setenv("OPENBLAS_CORETYPE", wanted.c_str(), 1);
  // Apart from LibTorch, which has a sgemm_ of its own.
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (before == nullptr) {
    unsetenv("OPENBLAS_CORETYPE");
  } else {
    setenv("OPENBLAS_CORETYPE", restored.c_str(), 1);
  }
  if (library == nullptr) return nullptr;
  auto functions = std::make_unique<Functions>();
  functions->library = library;
  functions->sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  const auto core = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_corename"));
  const auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
  require(functions->sgemm != nullptr && core != nullptr && set_threads != nullptr,
          "libopenblas.so.0 lacks cblas_sgemm, openblas_get_corename or openblas_set_num_threads");
  functions->core = core();
  if (!core_type.empty() && functions->core != core_type) {
    throw environment_error("OpenBLAS runs the kernels of {}, expected {}", functions->core, core_type);
  }
  set_threads(1);
  return std::unique_ptr<OpenBlas>(new OpenBlas(std::move(functions)));
}

AttentionPeer OpenBlas::attention(AttentionProblem& problem, int threads) const {
  const auto run = [&problem, threads, functions = functions_.get()] {
    const AttentionShape& shape = problem.shape();
    const AttentionProblem::Copy& copy = problem.copy(problem.next());
    const std::int64_t block = peer_block_queries(shape.n_query, threads);
    const std::int64_t blocks = (shape.n_query + block - 1) / block;
    parallel_for(shape.heads * blocks, [&](std::int64_t i) {
      const std::int64_t first = i % blocks * block;
      functions->attend(problem, copy, i / blocks, first, std::min(block, shape.n_query - first));
    });
  };
  return {.name = "OpenBLAS " + functions_->core + " + vector softmax",
          .problem = &problem,
          .run = run,
          .prepare = [threads] { set_thread_count(threads); }};
}

std::string openblas_version() {
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == nullptr) return "";
  const auto config = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_config"));
  std::string version = config == nullptr ? "unknown" : config();
  dlclose(library);
  return version;
}

}  // namespace kvscope::benchmark
