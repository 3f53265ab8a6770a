#pragma once

namespace kvscope {

/// Height and width of a grid of tokens.
struct TokenGrid {
  int height = 1;
  int width = 1;
  bool operator==(const TokenGrid&) const = default;
};

}  // namespace kvscope
