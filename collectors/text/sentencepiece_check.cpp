#include "collectors/text/sentencepiece_check.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/byte_cursor.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace kvscope {
namespace {

// sentencepiece_model.proto: ModelProto and NormalizerSpec.
constexpr std::uint64_t kNormaliser = 3;
constexpr std::uint64_t kDenormaliser = 5;
constexpr std::uint64_t kCharacterMap = 2;

// Protocol buffers: kinds of fields.
enum WireType : std::uint64_t { kVarint = 0, kEightBytes = 1, kLengthDelimited = 2, kFourBytes = 5 };

using Bytes = std::span<const std::byte>;

std::uint64_t take_varint(ByteCursor& cursor, std::string_view where) {
  std::uint64_t number = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = cursor.take_number<std::uint8_t>();
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return number;
  }
  throw bad_input("{}: is no SentencePiece model: a number does not end", where);
}

/// Calls `consume` with number and content of every field that is text, bytes or a message.
void for_each_field(Bytes message, std::string_view where, const std::function<void(std::uint64_t, Bytes)>& consume) {
  ByteCursor cursor(message, where);
  while (cursor.remaining() > 0) {
    const std::uint64_t tag = take_varint(cursor, where);
    switch (tag & 7U) {
      case kVarint:
        static_cast<void>(take_varint(cursor, where));
        break;
      case kEightBytes:
        static_cast<void>(cursor.take(8));
        break;
      case kLengthDelimited:
        consume(tag >> 3U, cursor.take(take_varint(cursor, where)));
        break;
      case kFourBytes:
        static_cast<void>(cursor.take(4));
        break;
      default:
        throw bad_input("{}: is no SentencePiece model: there is no kind {} of fields", where, tag & 7U);
    }
  }
}

/// A unit of the trie; its fields as Darts-clone lays them out.
struct Unit {
  std::uint32_t bits = 0;
  [[nodiscard]] bool is_leaf() const { return (bits >> 31U) != 0; }
  [[nodiscard]] bool has_leaf() const { return ((bits >> 8U) & 1U) != 0; }
  [[nodiscard]] std::size_t value() const { return bits & 0x7FFFFFFFU; }
  /// Combined with the unit's own place by exclusive or: its leaf, and with a byte as well its child of that byte.
  [[nodiscard]] std::size_t offset() const { return (bits >> 10U) << ((bits & (1U << 9U)) >> 6U); }
};

void check_character_map(Bytes map, std::string_view where) {
  if (map.empty()) return;
  const auto broken = [&](std::string_view what) {
    return bad_input("{}: is a damaged SentencePiece model: the table of character replacements {}", where, what);
  };
  ByteCursor cursor(map, where);
  const auto trie_bytes = cursor.take_number<std::uint32_t>();
  if (trie_bytes == 0 || trie_bytes % sizeof(std::uint32_t) != 0) throw broken("has a trie of impossible size");
  ByteCursor trie(cursor.take(trie_bytes), where);
  const Bytes texts = cursor.take(cursor.remaining());
  if (texts.empty() || texts.back() != std::byte{0}) throw broken("does not end");
  std::vector<Unit> units(trie_bytes / sizeof(std::uint32_t));
  for (Unit& unit : units) unit.bits = trie.take_number<std::uint32_t>();
  for (std::size_t place = 0; place < units.size(); ++place) {
    const Unit unit = units[place];
    // A search passes over leaves, which look like no byte, but begins at the root whatever that is.
    if (place > 0 && unit.is_leaf()) continue;
    const std::size_t target = place ^ unit.offset();
    if ((target | 0xFFU) >= units.size()) throw broken("points out of its trie");
    if (unit.has_leaf() && units[target].value() >= texts.size()) throw broken("points out of its texts");
  }
}

}  // namespace

void check_sentencepiece_model(std::span<const std::byte> model, std::string_view where) {
  for_each_field(model, where, [&](std::uint64_t field, Bytes settings) {
    if (field != kNormaliser && field != kDenormaliser) return;
    for_each_field(settings, where, [&](std::uint64_t inner, Bytes content) {
      if (inner == kCharacterMap) check_character_map(content, where);
    });
  });
}

}  // namespace kvscope
