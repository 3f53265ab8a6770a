#include "collectors/base/error.h"
#include "collectors/base/stopwatch.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

/// One plan of the demo: how it is made and what its files are called.
struct DemoPlan {
  std::string name;
  std::vector<std::string> words;
};

// HACK at two compressions, and HACK++ with the papers' split of budgets at the same ones (arXiv 2606.08302: 50/30
// and 30/20 are kept ratios of attention and of cache).
const std::vector<DemoPlan> kPlans = {
    {"lossless", {"--method", "lossless"}},
    {"hack-50", {"--method", "hack", "--compression", "0.5"}},
    {"hack-70", {"--method", "hack", "--compression", "0.7"}},
    {"hack++-50", {"--method", "hack++", "--attend", "0.5", "--carry", "0.3"}},
    {"hack++-70", {"--method", "hack++", "--attend", "0.3", "--carry", "0.2"}},
};

// As the bundled model's own samples were drawn (datasets/sample_model/README.md).
const std::vector<std::string> kSampling = {"--cfg", "1.5", "--top-k", "100", "--top-p", "0.95"};

// Replayed samples have noise that calibration did not see.
constexpr int kReplaySeed = 1000;

/// Runs the commands of the chain as a user would type them, and remembers how long each took.
class Chain {
 public:
  explicit Chain(const CommandContext& context) : context_(context) {}

  void run(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) line += ' ' + word;
    context_.err << "\n$ kvscope" << line << '\n';
    context_.err.flush();
    const Stopwatch watch;
    for (const Command& command : commands()) {
      if (command.name != words.front()) continue;
      const ExitStatus status =
          command.run({{words.begin() + 1, words.end()}, "kvscope" + line, context_.out, context_.err});
      if (status != 0)
        throw Error(ErrorCode::kCheckFailed, fmt::format("the step{} ended with status {}", line, status));
    }
    seconds_.emplace_back(words.front() + " " + fs::path(words.back()).filename().string(), watch.seconds());
  }

  void print_times(std::ostream& out) const {
    double sum = 0.0;
    for (const auto& [step, seconds] : seconds_) {
      out << fmt::format("{:>8.1f} s  {}\n", seconds, step);
      sum += seconds;
    }
    out << fmt::format("{:>8.1f} s  in all\n", sum);
  }

 private:
  const CommandContext& context_;
  std::vector<std::pair<std::string, double>> seconds_;
};

std::vector<std::string> joined(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> report_words(const fs::path& folder) {
  std::vector<std::string> words = {
      "report", "--capture", folder / "capture.h5", "--scores", folder / "scores.h5", "--heads", folder / "heads.json"};
  for (const DemoPlan& plan : kPlans) {
    words = joined(std::move(words),
                   {"--plan", folder / (plan.name + ".plan.json"), "--replay", folder / (plan.name + ".replay.json")});
  }
  return joined(std::move(words), {"--compare", folder / "diagonal.heads.json", "-o", folder / "report"});
}

void run_chain(Chain& chain, const fs::path& folder, const std::string& samples) {
  chain.run(
      joined(joined({"collect", "--samples", samples, "--images", "--maps", "all", "--map-samples", "2", "--overwrite"},
                    kSampling),
             {"-o", folder / "capture.h5"}));
  chain.run({"inspect", "--check", folder / "capture.h5"});
  chain.run({"analyze", folder / "capture.h5", "-o", folder / "scores.h5"});
  chain.run({"classify", folder / "scores.h5", "--method", "elbow", "-o", folder / "heads.json"});
  // Another way to tell the two kinds apart, for the report to compare with.
  chain.run({"classify", folder / "scores.h5", "--method", "diagonal", "-o", folder / "diagonal.heads.json"});
  for (const DemoPlan& plan : kPlans) {
    const fs::path plan_file = folder / (plan.name + ".plan.json");
    chain.run(joined(joined({"plan"}, plan.words),
                     {"--capture", folder / "capture.h5", "--heads", folder / "heads.json", "-o", plan_file}));
    chain.run(joined(
        joined({"replay", "--plan", plan_file, "--samples", samples, "--seed", std::to_string(kReplaySeed), "--images"},
               kSampling),
        {"-o", folder / (plan.name + ".replay.json")}));
  }
  chain.run(report_words(folder));
}

}  // namespace

ExitStatus run_demo(const CommandContext& context) {
  CommandOptions command{.name = "demo",
                         .description =
                             "Runs the whole chain on the bundled model, printing each command: collect, analyze, "
                             "classify, plan, replay, report."};
  command.visible.add_options()("output,o", options::value<std::string>()->default_value("kvscope-demo"),
                                "folder for all files; existing ones are replaced")(
      "samples", options::value<int>()->default_value(50), "samples to capture, and to replay per plan; at least 2");
  const auto values = parse_options(command, context);
  if (!values) return 0;
  const int samples = (*values)["samples"].as<int>();
  if (samples < 2) throw usage_error("--samples is {}, but intervals over samples need at least 2", samples);

  const fs::path folder = (*values)["output"].as<std::string>();
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw environment_error("{}: cannot make the folder: {}", folder.string(), failure.message());

  Chain chain(context);
  run_chain(chain, folder, std::to_string(samples));
  context.err << '\n';
  chain.print_times(context.err);
  context.err << "\nOpen the report in a browser:\n";
  context.out << (folder / "report" / "index.html").string() << '\n';
  return 0;
}

}  // namespace kvscope
