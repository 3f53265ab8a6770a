#include "cuda/token_data.h"
#include "kernels/attention/merge_reference.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

TEST_SUITE_BEGIN("kernels.cuda.carry_tokens");

using namespace kvscope;
using namespace kvscope::testing;
using Places = std::vector<std::int32_t>;
using Lists = std::vector<Places>;

namespace {

constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16};
constexpr std::int64_t kHeadDims[] = {32, 64, 96, 128};

Places first_places(std::int64_t count) {
  Places places(static_cast<std::size_t>(count));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

/// About `share` of the places, ascending.
Places some_places(std::int64_t count, double share, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution stays(share);
  Places places;
  for (std::int32_t place = 0; place < count; ++place) {
    if (stays(random)) places.push_back(place);
  }
  return places;
}

std::vector<float> row_of(const std::vector<float>& rows, std::int64_t head_dim, std::int64_t i) {
  const auto first = rows.begin() + i * head_dim;
  return {first, first + head_dim};
}

std::vector<float> rows_of(const std::vector<float>& rows, std::int64_t head_dim, const Places& places) {
  std::vector<float> result;
  for (const std::int32_t place : places) {
    const auto row = row_of(rows, head_dim, place);
    result.insert(result.end(), row.begin(), row.end());
  }
  return result;
}

// --- compaction ---

/// Compacts a layer and checks every byte of the slabs, and what is known of the tokens.
void check_compaction(const TokenShape& shape, const Lists& kept, std::uint64_t seed) {
  const auto device = make_selection_device(seed);
  TokenData data(*device, shape, 3);
  std::vector<std::int32_t> token(static_cast<std::size_t>(data.slots()), -7);
  std::vector<float> collected_now;
  const std::int64_t stride = data.tokens().most_candidates;
  for (std::int64_t pair = 0; pair < data.pairs(); ++pair) {
    for (std::int64_t i = 0; i < shape.held[static_cast<std::size_t>(pair)]; ++i) {
      token[static_cast<std::size_t>(data.first_slot(pair) + i)] = static_cast<std::int32_t>(3 * i);
    }
    for (std::int64_t i = 0; i < stride; ++i) collected_now.push_back(static_cast<float>(1000 * pair + i));
  }
  gpu::CompactionProblem problem;
  problem.tokens = data.tokens();
  if (!kept.empty()) problem.kept = device->upload_places("kept", kept);
  problem.most_kept = stride;
  problem.token = device->upload("token", token);
  problem.first_own_token = 5000;
  problem.collected = device->allocate<float>("collected", data.slots());
  problem.collected_now = device->upload("collected now", collected_now);
  problem.collected_stride = stride;
  device->run(problem);

  const auto tokens_now = device->download(problem.token, data.slots());
  const auto collected = device->download(problem.collected, data.slots());
  for (std::int64_t pair = 0; pair < data.pairs(); ++pair) {
    CAPTURE(pair);
    const std::int32_t held = shape.held[static_cast<std::size_t>(pair)];
    const Places stays = kept.empty() ? first_places(data.places(pair)) : kept[static_cast<std::size_t>(pair)];
    const auto count = static_cast<std::int64_t>(stays.size());
    CHECK(data.held_keys_now(pair, count) == rows_of(data.keys(pair), shape.head_dim, stays));
    CHECK(data.held_values_now(pair, count) == rows_of(data.values(pair), shape.head_dim, stays));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t place = stays[static_cast<std::size_t>(i)];
      const auto slot = static_cast<std::size_t>(data.first_slot(pair) + i);
      CHECK(tokens_now[slot] == (place < held ? 3 * place : 5000 + place - held));
      CHECK(collected[slot] == static_cast<float>(1000 * pair + place));
    }
    // The slots behind are as they were.
    const std::vector<float> all = data.held_keys_now(pair, data.places(pair));
    for (std::int64_t i = count; i < held; ++i) {
      CHECK(row_of(all, shape.head_dim, i) == row_of(data.keys(pair), shape.head_dim, i));
    }
    for (std::int64_t i = std::max<std::int64_t>(count, held); i < data.places(pair); ++i) {
      CHECK(std::isnan(all[static_cast<std::size_t>(i * shape.head_dim)]));
    }
  }
}

}  // namespace

TEST_CASE("kept tokens of every type and head size move together in place") {
  std::uint32_t seed = 1;
  for (const ElementType type : kTypes) {
    for (const std::int64_t head_dim : kHeadDims) {
      CAPTURE(element_name(type));
      CAPTURE(head_dim);
      const TokenShape shape{
          .type = type, .rows = 2, .kv_heads = 2, .head_dim = head_dim, .n_own = 9, .held = {0, 1, 70, 300}};
      Lists kept;
      for (const std::int32_t held : shape.held) kept.push_back(some_places(held + shape.n_own, 0.6, seed++));
      check_compaction(shape, kept, seed);
    }
  }
}

TEST_CASE("chunks of rows do not overwrite each other under any order of threads") {
  const TokenShape shape{.type = ElementType::kFloat32, .kv_heads = 1, .head_dim = 128, .n_own = 70, .held = {400}};
  Places late;
  for (std::int32_t place = 13; place < 470; ++place) late.push_back(place);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    check_compaction(shape, {late}, seed);
    check_compaction(shape, {some_places(470, 0.9, 5)}, seed);
  }
}

