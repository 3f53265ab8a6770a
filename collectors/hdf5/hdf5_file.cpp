#include "collectors/hdf5/hdf5_file.h"

#include "collectors/hdf5/hdf5_implementation.h"

#include <system_error>

namespace kvscope {
namespace {

namespace fs = std::filesystem;
using hdf5::check;
using hdf5::checked_handle;
using hdf5::Handle;
using hdf5::Subject;

/// Access properties: file format of HDF5 1.8 on (checksummed metadata, attributes of any size), readable by
/// every current tool; file systems without locks are fine.
Handle access_properties(const Subject& subject) {
  Handle access = checked_handle(H5Pcreate(H5P_FILE_ACCESS), subject, "open");
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_LATEST), subject, "open");
#if H5_VERSION_GE(1, 10, 7)
  check(H5Pset_file_locking(access.get(), true, true), subject, "open");
#endif
  return access;
}

Handle open_file(const fs::path& path, unsigned mode, ErrorCode code) {
  hdf5::silence();
  const Subject subject{path, "", code};
  const Handle access = access_properties(subject);
  return checked_handle(H5Fopen(path.c_str(), mode, access.get()), subject, "open");
}

/// "a/b/c" of "/a/b/c/": how objects are named to HDF5; "/" for the root.
std::string absolute(std::string_view object) {
  const auto begin = object.find_first_not_of('/');
  if (begin == std::string_view::npos) return "/";
  const auto end = object.find_last_not_of('/');
  return fmt::format("/{}", object.substr(begin, end + 1 - begin));
}

}  // namespace

Hdf5File::Implementation::~Implementation() {
  // A failure can't be reported from here; close() is for that.
  if (file.valid()) H5Fclose(file.release());
}

hid_t Hdf5File::Implementation::id() const {
  if (!file.valid()) throw usage_error("{}: the file is already closed", path.string());
  return file.get();
}

Handle Hdf5File::Implementation::open_dataset(std::string_view dataset, const Subject& subject) const {
  return checked_handle(H5Dopen2(id(), absolute(dataset).c_str(), H5P_DEFAULT), subject, "open the dataset");
}

Handle Hdf5File::Implementation::open_object(std::string_view object, const Subject& subject) const {
  return checked_handle(H5Oopen(id(), absolute(object).c_str(), H5P_DEFAULT), subject, "open");
}

Hdf5File::Hdf5File(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;
Hdf5File& Hdf5File::operator=(Hdf5File&&) noexcept = default;

Hdf5File Hdf5File::open(const fs::path& path) {
  auto implementation = std::make_unique<Implementation>();
  implementation->path = path;
  implementation->file = open_file(path, H5F_ACC_RDONLY, ErrorCode::kBadInput);
  return Hdf5File(std::move(implementation));
}

Hdf5File Hdf5File::open_for_writing(const fs::path& path) {
  auto implementation = std::make_unique<Implementation>();
  implementation->path = path;
  implementation->file = open_file(path, H5F_ACC_RDWR, ErrorCode::kBadInput);
  implementation->writable = true;
  return Hdf5File(std::move(implementation));
}

Hdf5File Hdf5File::create(const fs::path& path) {
  hdf5::silence();
  std::error_code ignored;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), ignored);
  const Subject subject{path, "", ErrorCode::kEnvironment};
  const Handle access = access_properties(subject);
  auto implementation = std::make_unique<Implementation>();
  implementation->path = path;
  implementation->file =
      checked_handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), subject, "create");
  implementation->writable = true;
  return Hdf5File(std::move(implementation));
}

const fs::path& Hdf5File::path() const noexcept {
  return implementation_->path;
}

bool Hdf5File::has(std::string_view object) const {
  const std::string name = absolute(object);
  if (name == "/") return true;
  const Subject subject = implementation_->reading(object);
  // HDF5 answers only for the last link of a path, so every one is asked for in turn.
  for (std::size_t end = name.find('/', 1); true; end = name.find('/', end + 1)) {
    const std::string prefix = name.substr(0, end);
    const htri_t exists = H5Lexists(implementation_->id(), prefix.c_str(), H5P_DEFAULT);
    // A dataset amid the path makes the question itself fail: nothing is below it.
    if (exists < 0) H5Eclear2(H5E_DEFAULT);
    if (exists <= 0) return false;
    if (end == std::string::npos) break;
  }
  return check(H5Oexists_by_name(implementation_->id(), name.c_str(), H5P_DEFAULT), subject, "look up") > 0;
}

std::vector<std::string> Hdf5File::children(std::string_view group) const {
  const Subject subject = implementation_->reading(group);
  const Handle opened =
      checked_handle(H5Gopen2(implementation_->id(), absolute(group).c_str(), H5P_DEFAULT), subject, "open the group");
  H5G_info_t info{};
  check(H5Gget_info(opened.get(), &info), subject, "list");
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto name_of = [&](char* text, std::size_t size) {
      return check(H5Lget_name_by_idx(opened.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, text, size, H5P_DEFAULT),
                   subject, "list");
    };
    std::string name(static_cast<std::size_t>(name_of(nullptr, 0)), '\0');
    name_of(name.data(), name.size() + 1);
    names.push_back(std::move(name));
  }
  return names;
}

bool Hdf5File::is_dataset(std::string_view object) const {
  if (!has(object)) return false;
  const Handle opened = implementation_->open_object(object, implementation_->reading(object));
  return H5Iget_type(opened.get()) == H5I_DATASET;
}

void Hdf5File::make_group(std::string_view group) {
  if (has(group)) return;
  const Subject subject = implementation_->writing(group);
  const Handle links = checked_handle(H5Pcreate(H5P_LINK_CREATE), subject, "make the group");
  check(H5Pset_create_intermediate_group(links.get(), 1), subject, "make the group");
  static_cast<void>(
      checked_handle(H5Gcreate2(implementation_->id(), absolute(group).c_str(), links.get(), H5P_DEFAULT, H5P_DEFAULT),
                     subject, "make the group"));
}

void Hdf5File::remove(std::string_view object) {
  check(H5Ldelete(implementation_->id(), absolute(object).c_str(), H5P_DEFAULT), implementation_->writing(object),
        "remove");
}

void Hdf5File::flush() {
  check(H5Fflush(implementation_->id(), H5F_SCOPE_GLOBAL), implementation_->writing(""), "write");
}

void Hdf5File::close() {
  if (!implementation_->file.valid()) return;
  if (implementation_->writable) flush();
  check(H5Fclose(implementation_->file.release()), implementation_->writing(""), "close");
}

}  // namespace kvscope
