#include "reports/command_line/generation_options.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/text/prompts.h"
#include "collectors/text/text_features.h"
#include "reports/command_line/prompt_options.h"

#include <charconv>
#include <cmath>
#include <string>

namespace kvscope {
namespace {

constexpr std::int64_t kMostSamples = 10'000'000;
constexpr std::int64_t kLargestBatch = 4096;
constexpr int kLargestSide = 4096;
constexpr double kMostElongated = 1000.0;
constexpr double kStrongestGuidance = 1000.0;
constexpr double kLowestTemperature = 1e-6;

/// Labels separated by white space or commas; '#' starts a comment.
std::vector<std::int64_t> read_label_file(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  std::vector<std::int64_t> labels;
  std::int64_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const char letter = text[at];
    if (letter == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (letter == '\n' || letter == ' ' || letter == '\t' || letter == '\r' || letter == ',') {
      line += letter == '\n' ? 1 : 0;
      ++at;
    } else {
      const std::size_t end = std::min(text.find_first_of(" \t\r\n,#", at), text.size());
      std::int64_t label = 0;
      const auto [stop, failure] = std::from_chars(text.data() + at, text.data() + end, label);
      if (failure != std::errc{} || stop != text.data() + end) {
        throw bad_input("{}: line {}: '{}' is not a label, expected a whole number", path.string(), line,
                        text.substr(at, std::min<std::size_t>(end - at, 40)));
      }
      labels.push_back(label);
      at = end;
    }
  }
  if (labels.empty()) throw bad_input("{}: the file holds no label", path.string());
  return labels;
}

std::vector<std::int64_t> listed_labels(const options::variables_map& values) {
  if (given(values, "labels") && given(values, "labels-file")) {
    throw usage_error("--labels and --labels-file exclude each other");
  }
  if (given(values, "labels-file")) return read_label_file(values["labels-file"].as<std::string>());
  if (!given(values, "labels")) return {};
  const auto numbers = parse_number_list(values["labels"].as<std::string>(), "labels");
  return {numbers.begin(), numbers.end()};
}

ElementType compute_type(const std::string& name, const ComputeDevice& device) {
  const auto type = element_type_from_name(name);
  if (type == ElementType::kFloat16 && !device.is_cuda()) {
    throw usage_error("--dtype fp16 needs --device cuda; on a CPU there are fp32 and bf16");
  }
  if (type != ElementType::kFloat32 && type != ElementType::kBFloat16 && type != ElementType::kFloat16) {
    throw usage_error("--dtype is '{}', expected fp32, bf16 or fp16", name);
  }
  return *type;
}

void read_model(const options::variables_map& values, GenerationSettings& settings) {
  if (given(values, "checkpoint") != given(values, "tokenizer")) {
    throw usage_error("--checkpoint and --tokenizer belong together: give both, or neither for the bundled model");
  }
  if (given(values, "checkpoint")) {
    settings.checkpoint = values["checkpoint"].as<std::string>();
    settings.tokenizer = values["tokenizer"].as<std::string>();
  }
  if (given(values, "scales")) {
    settings.scales = parse_number_list(values["scales"].as<std::string>(), "scales");
    for (const int side : settings.scales) {
      if (side < 1 || side > kLargestSide) {
        throw usage_error("--scales: {} is out of range, expected 1 to {}", side, kLargestSide);
      }
    }
  }
  if (given(values, "attention-heads")) {
    settings.attention_heads = values["attention-heads"].as<int>();
    if (settings.attention_heads < 1) {
      throw usage_error("--attention-heads is {}, expected at least 1", settings.attention_heads);
    }
  }
}

bool cuda_graphs(const options::variables_map& values, const ComputeDevice& device) {
  if (values.count("cuda-graphs") == 0) return false;  // not every command has it
  const auto word = values["cuda-graphs"].as<std::string>();
  if (word != "on" && word != "off") throw usage_error("--cuda-graphs is '{}', expected on or off", word);
  if (word == "on" && !device.is_cuda()) throw usage_error("--cuda-graphs on needs --device cuda");
  return word == "on";
}

/// Guidance and temperature, each one number or one per scale.
void read_guidance(const options::variables_map& values, GenerationSettings& settings) {
  if (given(values, "cfg")) {
    auto guidance = parse_real_list(values["cfg"].as<std::string>(), "cfg", 0.0, kStrongestGuidance);
    settings.guidance = guidance.front();
    if (guidance.size() > 1) settings.guidance_of_step = std::move(guidance);
  }
  if (given(values, "temperature")) {
    auto temperature = parse_real_list(values["temperature"].as<std::string>(), "temperature", kLowestTemperature,
                                       1.0 / kLowestTemperature);
    settings.temperature = temperature.front();
    if (temperature.size() > 1) settings.temperature_of_step = std::move(temperature);
  }
}

/// Prompts by one of the two ways in which they may be given.
void read_prompts_or_features(const options::variables_map& values, GenerationSettings& settings) {
  const bool has_prompts = given(values, "prompt") || given(values, "prompts-file");
  if (given(values, "text-features")) {
    if (has_prompts || given(values, "text-encoder")) {
      throw usage_error("--text-features excludes --text-encoder with its --prompt or --prompts-file");
    }
    settings.text_features = values["text-features"].as<std::string>();
    settings.text = std::make_shared<const TextFeatures>(read_text_features(settings.text_features));
    return;
  }
  if (has_prompts && !given(values, "text-encoder")) {
    throw usage_error("--prompt and --prompts-file need --text-encoder, the folder of what encodes them");
  }
  if (!has_prompts && given(values, "text-encoder")) {
    throw usage_error("--text-encoder needs prompts: give --prompt or --prompts-file");
  }
  settings.text_encoder = path_option(values, "text-encoder");
  settings.prompts = given_prompts(values);
}

void read_negative_prompt(const options::variables_map& values, GenerationSettings& settings) {
  if (!given(values, "negative-prompt")) return;
  if (settings.text_encoder.empty()) {
    throw usage_error("--negative-prompt needs --text-encoder, the folder of what encodes it, and prompts");
  }
  settings.negative_prompt = values["negative-prompt"].as<std::string>();
  if (const auto flaw = prompt_flaw(settings.negative_prompt); !flaw.empty()) {
    throw usage_error("--negative-prompt {}", flaw);
  }
}

/// Prompts, and what is known of the published models that read them.
void read_text(const options::variables_map& values, GenerationSettings& settings) {
  settings.image_size = values["pn"].as<std::string>();
  settings.height_over_width = in_range<double>(values, "h-div-w", 1.0 / kMostElongated, kMostElongated);
  read_prompts_or_features(values, settings);
  read_negative_prompt(values, settings);
  if (!settings.takes_text()) return;
  settings.guidance = 3.0;
  settings.top_p = 0.97;
}

/// One number, or the list of all steps.
Json of_steps(double of_all, const std::vector<double>& of_step) {
  return of_step.empty() ? Json(of_all) : Json(of_step);
}

}  // namespace

void add_generation_options(options::options_description& visible, std::int64_t seed) {
  options::options_description group("Model and generation");
  const auto text = [](const char* unit) { return options::value<std::string>()->value_name(unit); };
  auto add = group.add_options();
  add("checkpoint", text("FILE"), "transformer weights, .pth or .safetensors; default: the bundled model");
  add("tokenizer", text("FILE"), "tokenizer weights that belong to --checkpoint");
  add("scales", text("LIST"),
      "sides of the square scales in tokens, e.g. 1,2,3,4,6,8; default: what the weights determine");
  add("attention-heads", options::value<int>()->value_name("N"),
      "heads per layer, for weights without learned temperatures, which do not tell; default: heads of 64");
  add("text-features", text("FILE"),
      "prompts of a text-to-image model, as a text encoder's features (docs/formats/text_features.md); instead of "
      "--text-encoder");
  add_prompt_options(group);
  add("negative-prompt", text("TEXT"),
      "what guidance leads away from in every sample, with --text-encoder; default: the unconditional text that the "
      "model learned");
  add("pn", text("SIZE")->default_value("1M"), "number of pixels, of a text-to-image model: 0.06M, 0.25M, 0.60M or 1M");
  add("h-div-w", options::value<double>()->default_value(1.0, "1")->value_name("X"),
      "height divided by width, of a text-to-image model: the published ratios are 1, 1.25, 1.333, 1.5, 1.75, 2, 2.5, "
      "3 "
      "and 0.8, 0.75, 0.666, 0.571, 0.5, 0.4, 0.333");
  add("labels", text("LIST"),
      "class labels, or numbers of prompts from 0, e.g. 3,17 or 0-9: one sample each, in that order; default: all in "
      "turn");
  add("labels-file", text("FILE"), "the same from a file: whole numbers, '#' starts a comment");
  add("samples", options::value<std::int64_t>()->value_name("N"),
      "number of samples; labels are cycled through; default: one per label or prompt, 50 without");
  add("seed", options::value<std::int64_t>()->default_value(seed)->value_name("S"), "of the random numbers, >= 0");
  add("cfg", text("X[,X...]")->default_value("4"),
      "classifier-free guidance at the last scale, with text at every scale, >= 0; or a list, one number per scale, "
      "which count as they stand; default with text: 3. A text-to-image model goes without unconditional rows where "
      "all are 1");
  add("top-k", options::value<int>()->default_value(900)->value_name("N"), "tokens to draw from; 0: all");
  add("top-p", options::value<double>()->default_value(0.95, "0.95")->value_name("P"),
      "probability mass to draw from, 0 to 1; 0 or 1: all; default with text: 0.97");
  add("temperature", text("X[,X...]"),
      "what logits are divided by, > 0, or a list, one number per scale; default: 1, for text-to-image models of up to "
      "32 bits a token 0.5");
  add("dtype", text("TYPE")->default_value("fp32"), "fp32, bf16 or, on a GPU, fp16: computation and KV cache");
  add("device", text("NAME")->default_value("cpu"),
      "where to generate: cpu, cuda or cuda:N for the N-th GPU from 0; the command devices lists them");
  add("stream-layers",
      "keep no layer's weights in memory: read them from the file in every step, for large models on small machines; "
      "slower, the same results, and stderr says how far each step is (docs/large_models.md). CPU only");
  add("max-memory", options::value<std::int64_t>()->value_name("BYTES"),
      "memory that may be taken, in bytes: where more would be needed the command says so before it loads anything; "
      "default: what is available");
  add("batch", options::value<std::int64_t>()->default_value(8)->value_name("N"),
      "samples generated together; changes memory and time, never a result on a CPU (on a GPU last places)");
  add("threads", options::value<int>()->default_value(0)->value_name("N"), "0: all cores; never changes a result");
  visible.add(group);
}

void add_graph_option(options::options_description& visible) {
  visible.add_options()(
      "cuda-graphs", options::value<std::string>()->default_value("off")->value_name("on|off"),
      "with --device cuda: launch each step as one CUDA graph; the first batch of a size warms up, the second "
      "captures, "
      "later ones only launch. Off unless asked for: results with and without it have not been compared on a GPU yet");
}

GenerationSettings generation_settings(const options::variables_map& values) {
  GenerationSettings settings;
  read_model(values, settings);
  read_text(values, settings);
  settings.labels = listed_labels(values);
  if (given(values, "samples")) settings.samples = in_range<std::int64_t>(values, "samples", 1, kMostSamples);
  settings.seed = static_cast<std::uint64_t>(in_range<std::int64_t>(values, "seed", 0, INT64_MAX));
  read_guidance(values, settings);
  settings.top_k = in_range<int>(values, "top-k", 0, INT32_MAX);
  if (!values["top-p"].defaulted()) settings.top_p = in_range<double>(values, "top-p", 0.0, 1.0);
  settings.device = compute_device_from_name(values["device"].as<std::string>(), "--device");
  settings.compute_type = compute_type(values["dtype"].as<std::string>(), settings.device);
  if (given(values, "stream-layers")) settings.layers = LayerStorage::kStreamed;
  if (given(values, "max-memory")) settings.max_memory = in_range<std::int64_t>(values, "max-memory", 1, INT64_MAX);
  settings.batch = in_range<std::int64_t>(values, "batch", 1, kLargestBatch);
  settings.threads = in_range<int>(values, "threads", 0, kMostThreads);
  settings.cuda_graphs = cuda_graphs(values, settings.device);
  return settings;
}

bool GenerationSettings::needs_unconditional_rows() const {
  const auto guides = [](double strength) { return strength != 1.0; };
  return guidance_of_step.empty() ? guides(guidance) : std::ranges::any_of(guidance_of_step, guides);
}

std::string no_text_message(const GenerationSettings& settings) {
  return fmt::format("{}: this model generates classes, not from text",
                     settings.text_features.empty() ? "--prompt" : "--text-features");
}

std::vector<std::int64_t> sample_labels(const GenerationSettings& settings, std::int64_t classes) {
  const bool takes_text = settings.text != nullptr;
  if (classes == 0 && !takes_text)
    throw usage_error("this model generates from text: give --text-encoder and --prompt, or --text-features");
  if (classes > 0 && takes_text) throw usage_error("{}", no_text_message(settings));
  const std::int64_t choices = takes_text ? settings.text->count() : classes;
  std::vector<std::int64_t> listed = settings.labels;
  if (listed.empty()) {
    for (std::int64_t label = 0; label < choices; ++label) listed.push_back(label);
  }
  for (const std::int64_t label : listed) {
    if (label >= 0 && label < choices) continue;
    throw usage_error("label {} is out of range: {} 0 to {}", label,
                      takes_text ? "there are the prompts" : "the model has the classes", choices - 1);
  }
  const auto distinct = static_cast<std::int64_t>(listed.size());
  const std::int64_t samples =
      settings.samples.value_or(settings.labels.empty() && !takes_text ? kDefaultSamples : distinct);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(samples));
  for (std::int64_t i = 0; i < samples; ++i) {
    labels[static_cast<std::size_t>(i)] = listed[static_cast<std::size_t>(i % distinct)];
  }
  return labels;
}

