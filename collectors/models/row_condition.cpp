#include "collectors/models/row_condition.h"

#include "collectors/models/libtorch_scope.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <limits>

namespace kvscope {
namespace {

using Block = RowCondition::Block;
constexpr std::array kBlockVectors = {&Block::gate1,         &Block::gate2,  &Block::scale1_plus_1,
                                      &Block::scale2_plus_1, &Block::shift1, &Block::shift2};
constexpr std::array kTextParts = {&Block::text_key, &Block::text_value};

std::int64_t text_length(const RowCondition& row) {
  const bool has_text = !row.blocks.empty() && row.blocks.front().text_key.defined();
  return has_text ? row.blocks.front().text_key.size(1) : 0;
}

/// The texts' keys or values [heads, length, head_dim] of one block, filled up with zeros to the longest.
at::Tensor stacked_texts(const std::vector<const RowCondition*>& rows, std::size_t layer, at::Tensor Block::*part,
                         std::int64_t longest) {
  const at::Tensor& first = rows.front()->blocks[layer].*part;
  const at::Tensor all =
      at::zeros({static_cast<std::int64_t>(rows.size()), first.size(0), longest, first.size(2)}, first.options());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const at::Tensor& text = rows[row]->blocks[layer].*part;
    all[static_cast<std::int64_t>(row)].narrow(1, 0, text.size(1)).copy_(text);
  }
  return all;
}

at::Tensor text_mask(const std::vector<const RowCondition*>& rows, std::int64_t longest) {
  const at::Tensor mask =
      at::zeros({static_cast<std::int64_t>(rows.size()), 1, 1, longest}, rows.front()->start.options());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::int64_t length = text_length(*rows[row]);
    mask[static_cast<std::int64_t>(row)]
        .narrow(-1, length, longest - length)
        .fill_(-std::numeric_limits<float>::infinity());
  }
  return mask;
}

}  // namespace

std::vector<at::Tensor> RowCondition::vectors() const {
  std::vector<at::Tensor> all = {head_scale_plus_1, head_shift, text_mask};
  for (const Block& block : blocks) {
    for (const auto vector : kBlockVectors) all.push_back(block.*vector);
    for (const auto part : kTextParts) all.push_back(block.*part);
  }
  return all;
}

RowCondition RowCondition::of_vectors(const std::vector<at::Tensor>& vectors) {
  RowCondition condition;
  auto next = vectors.begin();
  condition.head_scale_plus_1 = *next++;
  condition.head_shift = *next++;
  condition.text_mask = *next++;
  while (next != vectors.end()) {
    Block& block = condition.blocks.emplace_back();
    for (const auto vector : kBlockVectors) block.*vector = *next++;
    for (const auto part : kTextParts) block.*part = *next++;
  }
  return condition;
}

std::int64_t RowCondition::text_bytes() const {
  std::int64_t bytes = 0;
  for (const Block& block : blocks) {
    if (block.text_key.defined())
      bytes += static_cast<std::int64_t>(block.text_key.nbytes() + block.text_value.nbytes());
  }
  return bytes;
}

RowCondition of_rows(const std::vector<const RowCondition*>& rows) {
  const LibTorchScope scope;
  const auto stack = [&](const auto& member) {
    std::vector<at::Tensor> vectors;
    for (const RowCondition* row : rows) vectors.push_back(member(*row).view({1, -1}));
    return at::stack(vectors);  // [rows, 1, C]
  };
  std::int64_t longest = 0;
  for (const RowCondition* row : rows) longest = std::max(longest, text_length(*row));
  const bool lengths_differ =
      std::any_of(rows.begin(), rows.end(), [&](const RowCondition* row) { return text_length(*row) != longest; });
  RowCondition all;
  all.start = stack([](const RowCondition& row) { return row.start; });
  all.head_scale_plus_1 = stack([](const RowCondition& row) { return row.head_scale_plus_1; });
  all.head_shift = stack([](const RowCondition& row) { return row.head_shift; });
  if (lengths_differ) all.text_mask = text_mask(rows, longest);
  for (std::size_t layer = 0; layer < rows.front()->blocks.size(); ++layer) {
    RowCondition::Block& block = all.blocks.emplace_back();
    for (const auto vector : kBlockVectors) {
      block.*vector = stack([&](const RowCondition& row) { return row.blocks[layer].*vector; });
    }
    if (longest > 0) {
      block.text_key = stacked_texts(rows, layer, &Block::text_key, longest);
      block.text_value = stacked_texts(rows, layer, &Block::text_value, longest);
    }
  }
  return all;
}

}  // namespace kvscope
