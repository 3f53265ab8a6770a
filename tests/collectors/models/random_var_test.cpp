#include "support/random_var.h"

#include "collectors/models/engine_factory.h"
#include "collectors/models/full_kv_cache.h"
#include "support/aten.h"
#include "support/paths.h"

using namespace kvscope;
using namespace kvscope::testing;

TEST_SUITE("support.random_var") {
  TEST_CASE("a model with random weights loads with the geometry asked for and generates") {
    const TemporaryFolder folder;
    const VarFiles files = write_random_var(
        folder.path(), {.depth = 3, .heads = 2, .head_dim = 48, .sides = {1, 2, 4}, .vocabulary = 64, .classes = 7});
    const auto engine = load_engine({.transformer = files.transformer, .tokenizer = files.tokenizer});
    CHECK(engine->model().layers == 3);
    CHECK(engine->model().heads == 2);
    CHECK(engine->model().head_dim == 48);
    CHECK(engine->steps().total_tokens() == 21);
    CHECK(engine->vocabulary() == 64);
    CHECK(engine->classes() == 7);
    const auto session = engine->start({.labels = {3}, .sample_ids = {0}});
    FullKvCache cache;
    cache.begin(2);
    while (!session->done()) (void)session->advance(cache);
    const at::Tensor images = session->images();
    CHECK(images.sizes() == at::IntArrayRef{1, 64, 64, 3});
  }

  TEST_CASE("VAR-d16 has the published geometry") {
    const RandomVar var = var_d16();
    CHECK(var.heads * var.head_dim == 1024);
    CHECK(var.depth == 16);
    CHECK(var.sides.back() == 16);
  }
}
