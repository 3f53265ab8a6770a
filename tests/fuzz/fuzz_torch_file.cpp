// Feeds arbitrary bytes to the reader of torch.save files: zip directory, unpickler, storages.

#include "collectors/base/error.h"
#include "collectors/checkpoint/torch_file.h"
#include "fuzz/check_tensors.h"

#include <cstdint>

using namespace kvscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  try {
    fuzzing::check_tensors(read_torch_file(file, "input"), file);
    check_torch_checksums(file, "input");
  } catch (const Error& failure) {
    fuzzing::check_message(failure.what());
  }
  return 0;
}
