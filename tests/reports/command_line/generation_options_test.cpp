#include "reports/command_line/generation_options.h"

#include "collectors/base/file.h"
#include "collectors/text/text_features.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace kvscope;

namespace {

GenerationSettings settings_of(std::vector<std::string> words) {
  CommandOptions command{.name = "sample", .positional = "", .description = "Generates."};
  add_generation_options(command.visible);
  std::ostringstream out, err;
  const auto values = parse_options(command, {std::move(words), "kvscope sample", out, err});
  return generation_settings(values.value());
}

using Labels = std::vector<std::int64_t>;

}  // namespace

TEST_SUITE("reports.command_line.generation_options") {
  TEST_CASE("without options the bundled model generates with the published settings") {
    const GenerationSettings settings = settings_of({});
    CHECK(settings.uses_bundled_model());
    CHECK(settings.guidance == 4.0);
    CHECK(settings.top_k == 900);
    CHECK(settings.top_p == 0.95);
    CHECK(settings.compute_type == ElementType::kFloat32);
    CHECK(settings.scales.empty());
    const Labels labels = sample_labels(settings, 10);
    REQUIRE(labels.size() == static_cast<std::size_t>(kDefaultSamples));
    CHECK(labels[9] == 9);
    CHECK(labels[10] == 0);
  }

  TEST_CASE("labels alone give one sample each in their order") {
    CHECK(sample_labels(settings_of({"--labels", "7,3,3"}), 10) == Labels{7, 3, 3});
    CHECK(sample_labels(settings_of({"--labels", "2-4"}), 10) == Labels{2, 3, 4});
  }

  TEST_CASE("labels are cycled up to the number of samples") {
    CHECK(sample_labels(settings_of({"--labels", "7,3", "--samples", "5"}), 10) == Labels{7, 3, 7, 3, 7});
    CHECK(sample_labels(settings_of({"--labels", "7,3", "--samples", "1"}), 10) == Labels{7});
    CHECK(sample_labels(settings_of({"--samples", "4"}), 3) == Labels{0, 1, 2, 0});
  }

  TEST_CASE("a label file may hold comments and any white space") {
    const testing::TemporaryFolder folder;
    write_file(folder / "labels.txt", "# calibration\n3 17\t5\r\n\n8,1 # last two\n");
    const auto settings = settings_of({"--labels-file", (folder / "labels.txt").string()});
    CHECK(sample_labels(settings, 20) == Labels{3, 17, 5, 8, 1});
  }

  TEST_CASE("a bad label file is named with its line") {
    const testing::TemporaryFolder folder;
    const std::string path = (folder / "labels.txt").string();
    const auto read = [&] { (void)settings_of({"--labels-file", path}); };
    testing::check_error(ErrorCode::kBadInput, read, "labels.txt");
    write_file(path, "1\n2 cat\n");
    testing::check_error(ErrorCode::kBadInput, read, "labels.txt", "line 2", "cat");
    write_file(path, "99999999999999999999\n");
    testing::check_error(ErrorCode::kBadInput, read, "99999999999999999999");
    write_file(path, "# nothing\n");
    testing::check_error(ErrorCode::kBadInput, read, "no label");
  }

  TEST_CASE("with text labels number the prompts and defaults are those of text-to-image models") {
    const testing::TemporaryFolder folder;
    const std::string path = (folder / "text.h5").string();
    TextFeatures text;
    text.features = Array<float>({6, 4});
    text.lengths = {1, 3, 2};
    write_text_features(path, text);
    const GenerationSettings settings = settings_of({"--text-features", path, "--h-div-w", "0.5"});
    REQUIRE(settings.text != nullptr);
    CHECK(settings.text->lengths == text.lengths);
    CHECK(settings.guidance == 3.0);
    CHECK(settings.top_p == 0.97);
    CHECK_FALSE(settings.temperature);
    CHECK(settings.image_size == "1M");
    CHECK(settings.height_over_width == 0.5);
    CHECK(sample_labels(settings, 0) == Labels{0, 1, 2});
    CHECK(to_json(settings)["text_features"] == path);
    const GenerationSettings given = settings_of(
        {"--text-features", path, "--cfg", "4", "--top-p", "0.95", "--temperature", "0.7", "--labels", "2,0"});
    CHECK(given.guidance == 4.0);
    CHECK(given.top_p == 0.95);
    CHECK(given.temperature == 0.7);
    CHECK(to_json(given)["temperature"] == 0.7);
    CHECK(sample_labels(given, 0) == Labels{2, 0});
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)sample_labels(settings_of({"--text-features", path, "--labels", "3"}), 0);
        },
        "label 3", "the prompts 0 to 2");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)sample_labels(settings, 10); }, "--text-features", "classes");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)sample_labels(settings_of({}), 0); }, "--text-features");
    testing::check_error(
        ErrorCode::kBadInput,
        [&] {
          (void)settings_of({"--text-features", (folder / "none.h5").string()});
        },
        "none.h5");
  }

  TEST_CASE("guidance and temperature are one number or one per scale") {
    const GenerationSettings one = settings_of({"--cfg", "2.5", "--temperature", "0.5"});
    CHECK(one.guidance == 2.5);
    CHECK(one.guidance_of_step.empty());
    CHECK(one.temperature_of_step.empty());
    CHECK(to_json(one)["guidance"] == 2.5);
    const GenerationSettings listed = settings_of({"--cfg", "1,1,3", "--temperature", "1,0.5,0.25"});
    CHECK(listed.guidance_of_step == std::vector<double>{1, 1, 3});
    CHECK(listed.temperature_of_step == std::vector<double>{1, 0.5, 0.25});
    CHECK(to_json(listed)["guidance"] == Json{1.0, 1.0, 3.0});
    CHECK(to_json(listed)["temperature"] == Json{1.0, 0.5, 0.25});
    CHECK(listed.needs_unconditional_rows());
    CHECK_FALSE(settings_of({"--cfg", "1"}).needs_unconditional_rows());
    CHECK_FALSE(settings_of({"--cfg", "1,1"}).needs_unconditional_rows());
    CHECK(settings_of({"--cfg", "0"}).needs_unconditional_rows());
  }

  TEST_CASE("labels outside the model's classes are usage errors") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)sample_labels(settings_of({"--labels", "10"}), 10);
        },
        "label 10", "0 to 9");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)sample_labels(settings_of({"--labels=-1"}), 10); }, "label -1");
  }

  TEST_CASE("impossible settings are usage errors that name the option") {
    const std::vector<std::vector<std::string>> lines = {
        {"--samples", "0"},   {"--samples", "-3"},        {"--seed", "-1"},      {"--cfg", "-1"},
        {"--cfg", "nan"},     {"--top-k", "-1"},          {"--top-p", "1.5"},    {"--top-p", "nan"},
        {"--batch", "0"},     {"--threads", "-1"},        {"--dtype", "int8"},   {"--scales", "1,0"},
        {"--scales", "1,,2"}, {"--attention-heads", "0"}, {"--labels", "a"},     {"--checkpoint", "a.pth"},
        {"--tokenizer", "a"}, {"--samples", "1.5"},       {"--samples", "1e30"}, {"--cfg", "strong"},
        {"--dtype", "cfg"},   {"--temperature", "0"},     {"--h-div-w", "0"},    {"--h-div-w", "nan"},
        {"--cfg", "1,-1"},    {"--cfg", "1,,2"},          {"--cfg", ""},         {"--temperature", "1,nan"}};
    for (const auto& line : lines) {
      CAPTURE(line[0]);
      CAPTURE(line[1]);
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)settings_of(line); }, line[0].substr(2));
    }
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)settings_of({"--labels", "1", "--labels-file", "f"});
        },
        "exclude each other");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)settings_of({"--dtype", "fp16"});
        },
        "fp16 needs --device cuda");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)settings_of({"--device", "gpu"});
        },
        "--device is 'gpu', expected cpu, cuda or cuda:N");
  }

  TEST_CASE("a device is a CPU or a numbered GPU") {
    CHECK(settings_of({}).device == ComputeDevice{});
    const GenerationSettings settings = settings_of({"--device", "cuda:1", "--dtype", "fp16"});
    CHECK(settings.device == ComputeDevice{.kind = DeviceKind::kCuda, .ordinal = 1});
    CHECK(settings.compute_type == ElementType::kFloat16);
    CHECK(to_json(settings)["device"] == "cuda:1");
  }

  TEST_CASE("CUDA graphs are off unless asked for and need a GPU") {
    const auto asked = [](std::vector<std::string> words) {
      CommandOptions command{.name = "sample", .positional = "", .description = "Generates."};
      add_generation_options(command.visible);
      add_graph_option(command.visible);
      std::ostringstream out, err;
      const auto values = parse_options(command, {std::move(words), "kvscope sample", out, err});
      return generation_settings(values.value()).cuda_graphs;
    };
    CHECK_FALSE(settings_of({"--device", "cuda"}).cuda_graphs);  // a command without the option
    CHECK_FALSE(asked({"--device", "cuda"}));
    CHECK_FALSE(asked({"--cuda-graphs", "off"}));
    CHECK(asked({"--device", "cuda", "--cuda-graphs", "on"}));
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)asked({"--cuda-graphs", "on"});
        },
        "--cuda-graphs on needs --device cuda");
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)asked({"--device", "cuda", "--cuda-graphs", "yes"});
        },
        "--cuda-graphs is 'yes', expected on or off");
  }

  TEST_CASE("the record of a run names everything that results depend on") {
    const Json json = to_json(settings_of({"--seed", "7", "--cfg", "1.5", "--dtype", "bf16", "--scales", "1,2"}));
    CHECK(json["seed"] == 7);
    CHECK(json["guidance"] == 1.5);
    CHECK(json["dtype"] == "bfloat16");
    CHECK(json["scales"] == Json{1, 2});
    CHECK(json["checkpoint"] == "bundled");
  }

  TEST_CASE("layers are streamed and memory is limited where asked for") {
    CHECK(settings_of({}).layers == LayerStorage::kResident);
    CHECK_FALSE(settings_of({}).max_memory.has_value());
    const GenerationSettings settings = settings_of({"--stream-layers", "--max-memory", "16000000000"});
    CHECK(settings.layers == LayerStorage::kStreamed);
    CHECK(settings.max_memory == 16'000'000'000);
    CHECK(to_json(settings)["layers"] == "streamed");
    CHECK_FALSE(to_json(settings_of({})).contains("layers"));
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)settings_of({"--max-memory", "0"});
        },
        "max-memory");
  }
}
