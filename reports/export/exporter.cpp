#include "reports/export/exporter.h"

#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "reports/export/npy.h"
#include "reports/export/pdf.h"
#include "reports/pictures/png.h"
#include "reports/pictures/rasterize.h"
#include "reports/pictures/svg.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>
#include <set>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "kvscope-export";
constexpr int kVersion = 1;
constexpr const char* kProgram = "kvscope " KVSCOPE_VERSION;

/// Charts are drawn with two pixels a unit, as sharp screens show them.
constexpr double kPixelsPerUnit = 2.0;

std::string png_of(const ExportContent& content) {
  if (content.pixels) {
    return std::visit([&](const auto& image) { return png_bytes(image, content.colors_in_words); }, content.pixels());
  }
  return png_bytes(rasterized(content.drawing(), kPixelsPerUnit));
}

std::string npy_of(const ExportContent& content) {
  if (!content.arrays) return npy_bytes(content.table());
  const std::vector<NamedArray> arrays = content.arrays();
  return npy_bytes(arrays.front());
}

std::string bytes_of(const ExportContent& content, ExportFormat format) {
  switch (format) {
    case ExportFormat::kSvg:
      return svg_file(content.drawing());
    case ExportFormat::kPng:
      return png_of(content);
    case ExportFormat::kPdf:
      return pdf_from_svg(svg_file(with_large_pixels(content.drawing())));
    case ExportFormat::kCsv:
      return content.csv ? content.csv() : csv_text(content.table());
    case ExportFormat::kNpy:
      return npy_of(content);
    case ExportFormat::kNpz:
      break;
  }
  return npz_bytes(content.arrays ? content.arrays() : columns_as_arrays(content.table()));
}

std::string file_name(const std::string& item, ExportFormat format) {
  return fmt::format("{}.{}", item, format_name(format));
}

fs::path sidecar_path(const fs::path& folder, const std::string& item) {
  return folder / (item + ".json");
}

std::string sha256_of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex_digest();
}

/// The files of one item, made but not written.
struct MadeItem {
  std::string name;
  ExportSelection selection;
  std::string colors_in_words;
  std::vector<std::pair<ExportedFile, std::string>> files;  ///< with content
};

MadeItem make_item(ExportItem& item, const ExportContent& content, const std::vector<ExportFormat>& formats) {
  MadeItem made{item.name, item.selection, content.colors_in_words, {}};
  for (const ExportFormat format : formats) {
    std::string bytes = bytes_of(content, format);
    ExportedFile file{file_name(item.name, format), static_cast<std::int64_t>(bytes.size()), sha256_of(bytes)};
    made.files.emplace_back(std::move(file), std::move(bytes));
  }
  return made;
}

bool has_pdf(const std::vector<ExportFormat>& formats) {
  return std::ranges::find(formats, ExportFormat::kPdf) != formats.end();
}

/// Everything that is the same for all sidecars of one call.
struct Provenance {
  std::string command_line;
  std::string pdf_program;
};

Json sidecar_of(const MadeItem& made, const ExportRequest& request, const ReportInputs& inputs,
                const Provenance& provenance) {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"name", made.name},
               {"view", request.view},
               {"made_by", {{"program", kProgram}, {"command_line", provenance.command_line}}},
               {"inputs", Json::array()},
               {"selection", to_json(made.selection)},
               {"colors", to_json(request.colors)},
               {"formats", Json::array()},
               {"files", Json::array()}};
  if (!made.colors_in_words.empty()) json["colors"]["in_words"] = made.colors_in_words;
  if (!provenance.pdf_program.empty()) json["made_by"]["pdf_program"] = provenance.pdf_program;
  for (const ReportSource& source : used_sources(export_view(request.view), inputs)) {
    json["inputs"].push_back({{"kind", source.kind}, {"path", source.path.string()}, {"sha256", source.sha256}});
  }
  for (const ExportFormat format : request.formats) json["formats"].push_back(format_name(format));
  for (const auto& [file, bytes] : made.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return json;
}

