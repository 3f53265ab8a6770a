#pragma once

#include "collectors/checkpoint/byte_cursor.h"
#include "collectors/checkpoint/pickle_value.h"
#include "collectors/checkpoint/unpickler.h"

#include <cstddef>
#include <deque>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kvscope {

/// The stack machine behind read_pickled_tensors (PEP 307, PEP 3154; opcode names as in Python's pickletools).
/// Keeps all values; they live as long as the machine and the pickle's bytes.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> pickle, std::string_view where);

  /// Runs to the STOP opcode. @return what the pickle describes.
  const PickleValue& run();

  /// The tensor of a value of kind kTensor; its name is empty.
  [[nodiscard]] const PickledTensor& tensor(const PickleValue& value) const {
    return tensors_[static_cast<std::size_t>(value.integer)];
  }

 private:
  using Kind = PickleValue::Kind;
  using Values = std::vector<const PickleValue*>;

  /// Executes one opcode, group by group; false if the group does not know it.
  bool run_plain_value(unsigned opcode);
  bool run_container(unsigned opcode);
  bool run_memo(unsigned opcode);
  bool run_object(unsigned opcode);

  PickleValue& make(Kind kind);
  void push(PickleValue& value);
  PickleValue& pop();
  PickleValue& top();
  PickleValue& top_of_kind(Kind kind, std::string_view what);
  /// The values above the last mark, which goes away with them.
  Values pop_to_mark();
  void push_integer(std::int64_t integer);
  void push_text(std::uint64_t bytes);
  void push_tuple(std::size_t items);
  void remember(std::uint64_t key);
  void recall(std::uint64_t key);

  void add_items(const Values& items);
  void append_items(const Values& items);
  void push_global(std::string_view module, std::string_view name);
  void push_storage();
  void reduce();
  PickleValue& rebuild_dictionary(const PickleValue& arguments);
  PickleValue& rebuild_tensor(const PickleValue& arguments);
  [[nodiscard]] Shape integers(const PickleValue& tuple, std::string_view what) const;

  /// "WHERE: at byte N"
  [[nodiscard]] std::string place() const;

  std::string_view where_;
  ByteCursor cursor_;
  std::deque<PickleValue> values_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
  std::vector<PickledTensor> tensors_;
  std::size_t copied_items_ = 0;
};

}  // namespace kvscope