TEST_CASE("nothing and everything can be kept") {
  const TokenShape shape{.type = ElementType::kBFloat16, .kv_heads = 3, .head_dim = 64, .n_own = 5, .held = {4, 40, 0}};
  check_compaction(shape, {{}, first_places(45), {4}}, 1);
}

TEST_CASE("without a list own tokens are appended") {
  check_compaction(
      {.type = ElementType::kFloat16, .rows = 3, .kv_heads = 1, .head_dim = 96, .n_own = 20, .held = {4, 100, 0}}, {},
      1);
}

// --- norms ---

TEST_CASE("norms of keys and values are those of the CPU") {
  for (const ElementType type : kTypes) {
    for (const std::int64_t head_dim : kHeadDims) {
      CAPTURE(element_name(type));
      CAPTURE(head_dim);
      std::vector<std::vector<float>> found;
      for (const bool is_reference : {true, false}) {
        const auto device = is_reference ? make_reference_device() : make_selection_device();
        TokenData data(*device,
                       {.type = type, .kv_heads = 4, .head_dim = head_dim, .n_own = 3, .held = {0, 60, 61, 125}}, 5);
        const gpu::DevicePlaces list = device->upload_places("some", {{0, 2}, {1, 62}, first_places(64), {}});
        for (const auto part : {gpu::TokenPart::kKeys, gpu::TokenPart::kValues}) {
          for (const bool is_listed : {false, true}) {
            gpu::NormProblem problem{.tokens = data.tokens(), .part = part, .stride = 130};
            if (is_listed) {
              problem.tokens.index = list.places;
              problem.tokens.indexed = list.count;
              problem.tokens.index_stride = list.stride;
            }
            problem.norms = device->allocate<float>("norms", data.pairs() * problem.stride);
            device->run(problem);
            found.push_back(device->download(problem.norms, data.pairs() * problem.stride));
          }
        }
      }
      for (std::size_t i = 0; i < 4; ++i) {
        CAPTURE(i);
        int written = 0;
        for (std::size_t j = 0; j < found[i].size(); ++j) {
          // Sums of squares in double, in another order.
          if (std::isnan(found[i][j])) {
            CHECK(std::isnan(found[i + 4][j]));
          } else {
            CHECK(found[i + 4][j] == doctest::Approx(double{found[i][j]}).epsilon(1e-7));
            ++written;
          }
        }
        CHECK(written == (i % 2 == 0 ? 258 : 68));
      }
    }
  }
}

// --- merging ---

namespace {

struct Merging {
  Lists losers;
  Lists kept;
};

/// Merges on a device; keys and values of all pairs afterwards.
struct Merged {
  std::vector<std::vector<float>> keys;
  std::vector<std::vector<float>> values;
};

Merged merge_on(SelectionDevice& device, TokenData& data, const Merging& merging) {
  const std::int64_t stride = data.tokens().most_candidates;
  gpu::NormProblem norms{.tokens = data.tokens(), .part = gpu::TokenPart::kKeys, .stride = stride};
  norms.norms = device.allocate<float>("key norms", data.pairs() * stride);
  device.run(norms);
  gpu::MergeProblem problem;
  problem.tokens = data.tokens();
  problem.losers = device.upload_places("losers", merging.losers);
  problem.kept = device.upload_places("kept", merging.kept);
  problem.key_norms = norms.norms;
  problem.nearest = device.allocate<std::int32_t>("nearest", data.pairs() * stride);
  problem.stride = stride;
  device.run(problem);
  Merged merged;
  for (std::int64_t pair = 0; pair < data.pairs(); ++pair) {
    merged.keys.push_back(data.keys_now(pair));
    merged.values.push_back(data.values_now(pair));
  }
  return merged;
}

/// What merge_tokens_reference() makes of one pair, rounded to the type; places that are not kept stay.
std::vector<float> expected_rows(const std::vector<float>& before, const std::vector<double>& means,
                                 std::int64_t head_dim, const Places& kept, ElementType type) {
  std::vector<float> narrow(means.begin(), means.end());
  narrow = rounded(narrow, type);
  std::vector<float> rows = before;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    std::copy_n(narrow.begin() + static_cast<std::ptrdiff_t>(i) * head_dim, head_dim,
                rows.begin() + kept[i] * head_dim);
  }
  return rows;
}

Places without(const Places& all, const Places& some) {
  Places rest;
  std::ranges::set_difference(all, some, std::back_inserter(rest));
  return rest;
}

