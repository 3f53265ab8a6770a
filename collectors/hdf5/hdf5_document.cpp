#include "collectors/hdf5/hdf5_document.h"

#include "collectors/base/file.h"

#include <system_error>

namespace kvscope {

void replace_hdf5_file(const std::filesystem::path& path, const std::function<void(Hdf5File&)>& write) {
  const std::filesystem::path partial = partial_path(path);
  std::error_code failure;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failure);
  try {
    Hdf5File file = Hdf5File::create(partial);
    write(file);
    file.close();
  } catch (...) {
    std::filesystem::remove(partial, failure);
    throw;
  }
  std::filesystem::rename(partial, path, failure);
  if (failure) throw environment_error("{}: cannot be replaced: {}", path.string(), failure.message());
}

void check_hdf5_format(const Hdf5File& file, std::string_view format, int version) {
  const std::string name = file.path().string();
  if (!file.has_attribute("/", "format")) {
    throw bad_input("{}: is no {} file: attribute 'format' is missing", name, format);
  }
  const std::string found = file.text_attribute("/", "format");
  if (found != format) throw bad_input("{}: format is {}, expected '{}'", name, in_quotes(found), format);
  const std::int64_t found_version = file.integer_attribute("/", "version");
  if (found_version != version) {
    throw bad_input("{}: version {} of format '{}' is not supported, expected {}", name, found_version, format,
                    version);
  }
}

Json json_attribute(const Hdf5File& file, std::string_view name) {
  return parse_json(file.text_attribute("/", name), fmt::format("{}: attribute '{}'", file.path().string(), name));
}

}  // namespace kvscope