/// Names every file is going to have; two items with one name would overwrite each other.
void check_names(const std::vector<ExportItem>& items, const ExportRequest& request, const ExportTarget& target) {
  std::set<std::string> names;
  const auto check_absent = [&](const fs::path& path) {
    if (!target.replaces && fs::exists(path)) throw usage_error("{}: exists; --force replaces it", path.string());
  };
  for (const ExportItem& item : items) {
    if (!names.insert(item.name).second) {
      throw usage_error("two parts of the selection would both be called {}; export them one by one", item.name);
    }
    check_absent(sidecar_path(target.folder, item.name));
    for (const ExportFormat format : request.formats) check_absent(target.folder / file_name(item.name, format));
  }
}

ReportPaths paths_of(const std::vector<ReportSource>& sources) {
  ReportPaths paths;
  for (const ReportSource& source : sources) {
    if (source.kind == "capture") paths.capture = source.path;
    if (source.kind == "scores") paths.scores = source.path;
    if (source.kind == "heads") paths.heads = source.path;
    if (source.kind == "sensitivity") paths.sensitivity = source.path;
    if (source.kind == "plan") paths.plans.push_back(source.path);
    if (source.kind == "compare") paths.compare = source.path;
    if (source.kind == "replay") paths.replays.push_back(source.path);
  }
  return paths;
}

/// Where a recorded input is: as recorded, or beside the sidecar.
fs::path found_path(const ReportSource& source, const fs::path& sidecar) {
  if (fs::exists(source.path)) return source.path;
  const fs::path beside = sidecar.parent_path() / source.path.filename();
  if (fs::exists(beside)) return beside;
  throw bad_input("{}: its {} {} is neither there nor beside the sidecar", sidecar.string(), source.kind,
                  source.path.string());
}

std::vector<ReportSource> sources_from_json(const Json& json, const std::string& where) {
  std::vector<ReportSource> sources;
  for (const Json& entry : json_field<Json>(json, "inputs", where)) {
    const auto kind = json_field<std::string>(entry, "kind", where);
    sources.push_back(
        {kind, json_field<std::string>(entry, "path", where), json_field<std::string>(entry, "sha256", where), {}});
  }
  if (sources.empty()) throw bad_input("{}: names no inputs", where);
  return sources;
}

std::vector<ExportedFile> files_from_json(const Json& json, const std::string& where) {
  std::vector<ExportedFile> files;
  for (const Json& entry : json_field<Json>(json, "files", where)) {
    files.push_back({json_field<std::string>(entry, "name", where), json_field<std::int64_t>(entry, "bytes", where),
                     json_field<std::string>(entry, "sha256", where)});
  }
  return files;
}

std::vector<ExportFormat> formats_from_json(const Json& json, const std::string& where) {
  std::string words;
  for (const Json& word : json_field<Json>(json, "formats", where)) {
    if (!word.is_string()) throw bad_input("{}: formats: expected texts, found {}", where, word.dump());
    if (!words.empty()) words += ',';
    words += word.get<std::string>();
  }
  try {
    return parse_formats(words);
  } catch (const Error& failure) {
    throw bad_input("{}: {}", where, failure.what());
  }
}

void check_inputs(const ExportRecord& record, const ReportInputs& inputs, const std::string& where) {
  const std::vector<ReportSource> sources = used_sources(export_view(record.request.view), inputs);
  for (std::size_t i = 0; i < record.sources.size(); ++i) {
    const ReportSource& expected = record.sources[i];
    if (i < sources.size() && sources[i].kind == expected.kind && sources[i].sha256 == expected.sha256) continue;
    throw bad_input("{}: was made from {} {} with sha256 {}, but {} has {}", where,
                    expected.kind == "images" ? "the" : "a", expected.kind, expected.sha256,
                    i < sources.size() ? sources[i].path.string() : expected.path.string(),
                    i < sources.size() ? sources[i].sha256 : "none");
  }
}

void check_same_files(const ExportRecord& record, const MadeItem& made, const std::string& where) {
  for (const ExportedFile& expected : record.files) {
    const auto found = std::ranges::find(made.files, expected.name, [](const auto& file) { return file.first.name; });
    if (found != made.files.end() && found->first.sha256 == expected.sha256) continue;
    throw Error(ErrorCode::kCheckFailed,
                fmt::format("{}: {} made again by {} has sha256 {}; {} made it with {}", where, expected.name, kProgram,
                            found == made.files.end() ? "none" : found->first.sha256, record.program, expected.sha256));
  }
}

