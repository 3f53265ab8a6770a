// Feeds arbitrary bytes to the reader of the index of a checkpoint in several files.

#include "collectors/base/error.h"
#include "collectors/checkpoint/checkpoint_index.h"
#include "fuzz/check_tensors.h"

#include <cstdint>
#include <string_view>

using namespace kvscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(is_checkpoint_index(text));
  try {
    const CheckpointIndex index = read_checkpoint_index(text, "input");
    fuzzing::demand(!index.empty());
    for (const auto& [file, tensors] : index) {
      const std::filesystem::path path(file);
      fuzzing::demand(is_plain_text(file) && path.filename() == path && file != ".." && file != "." &&
                      !tensors.empty());
      for (const auto& tensor : tensors) fuzzing::demand(is_plain_text(tensor) && !tensor.empty());
    }
  } catch (const Error& failure) {
    fuzzing::check_message(failure.what());
  }
  return 0;
}