Json to_json(const GenerationSettings& settings) {
  Json json{{"checkpoint", settings.uses_bundled_model() ? Json("bundled") : Json(settings.checkpoint.string())},
            {"tokenizer", settings.uses_bundled_model() ? Json("bundled") : Json(settings.tokenizer.string())},
            {"seed", settings.seed},
            {"guidance", of_steps(settings.guidance, settings.guidance_of_step)},
            {"top_k", settings.top_k},
            {"top_p", settings.top_p},
            {"dtype", element_name(settings.compute_type)},
            {"device", name_of(settings.device)},
            {"batch", settings.batch},
            {"threads", settings.threads}};
  if (!settings.scales.empty()) json["scales"] = settings.scales;
  if (settings.temperature) json["temperature"] = of_steps(*settings.temperature, settings.temperature_of_step);
  if (settings.layers == LayerStorage::kStreamed) json["layers"] = "streamed";
  if (settings.text != nullptr) {
    const bool is_encoded = settings.text_features.empty();
    json[is_encoded ? "text_encoder" : "text_features"] =
        (is_encoded ? settings.text_encoder : settings.text_features).string();
    json["text"] = text_fingerprint(*settings.text);
    if (settings.negative_text != nullptr) {
      json["negative_prompt"] = settings.negative_prompt;
      json["negative_text"] = text_fingerprint(*settings.negative_text);
    }
    json["image_size"] = settings.image_size;
    json["height_over_width"] = settings.height_over_width;
  }
  return json;
}

}  // namespace kvscope
