#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/base/process_memory.h"
#include "collectors/capture/collect.h"
#include "kernels/cuda/statistics/device_statistics_engine.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/engine_option.h"
#include "reports/command_line/generation_options.h"
#include "reports/command_line/memory_rows.h"
#include "reports/command_line/options.h"
#include "reports/command_line/run_text.h"
#include "reports/tables/table.h"
#include "reports/tables/text_table.h"

#include <fmt/ranges.h>

namespace kvscope {
namespace {

CommandOptions collect_options() {
  CommandOptions command{
      .name = "collect",
      .positional = "-o CAPTURE",
      .description =
          "Generates images with the full cache and records every attention head: statistics per sample, "
          "means over samples, and raw maps of a selection (docs/formats/capture.md). The file is written as "
          "CAPTURE.partial and renamed when it is complete; Ctrl-C ends the run after the batch in "
          "progress and leaves a valid CAPTURE.partial, with which --resume goes on."};
  add_generation_options(command.visible);
  options::options_description group("Capture");
  auto add = group.add_options();
  const auto text = [] { return options::value<std::string>(); };
  add("output,o", text()->value_name("FILE"), "capture to write");
  add("maps", text()->default_value("none")->value_name("SELECTION"),
      "raw maps to store: none, all, or e.g. layers=0-3,heads=1,steps=8-9");
  add("map-samples", options::value<std::int64_t>()->value_name("N"),
      "raw maps of the first N samples only; default: of all");
  add("images", "store the images");
  add("keep", text()->value_name("NAME"), "column_mean: store every sample's column means, too");
  add("max-bytes", options::value<std::int64_t>()->value_name("BYTES"),
      "largest finished file, in bytes; parts are left out until it fits: raw maps, per-sample column means, images, "
      "thumbnails, "
      "displacement histograms, second moments, mean squares, ranges, norms");
  add("estimate", "print the bytes and the memory the capture takes, and stop");
  add("resume", "go on with FILE.partial; start where there is none");
  add("overwrite", "start over where FILE.partial is there");
  add("measure-overhead", "generate the samples once more without recording and print the ratio of the times");
  add("json", "print JSON");
  command.visible.add(group);
  return command;
}

EarlierRun earlier_run(const options::variables_map& values) {
  if (given(values, "resume") && given(values, "overwrite"))
    throw usage_error("--resume and --overwrite contradict each other");
  if (given(values, "resume")) return EarlierRun::kResume;
  return given(values, "overwrite") ? EarlierRun::kReplace : EarlierRun::kRefuse;
}

CollectRequest collect_request(const options::variables_map& values, const GenerationSettings& settings,
                               const CommandContext& context) {
  CollectRequest request{.seed = settings.seed,
                         .guidance = settings.guidance,
                         .top_k = settings.top_k,
                         .top_p = settings.top_p,
                         .temperature = settings.temperature,
                         .guidance_of_step = settings.guidance_of_step,
                         .temperature_of_step = settings.temperature_of_step,
                         .batch = settings.batch,
                         .maps = values["maps"].as<std::string>(),
                         .images = given(values, "images"),
                         .earlier_run = earlier_run(values),
                         .command_line = context.command_line,
                         .versions = {{"kvscope", KVSCOPE_VERSION}},
                         .progress = &context.err};
  if (given(values, "keep")) {
    const auto name = values["keep"].as<std::string>();
    if (name != "column_mean") throw usage_error("--keep: '{}' is not known; column_mean is", name);
    request.keep_column_mean = true;
  }
  if (given(values, "map-samples")) request.map_samples = values["map-samples"].as<std::int64_t>();
  if (given(values, "max-bytes")) request.max_bytes = values["max-bytes"].as<std::int64_t>();
  return request;
}

void warn_of_omissions(const std::vector<std::string>& left_out, std::ostream& err) {
  if (!left_out.empty())
    err << fmt::format("kvscope collect: left out to stay within --max-bytes: {}\n", fmt::join(left_out, ", "));
}

std::unique_ptr<Engine> load_collect_engine(const GenerationSettings& settings, const CollectRequest& request,
                                            bool estimate, std::ostream& err) {
  if (estimate) return load_engine_for_estimate(settings, err);
  return load_engine(settings, err,
                     {.images = request.images, .besides = [&](const ModelSizes& sizes, const GenerationShape& shape) {
                        return statistics_memory_bytes(sizes, shape, request);
                      }});
}

void print_estimate(const CollectEstimate& estimate, bool images, bool as_json, const CommandContext& context) {
  Table table("What the capture takes",
              {{.name = "part", .label = "part"}, {.name = "bytes", .label = "size", .format = CellFormat::kBytes}});
  for (const auto& part : estimate.parts) table.add_row({part.name, part.bytes});
  warn_of_omissions(estimate.left_out, context.err);
  if (as_json) {
    Json document{{"parts", to_json(table)},
                  {"file_bytes", estimate.file_bytes},
                  {"accumulator_bytes", estimate.accumulator_bytes},
                  {"memory_bytes", estimate.memory_bytes},
                  {"left_out", estimate.left_out}};
    add_memory_fields(estimate.memory, document);
    if (estimate.seconds) {
      document["generation_seconds"] = estimate.seconds->generation;
      document["statistics_seconds"] = estimate.seconds->statistics;
    }
    context.out << document.dump(2) << '\n';
    return;
  }
  table.add_row({"finished file", estimate.file_bytes});
  table.add_row({"while it is written, besides", estimate.accumulator_bytes});
  table.add_row({"memory, besides the weights", estimate.memory_bytes});
  add_memory_rows(estimate.memory, table);
  context.out << text_table(table);
  if (!estimate.seconds) return;
  context.out << fmt::format("{:.0f} s on this machine with {} threads: {:.0f} s generating, {:.0f} s recording{}\n",
                             estimate.seconds->total(), thread_count(), estimate.seconds->generation,
                             estimate.seconds->statistics, images ? "; decoding images comes on top" : "");
}

Json summary(const CollectResult& result) {
  return {{"file", result.file.string()},
          {"samples", result.samples},
          {"resumed_from", result.resumed_from},
          {"file_bytes", result.file_bytes},
          {"seconds", result.seconds},
          {"observer_seconds", result.observer_seconds},
          {"write_seconds", result.write_seconds},
          {"peak_memory_bytes", peak_process_bytes()},
          {"left_out", result.left_out}};
}

void print_summary(const Json& summary, std::ostream& out) {
  const auto seconds = [&](const char* name) { return summary[name].get<double>(); };
  out << fmt::format("{}: {} samples, {}\n", summary["file"].get<std::string>(), summary["samples"].get<std::int64_t>(),
                     bytes_text(summary["file_bytes"].get<double>()));
  out << fmt::format("{:.1f} s: {:.1f} s of it recording, {:.1f} s writing; peak memory {}\n", seconds("seconds"),
                     seconds("observer_seconds"), seconds("write_seconds"),
                     bytes_text(summary["peak_memory_bytes"].get<double>()));
  if (!summary.contains("overhead")) return;
  out << fmt::format("plain generation {:.1f} s: recording and writing cost {:.1f} % of it\n", seconds("plain_seconds"),
                     100 * (seconds("overhead") - 1));
}

}  // namespace

ExitStatus run_collect(const CommandContext& context) {
  const auto values = parse_options(collect_options(), context);
  if (!values) return 0;
  GenerationSettings settings = generation_settings(*values);
  CollectRequest request = collect_request(*values, settings, context);
  const bool estimates = given(*values, "estimate");
  if (!estimates) request.output = required_option<std::string>(*values, "output");
  set_thread_count(settings.threads);
  catch_interrupts();
  if (estimates) {
    prepare_text_for_estimate(settings, context.err);
  } else {
    prepare_text(settings, context.err);
  }
  const auto engine = load_collect_engine(settings, request, estimates, context.err);
  request.labels = sample_labels(settings, engine->classes());
  request.text = settings.text;
  request.negative_text = settings.negative_text;
  if (estimates) {
    print_estimate(estimate_collect(*engine, request), request.images, given(*values, "json"), context);
    return 0;
  }
  request.statistics = statistics_engine_for(engine->device());
  if (given(*values, "measure-overhead")) touch_weights(*engine, request);
  const CollectResult result = collect(*engine, request);
  warn_of_omissions(result.left_out, context.err);
  Json report = summary(result);
  if (given(*values, "measure-overhead")) {
    const double plain = plain_generation_seconds(*engine, request);
    const auto made = static_cast<double>(result.samples - result.resumed_from);
    report["plain_seconds"] = plain;
    report["overhead"] = result.seconds / made / (plain / static_cast<double>(result.samples));
  }
  if (given(*values, "json")) {
    context.out << report.dump(2) << '\n';
  } else {
    print_summary(report, context.out);
  }
  return 0;
}

}  // namespace kvscope