bool same_content(const fs::path& path, std::string_view bytes) {
  return fs::exists(path) && fs::file_size(path) == bytes.size() && sha256_of_file(path) == sha256_of(bytes);
}

}  // namespace

std::vector<ExportedItem> export_items(const ExportRequest& request, const ReportInputs& inputs,
                                       const ExportTarget& target, const ExportProgress& progress) {
  std::vector<ExportItem> items = export_view(request.view).items(inputs, request);
  check_names(items, request, target);
  const Provenance provenance{target.command_line, has_pdf(request.formats) ? pdf_program() : std::string()};
  std::vector<ExportedItem> exported(items.size());
  std::mutex reading;
  std::mutex reporting;
  std::int64_t done = 0;
  parallel_for(static_cast<std::int64_t>(items.size()), [&](std::int64_t i) {
    throw_if_interrupted();
    ExportItem& item = items[static_cast<std::size_t>(i)];
    ExportContent content;
    {
      const std::scoped_lock lock(reading);
      content = item.read();
      item.read = nullptr;  // lets go of what it shares with items that are done
    }
    const MadeItem made = make_item(item, content, request.formats);
    ExportedItem& result = exported[static_cast<std::size_t>(i)];
    result = {made.name, {}, sidecar_path(target.folder, made.name)};
    for (const auto& [file, bytes] : made.files) {
      write_file(target.folder / file.name, bytes);
      result.files.push_back(file);
    }
    write_json_file(result.sidecar, sidecar_of(made, request, inputs, provenance));
    const std::scoped_lock lock(reporting);
    if (progress) progress(++done, static_cast<std::int64_t>(items.size()));
  });
  return exported;
}

ExportRecord read_export_record(const fs::path& path) {
  const std::string where = path.string();
  const Json json = read_json_file(path, kFormat, kVersion);
  ExportRecord record;
  record.name = json_field<std::string>(json, "name", where);
  const auto made_by = json_field<Json>(json, "made_by", where);
  record.program = json_field<std::string>(made_by, "program", where);
  record.command_line = json_field<std::string>(made_by, "command_line", where);
  record.sources = sources_from_json(json, where);
  record.request.view = json_field<std::string>(json, "view", where);
  record.request.paths = paths_of(record.sources);
  record.request.selection = selection_from_json(json_field<Json>(json, "selection", where), where);
  record.request.colors = colors_from_json(json_field<Json>(json, "colors", where), where);
  record.request.formats = formats_from_json(json, where);
  record.files = files_from_json(json, where);
  return record;
}

ExportedItem repeat_export(const fs::path& sidecar, const ExportTarget& target) {
  const std::string where = sidecar.string();
  ExportRecord record = read_export_record(sidecar);
  for (ReportSource& source : record.sources) source.path = found_path(source, sidecar);
  const ReportInputs inputs = read_report_inputs(paths_of(record.sources));
  check_inputs(record, inputs, where);
  std::vector<ExportItem> items = export_view(record.request.view).items(inputs, record.request);
  const auto item = std::ranges::find(items, record.name, &ExportItem::name);
  if (item == items.end()) throw bad_input("{}: its selection does not give {}", where, record.name);
  const MadeItem made = make_item(*item, item->read(), record.request.formats);
  check_same_files(record, made, where);

  std::vector<std::pair<fs::path, std::string>> writes;
  ExportedItem result{made.name, {}, sidecar_path(target.folder, made.name)};
  for (const auto& [file, bytes] : made.files) {
    writes.emplace_back(target.folder / file.name, bytes);
    result.files.push_back(file);
  }
  writes.emplace_back(result.sidecar, read_text_file(sidecar));
  std::erase_if(writes, [](const auto& write) { return same_content(write.first, write.second); });
  for (const auto& [path, bytes] : writes) {
    if (!target.replaces && fs::exists(path))
      throw usage_error("{}: exists with other content; --force replaces it", path.string());
  }
  for (const auto& [path, bytes] : writes) write_file(path, bytes);
  return result;
}

}  // namespace kvscope
