#include "collectors/models/session_runs.h"

#include "collectors/models/full_kv_cache.h"
#include "collectors/models/golden.h"
#include "collectors/models/request_part.h"
#include "support/aten.h"

#include <algorithm>

namespace kvscope::testing {

Run run_session(GenerationSession& session, std::int64_t rows, const std::vector<at::Tensor>& forced, Images images) {
  FullKvCache cache;
  cache.begin(rows);
  Run run;
  while (!session.done()) {
    const std::size_t step = run.tokens.size();
    StepOutcome outcome = session.advance(cache, forced.empty() ? std::nullopt : std::optional(forced[step]));
    run.logits.push_back(outcome.logits);
    run.tokens.push_back(outcome.tokens);
  }
  if (images == Images::kDecoded) run.images = session.images();
  return run;
}

Run run_in_batches(const Engine& engine, const GenerationRequest& request, std::int64_t batch, Images images) {
  const std::int64_t samples = std::ssize(request.labels);
  std::vector<Run> parts;
  for (std::int64_t first = 0; first < samples; first += batch) {
    const std::int64_t count = std::min(batch, samples - first);
    parts.push_back(run_session(*engine.start(part_of(request, first, count)), 2 * count, {}, images));
  }
  Run whole;
  const auto join = [&](auto&& member) {
    std::vector<at::Tensor> list;
    for (const Run& part : parts) list.push_back(member(part));
    return at::cat(list);
  };
  for (std::size_t step = 0; step < parts[0].tokens.size(); ++step) {
    whole.logits.push_back(join([&](const Run& part) { return part.logits[step]; }));
    whole.tokens.push_back(join([&](const Run& part) { return part.tokens[step]; }));
  }
  if (images == Images::kDecoded) whole.images = join([](const Run& part) { return part.images; });
  return whole;
}

void check_same_bits(const Run& a, const Run& b) {
  REQUIRE(a.tokens.size() == b.tokens.size());
  for (std::size_t step = 0; step < a.tokens.size(); ++step) {
    CAPTURE(step);
    CHECK(same_bits(a.logits[step], b.logits[step]));
    CHECK(same_bits(a.tokens[step], b.tokens[step]));
  }
  REQUIRE(a.images.defined() == b.images.defined());
  if (a.images.defined()) CHECK(same_bits(a.images, b.images));
}

}  // namespace kvscope::testing
