// Feeds arbitrary bytes to the restricted unpickler, without the zip archive around them.

#include "collectors/base/error.h"
#include "collectors/checkpoint/unpickler.h"
#include "fuzz/check_tensors.h"

#include <cstdint>

using namespace kvscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    for (const PickledTensor& tensor : read_pickled_tensors(std::as_bytes(std::span(data, size)), "input")) {
      fuzzing::demand(is_plain_text(tensor.name) && tensor.shape.size() <= 64 && tensor.strides.size() <= 64);
    }
  } catch (const Error& failure) {
    fuzzing::check_message(failure.what());
  }
  return 0;
}
