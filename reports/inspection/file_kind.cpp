#include "reports/inspection/file_kind.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "collectors/checkpoint/safetensors_file.h"
#include "collectors/checkpoint/tensor_name.h"
#include "collectors/hdf5/hdf5_file.h"

#include <algorithm>
#include <array>

namespace kvscope {
namespace {

struct KindRow {
  FileKind kind;
  std::string_view name;
  std::string_view format;  ///< what a file of this kind calls itself
};

// In the order of the enumerators.
constexpr std::array kRows = {
    KindRow{FileKind::kCheckpoint, "checkpoint", ""},
    KindRow{FileKind::kCapture, "capture", "kvscope-capture"},
    KindRow{FileKind::kScores, "scores", "kvscope-scores"},
    KindRow{FileKind::kHeads, "head classification", "kvscope-heads"},
    KindRow{FileKind::kPlan, "plan", "kvscope-plan"},
    KindRow{FileKind::kReplay, "replay", "kvscope-replay"},
    KindRow{FileKind::kProfile, "profile", "kvscope-profile"},
    KindRow{FileKind::kCompare, "comparison", "kvscope-compare"},
};

FileKind kind_of_format(std::string_view format, std::string_view where) {
  const auto row = std::find_if(kRows.begin() + 1, kRows.end(), [&](const KindRow& r) { return r.format == format; });
  if (row == kRows.end()) throw bad_input("{}: format '{}' is none that kvscope knows", where, printable(format));
  return row->kind;
}

bool begins_as_hdf5(std::string_view text) {
  return text.substr(0, 4) == "\x89HDF";
}

std::string format_of_hdf5(const std::filesystem::path& path) {
  const auto file = Hdf5File::open(path);
  if (!file.has_attribute("/", "format")) {
    throw bad_input("{}: an HDF5 file without the attribute 'format': none of kvscope's", path.string());
  }
  return file.text_attribute("/", "format");
}

}  // namespace

std::string_view file_kind_name(FileKind kind) noexcept {
  return kRows[static_cast<std::size_t>(kind)].name;
}

bool is_hdf5(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return begins_as_hdf5({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

FileKind file_kind(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string where = path.string();
  if (begins_as_hdf5(text)) return kind_of_format(format_of_hdf5(path), where);
  const auto first = text.find_first_not_of(" \t\r\n");
  // A safetensors file begins with eight bytes of length, of which the first may look like a brace.
  if (first != std::string_view::npos && text[first] == '{' && !is_safetensors(bytes)) {
    return kind_of_format(json_field<std::string>(parse_json(text, where), "format", where), where);
  }
  return FileKind::kCheckpoint;
}

}  // namespace kvscope
