#include "collectors/base/file.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "kernels/replay/replay.h"
#include "kernels/replay/replay_estimate.h"
#include "kernels/replay/requirement.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/engine_option.h"
#include "reports/command_line/evaluator_option.h"
#include "reports/command_line/generation_options.h"
#include "reports/command_line/memory_rows.h"
#include "reports/command_line/plan_of_run.h"
#include "reports/command_line/provenance.h"
#include "reports/command_line/run_text.h"
#include "reports/tables/replay_tables.h"
#include "reports/tables/text_table.h"

#include <string>
#include <vector>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

std::string figures_text() {
  std::string text = "Figures for --require (means over samples):\n";
  for (const ReplayFigure& figure : replay_figures())
    text += fmt::format("  {:<17} {}\n", figure.name, figure.description);
  return text;
}

CommandOptions replay_options() {
  CommandOptions command{
      .name = "replay",
      .positional = "",
      .description =
          "Generates the same samples with the full KV cache and with a plan's compressed one, side by side, and\n"
          "writes what the compression costs: tokens, sampling distributions, attention outputs, images, bytes,\n"
          "seconds. Free-running, the compressed run feeds on its own tokens; teacher-forced, on the full run's.\n"
          "Without --checkpoint the bundled model runs and its evaluator judges the images.\n\n" +
          figures_text()};
  const auto text = [](const char* unit) { return options::value<std::string>()->value_name(unit); };
  auto add = command.visible.add_options();
  add("plan", text("FILE"), "plan.json to prove (required)");
  add("output,o", text("FILE")->default_value("replay.json"), "file to write");
  add("mode", text("MODE")->default_value("both"), "both, free or forced");
  add("require", text("LIST"),
      "what must hold, e.g. psnr>=25,agreement>=0.9,kl<=0.05; exit status 1 if one does not (the file is written)");
  add("images", "also write the images of both runs and the kept positions, to the output's name with .h5");
  add_evaluator_options(command.visible);
  add("estimate", "print what the run takes in memory, cache and time, and stop");
  add("json", "print the whole result as JSON");
  add_graph_option(command.visible);
  add_generation_options(command.visible);
  return command;
}

/// What the command line asks for beyond the generation.
struct ReplayRequest {
  fs::path plan;
  fs::path output;
  bool free_running = true;
  bool teacher_forced = true;
  bool images = false;
  bool json = false;
  EvaluatorFiles evaluator;
  std::vector<ReplayRequirement> requirements;

  [[nodiscard]] int modes() const { return static_cast<int>(free_running) + static_cast<int>(teacher_forced); }
  [[nodiscard]] fs::path images_file() const { return fs::path(output).replace_extension(".h5"); }
};

void read_mode(const std::string& mode, ReplayRequest& request) {
  if (mode != "both" && mode != "free" && mode != "forced") {
    throw usage_error("--mode is '{}', expected both, free or forced", mode);
  }
  request.free_running = mode != "forced";
  request.teacher_forced = mode != "free";
}

ReplayRequest replay_request(const options::variables_map& values, const GenerationSettings& settings) {
  ReplayRequest request{.plan = required_option<std::string>(values, "plan"),
                        .output = values["output"].as<std::string>(),
                        .images = given(values, "images"),
                        .json = given(values, "json")};
  read_mode(values["mode"].as<std::string>(), request);
  if (request.images && !request.free_running) throw usage_error("--images needs the free-running mode");
  if (request.images && request.images_file() == request.output) {
    throw usage_error("--output {}: the name ends like that of the images' file, expected .json",
                      request.output.string());
  }
  if (request.free_running) request.evaluator = evaluator_files(values, settings);
  if (given(values, "require")) request.requirements = parse_requirements(values["require"].as<std::string>());
  check_requirements_possible(request.requirements, {.free_running = request.free_running,
                                                     .teacher_forced = request.teacher_forced,
                                                     .evaluator = !request.evaluator.evaluator.empty(),
                                                     .reference_features = !request.evaluator.features.empty()});
  return request;
}

Json origins(const ReplayRequest& request) {
  Json json{{"plan", file_origin(request.plan)}};
  request.evaluator.add_origins(json);
  return json;
}

ReplayOptions replay_of(const ReplayRequest& request, const GenerationSettings& settings, const Engine& engine) {
  return {.request = generation_request(settings, engine.classes()),
          .batch = settings.batch,
          .free_running = request.free_running,
          .teacher_forced = request.teacher_forced,
          .keep_images = request.images};
}

