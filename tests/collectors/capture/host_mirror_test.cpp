#include "collectors/capture/host_mirror.h"

#include "support/aten.h"

#include <array>

using namespace kvscope;

TEST_SUITE("collectors.capture.host_mirror") {
  TEST_CASE("the mirror shows what a full cache attends to at every layer and step") {
    constexpr std::array kSides = {1, 2, 3};
    constexpr std::array kScale = {0.5F};
    const StepTable steps = StepTable::square(kSides);
    at::manual_seed(3);
    FullKvCache cache;
    HostMirror mirror;
    for (int run = 0; run < 2; ++run) {  // begin() forgets
      cache.begin(2);
      mirror.begin(2);
      for (int step = 0; step < steps.size(); ++step) {
        for (int layer = 0; layer < 2; ++layer) {
          const auto tensor = [&](std::int64_t heads) { return at::randn({2, heads, steps.n_query(step), 8}); };
          const at::Tensor q = tensor(4);
          const at::Tensor k = tensor(2);
          const at::Tensor v = tensor(2);
          const AttentionSite site{.layer = layer, .softmax_scale = kScale};
          const Step at_step{.index = step, .table = &steps};
          const at::Tensor output = cache.attend(site, at_step, q, k, v);
          mirror.follow(site, at_step, q, k, v, output);
          CHECK(at::equal(mirror.q(), q));
          CHECK(at::equal(mirror.output(), output));
          CHECK(at::equal(mirror.keys(layer), cache.attended_keys(layer)));
          CHECK(at::equal(mirror.values(layer), cache.attended_values(layer)));
        }
      }
    }
  }
}
