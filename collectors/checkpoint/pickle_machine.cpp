#include "collectors/checkpoint/pickle_machine.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/tensor_name.h"

#include <utility>

namespace kvscope {
namespace {

/// A checkpoint of 3,000 tensors has 100,000 values in half a megabyte.
constexpr std::size_t kLargestPickle = std::size_t{32} << 20;
constexpr std::size_t kMostValues = std::size_t{1} << 20;

enum Opcode : unsigned {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistentId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8A,
  kShortBinUnicode = 0x8C,
  kBinUnicode8 = 0x8D,
  kEmptySet = 0x8F,
  kAddItems = 0x90,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

}  // namespace

PickleMachine::PickleMachine(std::span<const std::byte> pickle, std::string_view where)
    : where_(where), cursor_(pickle, where) {
  if (pickle.size() > kLargestPickle) {
    throw bad_input("{}: {} bytes; a description of tensors has at most {}", where, pickle.size(), kLargestPickle);
  }
}

std::string PickleMachine::place() const {
  return fmt::format("{}: before byte {}", where_, cursor_.position());
}

const PickleValue& PickleMachine::run() {
  if (cursor_.take_number<std::uint8_t>() != kProtocol) throw bad_input("{}: not a pickle of protocol 2 to 5", where_);
  const unsigned protocol = cursor_.take_number<std::uint8_t>();
  if (protocol < 2 || protocol > 5) throw bad_input("{}: pickle protocol {}, expected 2 to 5", where_, protocol);
  while (true) {
    const unsigned opcode = cursor_.take_number<std::uint8_t>();
    if (opcode == kStop) return pop();
    if (!run_plain_value(opcode) && !run_container(opcode) && !run_memo(opcode) && !run_object(opcode)) {
      throw bad_input("{}: pickle opcode 0x{:02X} is not among those that describe tensors", place(), opcode);
    }
  }
}

bool PickleMachine::run_plain_value(unsigned opcode) {
  switch (opcode) {
    case kNone:
    case kNewTrue:
    case kNewFalse:
      push(make(Kind::kOther));
      return true;
    case kBinFloat:
      cursor_.take(8);
      push(make(Kind::kOther));
      return true;
    case kBinInt:
      push_integer(static_cast<std::int32_t>(cursor_.take_number<std::uint32_t>()));
      return true;
    case kBinInt1:
      push_integer(cursor_.take_number<std::uint8_t>());
      return true;
    case kBinInt2:
      push_integer(cursor_.take_number<std::uint16_t>());
      return true;
    case kLong1: {
      const auto bytes = cursor_.take(cursor_.take_number<std::uint8_t>());
      if (bytes.size() > 8) {
        push(make(Kind::kOther));
        return true;
      }
      // Two's complement of any length: the top bit of the last byte fills what is missing.
      std::uint64_t number = bytes.empty() || std::to_integer<unsigned>(bytes.back()) < 0x80U ? 0 : ~std::uint64_t{0};
      for (std::size_t i = bytes.size(); i-- > 0;) number = (number << 8) | std::to_integer<std::uint64_t>(bytes[i]);
      push_integer(static_cast<std::int64_t>(number));
      return true;
    }
    case kShortBinUnicode:
    case kShortBinString:
    case kShortBinBytes:
      push_text(cursor_.take_number<std::uint8_t>());
      return true;
    case kBinUnicode:
    case kBinString:
    case kBinBytes:
      push_text(cursor_.take_number<std::uint32_t>());
      return true;
    case kBinUnicode8:
      push_text(cursor_.take_number<std::uint64_t>());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_container(unsigned opcode) {
  switch (opcode) {
    case kMark:
      if (marks_.size() >= kMostValues) throw bad_input("{}: too many marks", place());
      marks_.push_back(stack_.size());
      return true;
    case kPop:
      pop();
      return true;
    case kPopMark:
      pop_to_mark();
      return true;
    case kEmptyTuple:
      push_tuple(0);
      return true;
    case kTuple1:
    case kTuple2:
    case kTuple3:
      push_tuple(opcode - kTuple1 + 1);
      return true;
    case kTuple: {
      auto items = pop_to_mark();
      PickleValue& tuple = make(Kind::kTuple);
      tuple.items = std::move(items);
      push(tuple);
      return true;
    }
    case kEmptyList:
    case kEmptySet:
      push(make(Kind::kList));
      return true;
    case kEmptyDict:
      push(make(Kind::kDictionary));
      return true;
    case kAppend:
      append_items({&pop()});
      return true;
    case kAppends:
    case kAddItems:
      append_items(pop_to_mark());
      return true;
    case kSetItem: {
      const PickleValue& value = pop();
      add_items({&pop(), &value});
      return true;
    }
    case kSetItems:
      add_items(pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_memo(unsigned opcode) {
  switch (opcode) {
    case kBinPut:
      remember(cursor_.take_number<std::uint8_t>());
      return true;
    case kLongBinPut:
      remember(cursor_.take_number<std::uint32_t>());
      return true;
    case kMemoize:
      remember(memo_.size());
      return true;
    case kBinGet:
      recall(cursor_.take_number<std::uint8_t>());
      return true;
    case kLongBinGet:
      recall(cursor_.take_number<std::uint32_t>());
      return true;
    case kFrame:
      cursor_.take_number<std::uint64_t>();  // only a hint for reading ahead
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_object(unsigned opcode) {
  switch (opcode) {
    case kGlobal: {
      const auto module = cursor_.take_line();
      push_global(module, cursor_.take_line());
      return true;
    }
    case kStackGlobal: {
      const auto name = top_of_kind(Kind::kText, "the name of a global").text;
      pop();
      const auto module = top_of_kind(Kind::kText, "the module of a global").text;
      pop();
      push_global(module, name);
      return true;
    }
    case kBinPersistentId:
      push_storage();
      return true;
    case kReduce:
      reduce();
      return true;
    case kBuild:
      // The state of an OrderedDict (module versions) or of a tensor (Python attributes): nothing for us.
      pop();
      if (top().kind != Kind::kDictionary && top().kind != Kind::kTensor) {
        throw bad_input("{}: a state is set on what is neither dictionary nor tensor", place());
      }
      return true;
    default:
      return false;
  }
}

PickleValue& PickleMachine::make(Kind kind) {
  if (values_.size() >= kMostValues) throw bad_input("{}: more than {} values", place(), kMostValues);
  values_.emplace_back().kind = kind;
  return values_.back();
}

void PickleMachine::push(PickleValue& value) {
  if (stack_.size() >= kMostValues) throw bad_input("{}: more than {} values on the stack", place(), kMostValues);
  stack_.push_back(&value);
}

PickleValue& PickleMachine::pop() {
  PickleValue& value = top();
  stack_.pop_back();
  return value;
}

PickleValue& PickleMachine::top() {
  // What lies below a mark belongs to somebody else.
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) throw bad_input("{}: the stack is empty", place());
  return *stack_.back();
}

PickleValue& PickleMachine::top_of_kind(Kind kind, std::string_view what) {
  PickleValue& value = top();
  if (value.kind != kind) throw bad_input("{}: expected {}", place(), what);
  return value;
}

PickleMachine::Values PickleMachine::pop_to_mark() {
  if (marks_.empty()) throw bad_input("{}: no mark on the stack", place());
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  Values items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::push_integer(std::int64_t integer) {
  PickleValue& value = make(Kind::kInteger);
  value.integer = integer;
  push(value);
}

void PickleMachine::push_text(std::uint64_t bytes) {
  const auto text = cursor_.take_text(bytes);
  PickleValue& value = make(Kind::kText);
  value.text = text;
  push(value);
}

void PickleMachine::push_tuple(std::size_t items) {
  PickleValue& tuple = make(Kind::kTuple);
  tuple.items.resize(items);
  for (std::size_t i = items; i-- > 0;) tuple.items[i] = &pop();
  push(tuple);
}

void PickleMachine::remember(std::uint64_t key) {
  if (memo_.size() >= kMostValues) throw bad_input("{}: more than {} values remembered", place(), kMostValues);
  memo_[key] = &top();
}

void PickleMachine::recall(std::uint64_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) throw bad_input("{}: nothing was remembered as {}", place(), key);
  push(*found->second);
}

void PickleMachine::append_items(const Values& items) {
  PickleValue& list = top_of_kind(Kind::kList, "a list to append to");
  list.items.insert(list.items.end(), items.begin(), items.end());
}

void PickleMachine::add_items(const Values& items) {
  PickleValue& dictionary = top_of_kind(Kind::kDictionary, "a dictionary to add to");
  if (items.size() % 2 != 0) throw bad_input("{}: a dictionary entry has no value", place());
  dictionary.items.insert(dictionary.items.end(), items.begin(), items.end());
}

}  // namespace kvscope
