#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/gpu/activity_recorder.h"
#include "kernels/profile/profile.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/engine_option.h"
#include "reports/command_line/generation_options.h"
#include "reports/command_line/plan_of_run.h"
#include "reports/command_line/run_text.h"
#include "reports/profile/profile_file.h"
#include "reports/profile/profile_json.h"
#include "reports/profile/profile_tables.h"
#include "reports/profile/trace_file.h"
#include "reports/tables/text_table.h"

#include <algorithm>
#include <string>
#include <vector>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

constexpr int kMostRepetitions = 1000;

CommandOptions profile_options() {
  CommandOptions command{
      .name = "profile",
      .positional = "",
      .description =
          "Generates samples and says where the time goes: per phase (projection, attention, selection, ...), scale,\n"
          "layer and head, with the full cache or a plan's compressed one. Rows are computed on several threads:\n"
          "'wall s' divides every instant among the threads that work then and sums to the time of the run, 'thread "
          "s'\n"
          "adds up what each thread took. On a GPU its kernels, copies and memory are recorded and attributed as "
          "well;\n"
          "without one, or without permission, the host's clock alone is read.\n"
          "Without --samples and --labels one batch is profiled. Ctrl-C writes what there is.\n"};
  const auto text = [](const char* unit) { return options::value<std::string>()->value_name(unit); };
  const auto number = [](int otherwise) { return options::value<int>()->default_value(otherwise)->value_name("N"); };
  auto add = command.visible.add_options();
  add("plan", text("FILE"), "plan.json: profile its compressed cache; default: the full cache");
  add("attention", text("KERNEL")->default_value("bundled"),
      "of the full cache: bundled (as in replay) or library (LibTorch's, as in collect)");
  add("warm-up", number(1), "times that the first batch is generated before anything is recorded");
  add("repetitions", number(1), "times that all samples are generated and recorded; tables hold the sum");
  add("heads", text("MODE")->default_value("model"),
      "time of a head: model (a layer's attention split by each head's work) or isolated (measured one head at a time "
      "with the bundled attention)");
  add("overhead", "also generate every batch without recording, and say what recording costs");
  add("output,o", options::value<std::vector<std::string>>()->value_name("FILE")->composing(),
      "file to write, may be repeated: NAME.json.gz or NAME.json (trace for ui.perfetto.dev), NAME.h5 (all ranges); "
      "default: none");
  add("csv", text("FOLDER"), "write every table there as CSV");
  add("json", "print all tables as JSON");
  add_graph_option(command.visible);
  add_generation_options(command.visible);
  return command;
}

/// What the command line asks for beyond the generation.
struct ProfileRequest {
  fs::path plan;
  FullAttention attention = FullAttention::kBundled;
  int warm_up = 1;
  int repetitions = 1;
  HeadTimeMode heads = HeadTimeMode::kModel;
  bool overhead = false;
  std::vector<fs::path> outputs;
  fs::path csv;
  bool json = false;
};

/// One of two words.
bool is_second_word(const options::variables_map& values, const char* option, std::string_view first,
                    std::string_view second) {
  const auto word = values[option].as<std::string>();
  if (word != first && word != second)
    throw usage_error("--{} is '{}', expected {} or {}", option, word, first, second);
  return word == second;
}

int count_option(const options::variables_map& values, const char* option, int least) {
  const int count = values[option].as<int>();
  if (count < least || count > kMostRepetitions) {
    throw usage_error("--{} is {}, expected {} to {}", option, count, least, kMostRepetitions);
  }
  return count;
}

bool is_hdf5(const fs::path& path) {
  return path.extension() == ".h5" || path.extension() == ".hdf5";
}

void check_output(const fs::path& path) {
  const std::string name = path.filename().string();
  if (is_hdf5(path) || name.ends_with(".json") || name.ends_with(".json.gz")) return;
  throw usage_error("--output {}: expected a name that ends in .json.gz, .json or .h5", path.string());
}

FullAttention attention_option(const options::variables_map& values) {
  if (given(values, "attention") && given(values, "plan")) {
    throw usage_error("--attention is for the full cache; a plan's cache has the bundled attention");
  }
  return is_second_word(values, "attention", "bundled", "library") ? FullAttention::kLibrary : FullAttention::kBundled;
}

ProfileRequest profile_request(const options::variables_map& values, const GenerationSettings& settings) {
  ProfileRequest request{
      .plan = path_option(values, "plan"),
      .attention = attention_option(values),
      .warm_up = count_option(values, "warm-up", 0),
      .repetitions = count_option(values, "repetitions", 1),
      .heads = is_second_word(values, "heads", "model", "isolated") ? HeadTimeMode::kIsolated : HeadTimeMode::kModel,
      .overhead = given(values, "overhead"),
      .outputs = path_list(values, "output"),
      .csv = path_option(values, "csv"),
      .json = given(values, "json")};
  std::ranges::for_each(request.outputs, check_output);
  if (settings.cuda_graphs && request.attention == FullAttention::kLibrary) {
    throw usage_error("--cuda-graphs on needs --attention bundled: LibTorch's full cache cannot be captured");
  }
  return request;
}

