#pragma once

#include "collectors/hdf5/hdf5_file.h"
#include "collectors/hdf5/hdf5_handle.h"

// Inside of collectors/hdf5 only: what the parts of Hdf5File share.
namespace kvscope {

struct Hdf5File::Implementation {
  std::filesystem::path path;
  hdf5::Handle file;
  bool writable = false;

  ~Implementation();

  /// The file's identifier. Throws kUsage after close().
  [[nodiscard]] hid_t id() const;
  [[nodiscard]] hdf5::Subject reading(std::string_view object) const { return {path, object, ErrorCode::kBadInput}; }
  [[nodiscard]] hdf5::Subject writing(std::string_view object) const { return {path, object, ErrorCode::kEnvironment}; }
  [[nodiscard]] hdf5::Handle open_dataset(std::string_view dataset, const hdf5::Subject& subject) const;
  [[nodiscard]] hdf5::Handle open_object(std::string_view object, const hdf5::Subject& subject) const;
};

}  // namespace kvscope
