#include "collectors/checkpoint/unpickler.h"

#include "support/checkpoint_files.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace kvscope;
using testing::bytes_of;
using testing::check_error;
using testing::Pickle;

namespace {

std::vector<PickledTensor> read(const std::string& pickle) {
  return read_pickled_tensors(bytes_of(pickle), "m.pth: data.pkl");
}

template <typename... Words>
void check_refused(const std::string& pickle, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { static_cast<void>(read(pickle)); }, "m.pth: data.pkl", words...);
}

Pickle& add_tensor(Pickle& pickle) {
  return pickle.tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1});
}

/// {"x": VALUE} where the opcodes put VALUE.
template <typename Put>
std::string dictionary_with(Put put) {
  Pickle pickle;
  pickle.op("}").text("x");
  put(pickle);
  return pickle.op("s").stop();
}

}  // namespace

TEST_SUITE("collectors.checkpoint.unpickler") {
  TEST_CASE("tensors and parameters are described as they are written") {
    Pickle pickle;
    pickle.global("collections", "OrderedDict").op(")R(").text("a");
    pickle.tensor("BFloat16Storage", "key", 24, 5, {2, 3}, {1, 4});
    pickle.text("b").global("torch._utils", "_rebuild_parameter").op("(");
    pickle.tensor("LongStorage", "7", 1, 0, {}, {}).op("\x88}tRu");
    const auto tensors = read(pickle.stop());
    REQUIRE(tensors.size() == 2);
    CHECK(tensors[0].name == "a");
    CHECK(tensors[0].type == ElementType::kBFloat16);
    CHECK(tensors[0].storage == "key");
    CHECK(tensors[0].storage_elements == 24);
    CHECK(tensors[0].offset == 5);
    CHECK(tensors[0].shape == Shape{2, 3});
    CHECK(tensors[0].strides == Shape{1, 4});
    CHECK(tensors[1].name == "b");
    CHECK(tensors[1].type == ElementType::kInt64);
    CHECK(tensors[1].shape.empty());
  }

  TEST_CASE("values that are no tensors are passed over") {
    Pickle pickle;
    pickle.op("}(")
        .text("none")
        .op("N")
        .text("flags")
        .op("(\x88\x89t")
        .text("rate")
        .op(std::string("G\0\0\0\0\0\0\0\0", 9));
    pickle.text("list")
        .op("](K\x01M\x01\x02")
        .integer(-1)
        .op("e")
        .text("size")
        .global("torch", "Size")
        .op("(")
        .tuple({1, 2})
        .op("tR");
    pickle.text("big").op("\x8A\x09").op("123456789").text("bytes").op("C\x02zz").text("short").op("\x8C\x02zz");
    pickle.text("x");
    add_tensor(pickle).op("u");
    // The state of an OrderedDict: {"_metadata": {}}.
    pickle.op("}").text("_metadata").op("}sb");
    const auto tensors = read(pickle.stop());
    REQUIRE(tensors.size() == 1);
    CHECK(tensors[0].name == "x");
  }

  TEST_CASE("newer protocols are read with frames and memo and stack globals") {
    Pickle pickle(4);
    pickle.op(std::string("\x95\xFF\0\0\0\0\0\0\0", 9))
        .op("\x8C\x0B"
            "collections\x94\x8C\x0BOrderedDict\x94\x93\x94)R\x94(");
    pickle.op("\x8C\x01x\x94");
    add_tensor(pickle).op("\x94\x8C\x01y\x94h\x05u");
    const auto tensors = read(pickle.stop());
    REQUIRE(tensors.size() == 2);
    CHECK(tensors[0].name == "x");
    CHECK(tensors[1].name == "y");
    CHECK(tensors[1].shape == Shape{2, 3});
  }

  TEST_CASE("memo entries are put and recalled by number") {
    Pickle pickle;
    pickle.op("}(").text("a");
    add_tensor(pickle).op("q\x05").text("b").op("h\x05").text("c").op(std::string("j\x05\0\0\0", 5)).op("u");
    CHECK(read(pickle.stop()).size() == 3);
    check_refused(dictionary_with([](Pickle& p) { p.op("h\x09"); }), "nothing was remembered as 9");
  }

  TEST_CASE("an ordered dictionary may be made of pairs") {
    Pickle pickle;
    pickle.global("collections", "OrderedDict").op("(](").text("k");
    add_tensor(pickle).op(
        "\x86"
        "etR");
    const auto tensors = read(pickle.stop());
    REQUIRE(tensors.size() == 1);
    CHECK(tensors[0].name == "k");
  }

  TEST_CASE("every other global is refused by name and nothing is executed") {
    const auto mark = std::filesystem::temp_directory_path() / "kvscope-was-executed";
    const auto attack = [&](const char* module, const char* name) {
      check_refused(
          dictionary_with([&](Pickle& p) { p.global(module, name).op("(").text("touch " + mark.string()).op("tR"); }),
          std::string(module) + "." + name, "refused");
    };
    attack("os", "system");
    attack("posix", "system");
    attack("builtins", "eval");
    attack("builtins", "getattr");
    attack("subprocess", "Popen");
    attack("torch", "load");
    attack("torch.jit", "load");
    attack("numpy.core.multiarray", "_reconstruct");
    attack("torch", "QInt8Storage");
    attack("torch._utils", "_rebuild_tensor_v3");
    attack("torch._utils", "OrderedDict");
    CHECK_FALSE(std::filesystem::exists(mark));
    // The same through STACK_GLOBAL.
    check_refused(dictionary_with([](Pickle& p) { p.text("os").text("system").op("\x93"); }), "os.system");
  }

  TEST_CASE("opcodes that make objects or call what is on the stack are refused") {
    for (const char opcode : {'i', 'o', '\x81', '\x92', '\x82', 'P', 'I', 'S', 'V', '2', '\x98'}) {
      CAPTURE(static_cast<int>(opcode));
      check_refused(dictionary_with([&](Pickle& p) { p.op(std::string(1, opcode)); }), "opcode 0x");
    }
    check_refused(dictionary_with([](Pickle& p) { p.text("print").op(")R"); }), "expected one of the known globals");
    check_refused(dictionary_with([](Pickle& p) { p.global("torch", "FloatStorage").op(")R"); }), "storage inside");
  }

  TEST_CASE("a pickle cut anywhere is refused") {
    const std::string whole = dictionary_with([](Pickle& p) { add_tensor(p); });
    REQUIRE(read(whole).size() == 1);
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
      CAPTURE(kept);
      check_refused(whole.substr(0, kept));
    }
  }

  TEST_CASE("stack errors are errors and not accesses") {
    for (const auto* opcodes :
         {"",     "0",    "a",  "s",  "u",  "e",  "t",  "1",    "R",    "Q",    "b",  "q\x01",   "\x94",
          "\x85", "\x87", "(s", "(0", "(b", "}a", "]s", "](Nu", "}(Nu", "N(t1", ")Q", "(NNNNNtQ"}) {
      CAPTURE(opcodes);
      check_refused(Pickle().op(opcodes).stop());
    }
  }

  TEST_CASE("protocols and roots that describe no tensors are refused") {
    check_refused(Pickle(1).op("}").stop(), "protocol 1");
    check_refused(Pickle(6).op("}").stop(), "protocol 6");
    check_refused("(dp0\n.", "not a pickle");
    check_refused(Pickle().op("}").stop(), "no tensors");
    check_refused(Pickle().op("N").stop(), "dictionary");
    Pickle bare;
    check_refused(add_tensor(bare).stop(), "dictionary");
  }

  TEST_CASE("malformed tensors are refused") {
    const auto rebuild = [](const char* arguments) {
      return dictionary_with([&](Pickle& p) { p.global("torch._utils", "_rebuild_tensor_v2").op(arguments).op("R"); });
    };
    check_refused(rebuild(")"), "without storage");
    check_refused(rebuild("(NK\x01))t"), "without storage");
    check_refused(
        dictionary_with([](Pickle& p) {
          p.global("torch._utils", "_rebuild_tensor_v2").op("(").storage("FloatStorage", "0", 1).op("K\x01N)tR");
        }),
        "shape");
    check_refused(
        dictionary_with([](Pickle& p) {
          p.global("torch._utils", "_rebuild_tensor_v2").op("(").storage("FloatStorage", "0", 1).op("K\x01)N\x85tR");
        }),
        "strides");
    check_refused(dictionary_with([](Pickle& p) {
                    p.tensor("FloatStorage", "0", 1, 0, std::vector<std::int64_t>(65, 1),
                             std::vector<std::int64_t>(65, 1));
                  }),
                  "65 axes");
    check_refused(dictionary_with([](Pickle& p) { p.global("torch._utils", "_rebuild_parameter").op(")R"); }),
                  "parameter");
  }

  TEST_CASE("names that would break messages or files are refused") {
    const auto named = [](const std::string& name) {
      Pickle pickle;
      pickle.op("}").text(name);
      return add_tensor(pickle).op("s").stop();
    };
    check_refused(named("two\nlines"), "two?lines");
    check_refused(named(""), "no name");
    check_refused(named(std::string(600, 'n')), "no name");
    check_refused(named("\xFF"), "no name");
  }

  TEST_CASE("a dictionary inside itself and bottomless nesting are refused") {
    check_refused(Pickle().op("}q\x01").text("me").op("h\x01s").stop(), "nested deeper");
    Pickle deep;
    for (int i = 0; i < 100; ++i) deep.op("}").text("k");
    add_tensor(deep);
    for (int i = 0; i < 100; ++i) deep.op("s");
    check_refused(deep.stop(), "nested deeper");
  }

  TEST_CASE("a few bytes cannot stand for billions of values") {
    // Fifty lists, each holding the one before twice: 2^50 ways to what the first one holds.
    const auto laughs = [](const auto& put) {
      Pickle pickle;
      pickle.op("}").text("x").op("]");
      put(pickle);
      pickle.op("a");
      for (int i = 0; i < 50; ++i)
        pickle.op(
            "q\x01"
            "0]h\x01"
            "ah\x01"
            "a");
      return pickle.op("s").stop();
    };
    check_refused(laughs([](Pickle& pickle) { pickle.op("N"); }), "too often");
    check_refused(laughs([](Pickle& pickle) { add_tensor(pickle); }), "more than 131072 tensors");

    // One list of 200,000 pairs made into a dictionary again and again.
    Pickle pairs;
    pairs.op("](NN\x86q\x01");
    std::string gets;
    for (int i = 0; i < 200000; ++i) gets += "h\x01";
    pairs.op(gets).op("e\x85q\x02").global("collections", "OrderedDict").op("q\x03");
    for (int i = 0; i < 100; ++i) pairs.op("h\x03h\x02R");
    check_refused(pairs.stop(), "too many pairs");

    // A list of 100,000 plain values, held 100,000 times.
    Pickle wide;
    wide.op("](").op(std::string(100000, 'N')).op("eq\x01]q\x02(");
    std::string again;
    for (int i = 0; i < 100000; ++i) again += "h\x01";
    wide.op(again).op("e}").text("x").op("h\x02s");
    check_refused(wide.stop(), "too often");
  }

  TEST_CASE("more values than any checkpoint has are refused") {
    check_refused(Pickle().op("(").op(std::string((1 << 20) + 1, 'N')).stop(), "values");
    check_refused(Pickle().op(std::string((1 << 20) + 1, '(')).stop(), "marks");
    check_refused(Pickle().op("N").op(std::string((1 << 20) + 1, '\x94')).stop(), "remembered");
    check_refused(Pickle().op(std::string(33 << 20, 'N')).stop(), "at most");
  }
}
