#include "collectors/geometry/model_info.h"

#include "support/errors.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

ModelInfo small_model() {
  return {.family = "var",
          .fingerprint = "abc",
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 32,
          .softmax_scale = {1, 2, 3, 4, 5, 6, 7, 8},
          .branches = {"conditional", "unconditional"},
          .key_type = ElementType::kFloat32,
          .value_type = ElementType::kBFloat16};
}

}  // namespace

TEST_SUITE("collectors.geometry.model_info") {
  TEST_CASE("a model survives JSON") {
    CHECK(model_info_from_json(to_json(small_model()), "x") == small_model());
  }

  TEST_CASE("what contradicts itself is refused") {
    Json uneven = to_json(small_model());
    uneven["kv_heads"] = 3;
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)model_info_from_json(uneven, "c.h5"); }, "c.h5", "evenly");
    Json scales = to_json(small_model());
    scales["softmax_scale"] = {1, 2};
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)model_info_from_json(scales, "c.h5"); }, "softmax_scale");
    Json type = to_json(small_model());
    type["key_type"] = "float3";
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)model_info_from_json(type, "c.h5"); }, "float3");
    type["key_type"] = "float32\n";
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)model_info_from_json(type, "c.h5"); }, R"("float32\n")");
  }

  TEST_CASE("another model is named with both files") {
    ModelInfo other = small_model();
    other.fingerprint = "def";
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_same_model(other, "plan.json", small_model(), "var.pth"); }, "plan.json",
        "var.pth", "abc", "def");
    other.family = "var\n";
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_same_model(other, "plan.json", small_model(), "var.pth"); }, R"("var\n")");
  }
}
