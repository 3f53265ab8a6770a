#include "kernels/replay/replay_images.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "collectors/hdf5/hdf5_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <tuple>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-replay-images";
constexpr std::int64_t kVersion = 1;
constexpr std::string_view kPrompts = "/prompts";

std::string kept_name(const KeptPositions& kept) {
  return fmt::format("/kept/layer_{:02}/head_{:02}/step_{:02}", kept.layer, kept.head, kept.step);
}

/// 7 of "layer_07".
int numbered(std::string_view name, std::string_view prefix, const std::filesystem::path& path) {
  int number = -1;
  if (name.starts_with(prefix)) {
    const std::string_view digits = name.substr(prefix.size());
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (failure != std::errc{} || end != digits.data() + digits.size()) number = -1;
  }
  if (number < 0) throw bad_input("{}: /kept: {} is not {}NN", path.string(), in_quotes(name), prefix);
  return number;
}

std::vector<KeptPositions> read_kept(const Hdf5File& file) {
  std::vector<KeptPositions> all;
  if (!file.has("/kept")) return all;
  for (const std::string& layer : file.children("/kept")) {
    for (const std::string& head : file.children("/kept/" + layer)) {
      const std::string group = "/kept/" + layer + "/" + head;
      for (const std::string& step : file.children(group)) {
        const Array<std::int32_t> positions = file.read<std::int32_t>(group + "/" + step);
        all.push_back({.layer = numbered(layer, "layer_", file.path()),
                       .head = numbered(head, "head_", file.path()),
                       .step = numbered(step, "step_", file.path()),
                       .positions = {positions.values().begin(), positions.values().end()}});
      }
    }
  }
  // The file lists names in the order of letters, which from 100 on is another one.
  std::ranges::sort(all, {}, [](const KeptPositions& kept) { return std::tuple(kept.layer, kept.head, kept.step); });
  return all;
}

Array<std::uint8_t> read_pictures(const Hdf5File& file, std::string_view dataset, std::int64_t samples) {
  const Shape shape = file.shape(dataset);
  if (shape.size() != 4 || shape[0] != samples || shape[3] != 3) {
    throw bad_input("{}: {} has the shape [{}], expected [{}, height, width, 3]", file.path().string(), dataset,
                    fmt::join(shape, ", "), samples);
  }
  return file.read<std::uint8_t>(dataset);
}

std::vector<std::string> read_prompts(const Hdf5File& file, std::int64_t samples) {
  if (!file.has(kPrompts)) return {};
  std::vector<std::string> prompts = file.read_strings(kPrompts);
  if (std::ssize(prompts) != samples) {
    throw bad_input("{}: {} has {} texts, expected {}", file.path().string(), kPrompts, prompts.size(), samples);
  }
  return prompts;
}

void write_file_at(const std::filesystem::path& path, const ReplayImages& images) {
  Hdf5File file = Hdf5File::create(path);
  file.set_attribute("/", "format", kFormat);
  file.set_attribute("/", "version", kVersion);
  const DatasetLayout packed{.chunk = {}, .checksum = true, .deflate = 4};
  file.write("/full", images.full, packed);
  file.write("/compressed", images.compressed, packed);
  file.write("/labels", Array<std::int64_t>({static_cast<std::int64_t>(images.labels.size())}, images.labels));
  if (!images.prompts.empty()) file.write_strings(kPrompts, images.prompts);
  for (const KeptPositions& kept : images.kept) {
    file.write(kept_name(kept),
               Array<std::int32_t>({static_cast<std::int64_t>(kept.positions.size())}, kept.positions));
  }
  file.close();
}

}  // namespace

ReplayImages read_replay_images(const std::filesystem::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  if (!file.has_attribute("/", "format") || file.text_attribute("/", "format") != kFormat) {
    throw bad_input("{}: the file is not of the format '{}'", path.string(), kFormat);
  }
  if (const std::int64_t version = file.integer_attribute("/", "version"); version != kVersion) {
    throw bad_input("{}: version {} of '{}' is unknown, expected {}", path.string(), version, kFormat, kVersion);
  }
  const Array<std::int64_t> labels = file.read<std::int64_t>("/labels");
  ReplayImages images{.full = read_pictures(file, "/full", labels.size()),
                      .compressed = read_pictures(file, "/compressed", labels.size()),
                      .labels = {labels.values().begin(), labels.values().end()},
                      .prompts = read_prompts(file, labels.size()),
                      .kept = read_kept(file)};
  if (images.full.shape() != images.compressed.shape()) {
    throw bad_input("{}: /full and /compressed differ in shape", path.string());
  }
  return images;
}

void write_replay_images(const std::filesystem::path& path, const ReplayImages& images) {
  const std::filesystem::path partial = partial_path(path);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  try {
    write_file_at(partial, images);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    throw;
  }
  std::filesystem::rename(partial, path);
}

}  // namespace kvscope