/// Without a number of samples: one batch.
GenerationRequest profiled_samples(const GenerationSettings& settings, std::int64_t classes) {
  GenerationSettings sized = settings;
  if (!sized.samples && sized.labels.empty()) sized.samples = sized.batch;
  return generation_request(sized, classes);
}

Json record_of_run(const ProfileRequest& request, const GenerationSettings& settings, const Engine& engine,
                   const CommandContext& context) {
  Json json = to_json(settings);
  json["cuda_graphs"] = engine.uses_graphs();
  json["threads"] = thread_count();
  json["attention"] = request.attention == FullAttention::kLibrary ? "library" : "bundled";
  json["warm_up"] = request.warm_up;
  json["repetitions"] = request.repetitions;
  json["command_line"] = context.command_line;
  json["version"] = KVSCOPE_VERSION;
  return json;
}

ProfileResult profile(const ProfileRequest& request, GenerationSettings settings, const CommandContext& context) {
  std::optional<Plan> plan;
  if (!request.plan.empty()) plan = read_plan(request.plan);
  prepare_text(settings, context.err);
  // Before the model is loaded: CUPTI wants to see every kernel's module loaded.
  ActivityRecorder recorder;
  const std::string device_note =
      settings.device.is_cuda() ? recorder.start() : "the model runs on the CPU: times are those of the host's clock";
  const std::unique_ptr<Engine> engine = load_engine_with_graphs(settings, context.err);
  if (plan) plan = plan_of_run(*std::move(plan), request.plan, engine->model(), engine->steps(), context.err);
  ProfileResult result = run_profile(*engine, {.request = profiled_samples(settings, engine->classes()),
                                               .batch = settings.batch,
                                               .warm_up = request.warm_up,
                                               .repetitions = request.repetitions,
                                               .plan = plan ? &*plan : nullptr,
                                               .plan_name = request.plan.native(),
                                               .attention = request.attention,
                                               .heads = request.heads,
                                               .measure_overhead = request.overhead,
                                               .device = recorder.is_recording() ? &recorder : nullptr,
                                               .device_note = device_note,
                                               .progress = &context.err});
  result.run = record_of_run(request, settings, *engine, context);
  result.made_from = Json::object();
  if (plan) result.made_from["plan"] = {{"path", request.plan.string()}, {"sha256", sha256_of_file(request.plan)}};
  return result;
}

void write_files(const ProfileRequest& request, const ProfileResult& result, const ProfileSummary& summary,
                 std::ostream& err) {
  for (const fs::path& path : request.outputs) {
    if (is_hdf5(path)) {
      write_profile(path, result, summary);
    } else {
      write_trace(path, result);
    }
    err << "wrote " << path.string() << '\n';
  }
  if (request.csv.empty()) return;
  for (const auto& [name, table] : profile_tables(result, summary)) {
    write_file(request.csv / (name + ".csv"), csv_text(table));
  }
  err << "wrote " << request.csv.string() << '\n';
}

void print(const ProfileResult& result, const ProfileSummary& summary, std::ostream& out) {
  for (const auto& [name, table] : profile_tables(result, summary)) {
    if (name != "heads") out << text_table(table) << '\n';  // every head at every step is for files
  }
  for (const std::string& remark : profile_remarks(result, summary)) out << remark << '\n';
}

}  // namespace

ExitStatus run_profile(const CommandContext& context) {
  const auto values = parse_options(profile_options(), context);
  if (!values) return 0;
  const GenerationSettings settings = generation_settings(*values);
  const ProfileRequest request = profile_request(*values, settings);
  set_thread_count(settings.threads);
  catch_interrupts();
  // A folder that cannot be written is said before the run, not after it.
  for (const fs::path& path : request.outputs) const FileWriter probe(path);

  const ProfileResult result = profile(request, settings, context);
  const ProfileSummary summary = summarise(result);
  if (settings.device.is_cuda() && !result.has_device_records)
    context.err << "kvscope profile: no GPU records: " << result.device_note << '\n';
  write_files(request, result, summary, context.err);
  if (request.json) {
    context.out << profile_document(result, summary).dump(2) << '\n';
  } else {
    print(result, summary, context.out);
  }
  if (result.interrupted) throw Error(ErrorCode::kInterrupted, "interrupted: what was done until then is written");
  return 0;
}

}  // namespace kvscope