MemoryUse memory_use(const ReplayRequest& request, const Plan& plan) {
  const auto besides = [&](const ModelSizes& sizes, const GenerationShape& shape) {
    return replay_memory_bytes(sizes, shape, plan, request.plan.string(), request.modes());
  };
  return {.images = request.free_running, .besides = besides};
}

ReplayOutcome replay(const ReplayRequest& request, GenerationSettings settings, const CommandContext& context) {
  Plan plan = read_plan(request.plan);
  prepare_text(settings, context.err);
  const std::unique_ptr<Engine> engine = load_engine_with_graphs(settings, context.err, memory_use(request, plan));
  plan = plan_of_run(std::move(plan), request.plan, engine->model(), engine->steps(), context.err);
  const LoadedEvaluator evaluator = load_evaluator(request.evaluator, settings.device);
  ReplayOptions options = replay_of(request, settings, *engine);
  options.evaluator = evaluator.judge();
  options.reference = evaluator.reference();
  options.progress = &context.err;
  ReplayOutcome outcome = run_replay(*engine, plan, request.plan.string(), options);
  outcome.result.run = run_record(settings, context);
  outcome.result.run["cuda_graphs"] = engine->uses_graphs();
  return outcome;
}

void print(const ReplayEstimate& estimate, bool as_json, std::ostream& out) {
  if (as_json) {
    Json document{{"samples", estimate.samples},
                  {"batch", estimate.batch},
                  {"runs", estimate.runs},
                  {"full_cache_bytes", estimate.full_cache_bytes},
                  {"compressed_cache_bytes", estimate.compressed_cache_bytes}};
    add_memory_fields(estimate.memory, document);
    if (estimate.seconds) document["seconds"] = *estimate.seconds;
    out << document.dump(2) << '\n';
    return;
  }
  Table table("What the replay takes",
              {{.name = "part", .label = "part"}, {.name = "bytes", .label = "size", .format = CellFormat::kBytes}});
  table.add_row({fmt::format("full cache, {} samples", estimate.batch), estimate.full_cache_bytes});
  table.add_row({"a compressed cache of as many", estimate.compressed_cache_bytes});
  add_memory_rows(estimate.memory, table);
  out << text_table(table);
  if (!estimate.seconds) return;
  out << fmt::format(
      "at most {:.0f} s on this machine with {} threads, in {} runs of {} samples; decoding images comes on "
      "top\n",
      *estimate.seconds, thread_count(), estimate.runs, estimate.samples);
}

/// For --estimate: nothing is written.
void estimate(const ReplayRequest& request, GenerationSettings settings, const CommandContext& context) {
  Plan plan = read_plan(request.plan);
  prepare_text_for_estimate(settings, context.err);
  const std::unique_ptr<Engine> engine = load_engine_for_estimate(settings, context.err);
  plan = plan_of_run(std::move(plan), request.plan, engine->model(), engine->steps(), context.err);
  print(estimate_replay(*engine, plan, replay_of(request, settings, *engine)), request.json, context.out);
}

void print(const ReplayResult& result, bool as_json, std::ostream& out) {
  if (as_json) {
    out << to_json(result).dump(2) << '\n';
    return;
  }
  out << text_table(replay_step_table(result)) << '\n' << text_table(replay_figure_table(result)) << '\n';
  out << text_table(replay_cache_table(result));
  if (result.cache.codes > 0) {
    out << fmt::format("8-bit codes: {} of {} elements saturated\n", result.cache.saturated_codes, result.cache.codes);
  }
  out << '\n' << text_table(replay_time_table(result));
  if (!result.requirements.empty()) out << '\n' << text_table(replay_requirement_table(result));
}

}  // namespace

ExitStatus run_replay(const CommandContext& context) {
  const auto values = parse_options(replay_options(), context);
  if (!values) return 0;
  const GenerationSettings settings = generation_settings(*values);
  const ReplayRequest request = replay_request(*values, settings);
  set_thread_count(settings.threads);
  catch_interrupts();
  if (given(*values, "estimate")) {
    estimate(request, settings, context);
    return 0;
  }
  { const FileWriter probe(request.output); }  // a folder that cannot be written is said before the run, not after it

  ReplayOutcome outcome = replay(request, settings, context);
  ReplayResult& result = outcome.result;
  result.made_from = origins(request);
  result.requirements = request.requirements;
  judge(result.requirements, result);
  if (outcome.images) {
    write_replay_images(request.images_file(), *outcome.images);
    result.images = request.images_file().filename().string();
    context.err << "wrote " << request.images_file().string() << '\n';
  }
  write_replay(request.output, result);
  context.err << "wrote " << request.output.string() << '\n';
  print(result, request.json, context.out);
  check_requirements(result.requirements);
  return 0;
}

}  // namespace kvscope