void check_merge(const TokenShape& shape, const Lists& kept, std::uint64_t seed) {
  const auto device = make_selection_device(seed);
  TokenData data(*device, shape, 8);
  Merging merging{.losers = {}, .kept = kept};
  for (std::int64_t pair = 0; pair < data.pairs(); ++pair) {
    merging.losers.push_back(without(first_places(data.places(pair)), kept[static_cast<std::size_t>(pair)]));
  }
  const Merged merged = merge_on(*device, data, merging);
  for (std::size_t pair = 0; pair < kept.size(); ++pair) {
    CAPTURE(pair);
    const auto number = static_cast<std::int64_t>(pair);
    const auto means = merge_tokens_reference(data.keys(number), data.values(number), shape.head_dim, kept[pair]);
    // Means in double of the same tokens in the same order: equal to the bit.
    CHECK(merged.keys[pair] == expected_rows(data.keys(number), means.keys, shape.head_dim, kept[pair], shape.type));
    CHECK(merged.values[pair] ==
          expected_rows(data.values(number), means.values, shape.head_dim, kept[pair], shape.type));
  }
}

}  // namespace

TEST_CASE("losers of every type and head size join the most similar kept token") {
  for (const ElementType type : kTypes) {
    for (const std::int64_t head_dim : kHeadDims) {
      CAPTURE(element_name(type));
      CAPTURE(head_dim);
      const TokenShape shape{
          .type = type, .rows = 1, .kv_heads = 4, .head_dim = head_dim, .n_own = 7, .held = {0, 30, 129, 150}};
      check_merge(shape, {{3}, some_places(37, 0.5, 1), some_places(136, 0.3, 2), some_places(157, 0.9, 3)}, 2);
    }
  }
}

TEST_CASE("tiles of kept tokens and of losers are all compared") {
  const TokenShape shape{.type = ElementType::kBFloat16, .kv_heads = 1, .head_dim = 32, .n_own = 40, .held = {600}};
  check_merge(shape, {some_places(640, 0.35, 4)}, 3);
}

TEST_CASE("nothing to merge leaves every bit") {
  const auto device = make_selection_device();
  TokenData data(*device, {.kv_heads = 2, .n_own = 4, .held = {6, 6}}, 1);
  const Merged merged = merge_on(*device, data, {.losers = {{}, {1, 2}}, .kept = {{0, 1, 2}, {}}});
  for (std::size_t pair = 0; pair < 2; ++pair) {
    CHECK(merged.keys[pair] == data.keys(static_cast<std::int64_t>(pair)));
    CHECK(merged.values[pair] == data.values(static_cast<std::int64_t>(pair)));
  }
}

TEST_CASE("of equally similar tokens the lowest gets the loser, and a key of length zero is like all") {
  for (const ElementType type : kTypes) {
    CAPTURE(element_name(type));
    const auto device = make_selection_device();
    TokenData data(*device, {.type = type, .kv_heads = 1, .head_dim = 32, .n_own = 40, .held = {30}}, 1);
    std::vector<float> keys(70 * 32, 0.0F);
    const auto key = [&](std::int64_t place) { return keys.begin() + place * 32; };
    for (std::int64_t place = 0; place < 70; ++place) key(place)[place % 3] = place % 2 == 0 ? 2.0F : 1.0F;
    std::fill_n(key(5), 32, 0.0F);   // a loser without direction
    std::fill_n(key(10), 32, 0.0F);  // a kept token without direction
    data.set_keys(0, keys);
    // Kept: two or more in each direction, over two tiles; the lowest of each is 10 (none), 11, 12, 13.
    Places kept = {10, 11, 12, 13};
    for (std::int32_t place = 26; place < 66; ++place) kept.push_back(place);
    const Places losers = without(first_places(70), kept);
    const Merged merged = merge_on(*device, data, {.losers = {losers}, .kept = {kept}});
    std::vector<Places> members(70);
    for (const std::int32_t loser : losers) {
      // Place 12 is the first with direction 0, 13 with 1, 11 with 2; a key of length zero goes to the first of all.
      const std::int32_t nearest = loser == 5 ? 10 : (loser % 3 == 0 ? 12 : (loser % 3 == 1 ? 13 : 11));
      members[static_cast<std::size_t>(nearest)].push_back(loser);
    }
    for (const std::int32_t place : kept) {
      CAPTURE(place);
      const Places& joined = members[static_cast<std::size_t>(place)];
      for (std::int64_t channel = 0; channel < 32; ++channel) {
        const auto value = [&](std::int64_t i) {
          return double{data.values(0)[static_cast<std::size_t>(i * 32 + channel)]};
        };
        double sum = value(place);
        for (const std::int32_t loser : joined) sum += value(loser);
        const auto mean = static_cast<float>(sum / static_cast<double>(joined.size() + 1));
        CHECK(merged.values[0][static_cast<std::size_t>(place * 32 + channel)] == rounded({mean}, type)[0]);
      }
    }
  }
}

TEST_CASE("wrong shapes of what is carried on are refused") {
  const auto device = make_selection_device();
  gpu::NormProblem norms;
  norms.tokens = {.type = ElementType::kInt8, .kv_heads = 1, .head_dim = 64};
  check_error(
      ErrorCode::kUsage, [&] { device->run(norms); }, "token_norms", "bfloat16");
  gpu::MergeProblem merge;
  merge.tokens = {.kv_heads = 1, .head_dim = 64, .most_candidates = 10};
  check_error(
      ErrorCode::kUsage, [&] { device->run(merge); }, "merge_tokens", "stride");
}

TEST_SUITE_END();
