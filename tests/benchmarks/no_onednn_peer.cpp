#include "tests/benchmarks/attention_peers.h"

namespace kvscope::benchmark {

std::optional<AttentionPeer> onednn_attention(AttentionProblem& /*problem*/, int /*threads*/) {
  return std::nullopt;
}

std::string onednn_version() {
  return "";
}

}  // namespace kvscope::benchmark
