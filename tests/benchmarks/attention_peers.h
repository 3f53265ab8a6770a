#pragma once

#include "tests/benchmarks/attention_problem.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kvscope::benchmark {

/// Someone who computes an AttentionProblem; the problem must outlive it. Each run takes the problem's next copy.
struct AttentionPeer {
  std::string name;
  AttentionProblem* problem;
  std::function<void()> run;
  std::function<void()> prepare = {};  ///< gives the library its number of threads; may be empty
  std::function<void()> store = {};    ///< brings the latest result to the copy's output where run() does not
};

enum class LogitBound {
  kUnknown,
  kGiven,  ///< of the vectors' lengths, as models that normalise queries and keys guarantee one
};

/// kvscope's own ragged_attention().
[[nodiscard]] AttentionPeer own_attention(AttentionProblem& problem, int threads,
                                          LogitBound bound = LogitBound::kUnknown);

/// LibTorch's scaled_dot_product_attention.
[[nodiscard]] AttentionPeer libtorch_attention(AttentionProblem& problem, int threads);
[[nodiscard]] std::string libtorch_version();

/// float32: two matrix products and a row-wise softmax between them, for blocks of queries.
[[nodiscard]] AttentionPeer eigen_attention(AttentionProblem& problem, int threads);

/// OpenBLAS, loaded at run time with the kernels of one kind of processor ("Haswell": AVX2, "SkylakeX": AVX-512).
class OpenBlas {
 public:
  /// @param core_type  empty: SkylakeX where the processor has AVX-512 (the library itself takes the AVX2 kernels for
  ///                   processors that it is older than), else the library's own choice
  /// @return  nothing where the library is not installed
  [[nodiscard]] static std::unique_ptr<OpenBlas> load(std::string_view core_type);
  ~OpenBlas();
  OpenBlas(const OpenBlas&) = delete;
  OpenBlas& operator=(const OpenBlas&) = delete;

  /// float32: sgemm, a softmax with kvscope's vector exponentials, sgemm, for blocks of queries that stay in the
  /// cache; blocks are spread over the threads, so that the library never starts threads of its own.
  [[nodiscard]] AttentionPeer attention(AttentionProblem& problem, int threads) const;

 private:
  struct Functions;
  explicit OpenBlas(std::unique_ptr<Functions> functions);
  std::unique_ptr<Functions> functions_;
};
/// "0.3.21 SkylakeX", "" where it is not installed.
[[nodiscard]] std::string openblas_version();

/// oneDNN: matrix product, softmax, matrix product, in the problem's element types.
/// @return  nothing where the program was built without it, or where it cannot do these types here
[[nodiscard]] std::optional<AttentionPeer> onednn_attention(AttentionProblem& problem, int threads);
/// "2.6.3", "" where the program was built without it.
[[nodiscard]] std::string onednn_version();

}  // namespace kvscope::benchmark
