#include "collectors/base/error.h"
#include "collectors/base/stopwatch.h"
#include "collectors/capture/capture_skeleton.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/paths.h"
#include "tests/benchmarks/attention_problem.h"
#include "tests/benchmarks/benchmarks.h"
#include "tests/benchmarks/python_script.h"

#include <algorithm>
#include <cmath>

namespace kvscope::benchmark {
namespace {

const Shape kMap = {1, 1, 256, 680};  // the last scale of VAR at 256 pixels

/// Rows that sum to 1, spread over some orders of magnitude as real maps are.
Array<float> made_up_map(std::uint32_t seed) {
  Array<float> map(kMap, normal_values(element_count(kMap), seed));
  for (std::int64_t query = 0; query < kMap[2]; ++query) {
    const auto row = map.values().subspan(static_cast<std::size_t>(query * kMap[3]), static_cast<std::size_t>(kMap[3]));
    float sum = 0.0F;
    for (float& weight : row) sum += weight = std::exp(2.0F * weight);
    for (float& weight : row) weight /= sum;
  }
  return map;
}

std::string name_of(std::size_t number) {
  return fmt::format("/map_{}", number);
}

/// As a capture keeps its raw maps.
double own_write(const std::filesystem::path& path, const std::vector<Array<float>>& maps) {
  const Stopwatch watch;
  Hdf5File file = Hdf5File::create(path);
  for (std::size_t i = 0; i < maps.size(); ++i) {
    file.make_dataset<float>(name_of(i), kMap, {.chunk = map_chunk(kMap), .checksum = true, .allocate = true});
    file.write_slab(name_of(i), {0, 0, 0, 0}, maps[i]);
  }
  file.close();
  return watch.seconds();
}

double own_read(const std::filesystem::path& path, const std::vector<Array<float>>& expected) {
  std::vector<Array<float>> found;
  const Stopwatch watch;
  const Hdf5File file = Hdf5File::open(path);
  for (std::size_t i = 0; i < expected.size(); ++i) found.push_back(file.read<float>(name_of(i)));
  const double seconds = watch.seconds();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::ranges::equal(found[i].values(), expected[i].values())) continue;
    throw Error(ErrorCode::kCheckFailed, fmt::format("C6: map {} is not what was written", i));
  }
  return seconds;
}

double python_seconds(const char* action, const std::filesystem::path& path, std::size_t count) {
  return run_python("gzip_maps.py", {action, path.string(), std::to_string(count)}).at("seconds").get<double>();
}

}  // namespace

void benchmark_map_file(BenchmarkRun& run) {
  if (!python_has_h5py()) return run.note("C6 left out: Python has no NumPy or h5py (python3-h5py)");
  std::vector<Array<float>> maps;
  for (std::uint32_t i = 0; i < (run.request().quick ? 2U : 100U); ++i) maps.push_back(made_up_map(i));
  const double bytes = static_cast<double>(maps.size()) * static_cast<double>(element_count(kMap)) * sizeof(float);
  const testing::TemporaryFolder folder;
  const Rounds rounds(2, few_rounds(run), [&](std::size_t who) {
    const std::filesystem::path file = folder / (who == 0 ? "ours.h5" : "gzip.h5");
    if (who == 1)
      return std::vector{python_seconds("write", file, maps.size()), python_seconds("read", file, maps.size())};
    const double write = own_write(file, maps);
    return std::vector{write, own_read(file, maps)};
  });
  for (const auto& [quantity, what] : {std::pair(std::size_t{0}, "write"), std::pair(std::size_t{1}, "read")}) {
    const Comparison seconds = compare(rounds.seconds(0, quantity), rounds.seconds(1, quantity));
    run.add({.id = "C6",
             .where = fmt::format("{} {:.0f} MB of maps", what, bytes * 1e-6),
             .threads = 1,
             .peer = "h5py, gzip 4",
             .seconds = seconds,
             .max_relative_error = 0.0,
             .rate = bytes / seconds.ours_s,
             .unit = "B"});
  }
}

}  // namespace kvscope::benchmark
