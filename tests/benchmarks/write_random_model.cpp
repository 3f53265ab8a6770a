// Writes a model of published size with random weights: what to measure with where the weights themselves are not at
// hand.

#include "collectors/base/error.h"
#include "support/random_infinity.h"
#include "support/random_var.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace kvscope;

namespace {

constexpr std::string_view kUsage =
    "usage: kvscope_write_random_model MODEL FOLDER [SHARD_GIB]\n"
    "MODEL: var-d16 (1.2 GB), infinity-2b (bfloat16, 4.4 GB), infinity-8b (bfloat16, 16.8 GB)\n"
    "SHARD_GIB: Infinity in shards of at most so many GiB and an index, as the 8B model is published";

void write_infinity(const testing::RandomInfinity& geometry, const std::filesystem::path& folder,
                    const std::vector<std::string>& rest) {
  std::optional<std::int64_t> shard_bytes;
  if (!rest.empty()) shard_bytes = static_cast<std::int64_t>(std::stod(rest.front()) * (std::int64_t{1} << 30));
  const auto files = testing::write_random_infinity(folder, geometry, ElementType::kBFloat16, shard_bytes);
  fmt::print("--checkpoint {} --tokenizer {}\n", files.transformer.string(), files.tokenizer.string());
}

void write_model(std::string_view model, const std::filesystem::path& folder, const std::vector<std::string>& rest) {
  std::filesystem::create_directories(folder);
  if (model == "infinity-2b" || model == "infinity-8b") {
    testing::RandomInfinity geometry = model == "infinity-2b" ? testing::infinity_2b() : testing::infinity_8b();
    geometry.tokenizer_channels = 128;
    write_infinity(geometry, folder, rest);
  } else if (model == "var-d16" && rest.empty()) {
    testing::RandomVar geometry = testing::var_d16();
    geometry.tokenizer_channels = 160;
    const auto files = testing::write_random_var(folder, geometry);
    fmt::print("--checkpoint {} --tokenizer {}\n", files.transformer.string(), files.tokenizer.string());
  } else {
    throw usage_error("{}", kUsage);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() < 2 || arguments.size() > 3) throw usage_error("{}", kUsage);
    write_model(arguments[0], arguments[1], {arguments.begin() + 2, arguments.end()});
    return 0;
  } catch (const Error& failure) {
    fmt::print(stderr, "{}\n", failure.what());
    return static_cast<int>(failure.code());
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}\n", kUsage);
    return 2;
  }
}
