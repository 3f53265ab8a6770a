#include "collectors/models/transformer_blocks.h"

#include "collectors/models/infinity_golden.h"
#include "collectors/models/infinity_transformer.h"
#include "collectors/models/tensor_loading.h"
#include "support/aten.h"

#include <cmath>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// Cross attention of the first block for a residual stream, its probabilities computed in double precision from
/// queries and keys in the type of the model.
at::Tensor reference_map(const TensorGroup& group, const RowCondition& condition, const at::Tensor& x,
                         at::ScalarType type) {
  const std::string block = "block_chunks.0.module.0.";
  const auto load = [&](const std::string& name, at::ScalarType as) { return load_tensor(group, block + name, as); };
  const at::Tensor normalised =
      at::layer_norm(x, {128}, load("ca_norm.weight", at::kFloat), load("ca_norm.bias", at::kFloat), 1e-6);
  const at::Tensor query = at::linear(normalised.to(type), load("ca.mat_q.weight", type), load("ca.mat_q.bias", type))
                               .view({-1, 2, 64})
                               .transpose(0, 1);
  const at::Tensor key = condition.blocks[0].text_key;
  return at::softmax(at::matmul(query.to(at::kDouble), key.to(at::kDouble).transpose(-2, -1)) / 8.0, -1);
}

}  // namespace

TEST_SUITE("collectors.models.transformer_blocks") {
  TEST_CASE("cross attention rounds queries and keys to the type of the model and no logit") {
    const InfinityGolden golden("infinity_basic");
    const Checkpoint file = Checkpoint::open(golden.options.transformer);
    const InfinityConfig config = read_infinity_config(file);
    const TensorGroup group = infinity_transformer_group(file);
    const InfinitySchedule schedule = infinity_schedule("0.06M", 1.0);
    at::manual_seed(1);
    const at::Tensor input = at::randn({5, 128});
    const at::Tensor attended = at::zeros({2, 5, 64});
    const at::Tensor features = golden.values.numbers("text").narrow(0, 0, golden.text->lengths[0]);
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      CAPTURE((type == at::kFloat));
      const InfinityTransformer transformer(group, config, schedule, config.text_rows, type);
      auto unfinished = transformer.condition(features);
      for (int layer = 0; layer < transformer.blocks().depth(); ++layer)
        transformer.blocks().add_layer(layer, unfinished);
      const RowCondition& condition = unfinished.condition;
      CHECK((condition.blocks[0].text_key.scalar_type() == type));
      // What self-attention adds where it attends to nothing: the bias of its projection.
      const at::Tensor bias = load_tensor(group, "block_chunks.0.module.0.sa.proj.bias", type).to(at::kFloat);
      const at::Tensor before = at::addcmul(input, bias.expand({5, 128}), condition.blocks[0].gate1);
      at::Tensor x = input.clone();
      at::Tensor map;
      transformer.blocks().after_attention(0, attended.to(type), condition, x, &map);
      REQUIRE(map.defined());
      // Logits rounded to bfloat16 would be off by up to 2^-9 of their size, thousands of times more.
      CHECK(largest_difference(map.to(at::kDouble), reference_map(group, condition, before, type)) <= 2e-6);
    }
  }
}
