#include "kernels/compare/head_split.h"

#include "classifiers/heads/classify.h"

#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace kvscope {
namespace {

/// Place of every head in a random order (Fisher and Yates); mt19937_64 is specified bit by bit, the distributions of
/// <random> are not.
std::vector<std::int64_t> random_ranks(std::int64_t n, std::uint64_t seed) {
  std::vector<std::int64_t> ranks(static_cast<std::size_t>(n));
  std::iota(ranks.begin(), ranks.end(), 0);
  std::mt19937_64 generator(seed);
  for (std::size_t left = ranks.size(); left > 1; --left) std::swap(ranks[left - 1], ranks[generator() % left]);
  return ranks;
}

/// The heads of the lowest ranks are contextual.
HeadClassification by_rank(const Scores& scores, std::string_view method, const std::vector<std::int64_t>& ranks,
                           double alpha) {
  HeadClassification found;
  found.method = method;
  found.parameters = {{"alpha", alpha}};
  found.layers = scores.model.layers;
  found.heads_per_layer = scores.model.heads;
  found.model = scores.model;
  found.made_from = scores.made_from;
  const std::int64_t contextual = contextual_count(std::ssize(ranks), alpha);
  for (const std::int64_t rank : ranks) {
    const auto place = static_cast<int>(found.heads.size());
    found.heads.push_back({.layer = place / scores.model.heads,
                           .head = place % scores.model.heads,
                           .head_class = rank < contextual ? HeadClass::kContextual : HeadClass::kStructural,
                           .score = static_cast<double>(rank)});
  }
  return found;
}

}  // namespace

HeadClassification split_heads(const Scores& scores, std::string_view split, double alpha, std::uint64_t seed) {
  const std::int64_t heads = std::int64_t{scores.model.layers} * scores.model.heads;
  if (split == "random") return by_rank(scores, split, random_ranks(heads, seed), alpha);
  if (split == "order") {
    std::vector<std::int64_t> ranks(static_cast<std::size_t>(heads));
    std::iota(ranks.begin(), ranks.end(), 0);
    return by_rank(scores, split, ranks, alpha);
  }
  ClassifyOptions options;
  options.method = split;
  if (split != "elbow") options.alpha = alpha;
  return classify_heads(scores, options);
}

}  // namespace kvscope
