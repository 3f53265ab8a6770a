#include "support/aten.h"
// aten.h comes first.
#include "collectors/base/file.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/collect.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/capture/recording_kv_cache.h"
#include "collectors/hdf5/hdf5_file.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/text/text_features.h"
#include "support/errors.h"
#include "support/noise_engine.h"
#include "support/paths.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

using namespace kvscope;
using testing::check_error;

namespace {

CollectRequest small_request(const std::filesystem::path& output) {
  CollectRequest request;
  request.output = output;
  request.labels = {3, 1, 4, 1, 5, 9, 2};
  request.seed = 11;
  request.batch = 3;
  request.maps = "all";
  request.images = true;
  request.keep_column_mean = true;
  return request;
}

void add_datasets(const Hdf5File& file, const std::string& group, std::set<std::string>& all) {
  for (const std::string& name : file.children(group)) {
    const std::string path = (group == "/" ? "" : group) + "/" + name;
    if (file.is_dataset(path)) {
      all.insert(path);
    } else {
      add_datasets(file, path, all);
    }
  }
}

/// Every dataset of both files has the same values to the last bit; returns how many there are.
std::size_t check_same_datasets(const std::filesystem::path& a, const std::filesystem::path& b) {
  const Hdf5File left = Hdf5File::open(a);
  const Hdf5File right = Hdf5File::open(b);
  std::set<std::string> names;
  std::set<std::string> other_names;
  add_datasets(left, "/", names);
  add_datasets(right, "/", other_names);
  CHECK(names == other_names);
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(left.shape(name) == right.shape(name));
    const auto x = left.read<double>(name);
    const auto y = right.read<double>(name);
    CHECK(std::equal(x.values().begin(), x.values().end(), y.values().begin(), y.values().end()));
  }
  return names.size();
}

/// Asks to stop when it is called for the (count + 1)-th time, i.e. after so many batches.
std::function<bool()> stop_after(int count) {
  return [left = count]() mutable { return left-- == 0; };
}

/// No file may grow beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, SIG_DFL);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
};

}  // namespace

TEST_SUITE("collectors.capture.collect") {
  TEST_CASE("tokens that are words of bits and prompts are stored as such whatever the batch") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine({.vocabulary = 2, .variables = 5});
    TextFeatures text;
    text.features = Array<float>({3, 4});
    text.lengths = {1, 2};
    text.prompts = {"a cat", "a dog"};
    CollectRequest request = small_request(folder / "bits.h5");
    request.text = std::make_shared<const TextFeatures>(text);
    request.labels = {1, 0, 1};
    (void)collect(engine, request);
    const Capture capture = Capture::open(folder / "bits.h5");
    CHECK(capture.tokens().empty());
    CHECK(capture.prompts() == std::vector<std::string>{"a dog", "a cat", "a dog"});
    const auto bits = capture.bits();
    REQUIRE(bits.shape() == Shape{3, 17, 5});
    CHECK(std::ranges::count(bits.values(), 0) + std::ranges::count(bits.values(), 1) == bits.size());

    FullKvCache cache;
    cache.begin(2);
    GenerationRequest second{.labels = {0}, .sample_ids = {1}, .seed = request.seed};
    const auto session = engine.start(second);
    while (!session->done()) {
      const StepOutcome outcome = session->advance(cache);
      for (std::int64_t i = 0; i < outcome.tokens.size(1); ++i) {
        for (std::int64_t j = 0; j < 5; ++j) {
          CHECK(bits(1, engine.steps().token_offset(outcome.step) + i, j) ==
                outcome.tokens[0][i][j].item<std::int64_t>());
        }
      }
    }
    request.batch = 1;
    request.output = folder / "one.h5";
    (void)collect(engine, request);
    CHECK(std::ranges::equal(Capture::open(folder / "one.h5").bits().values(), bits.values()));
  }

  TEST_CASE("a capture of other prompts is not gone on with") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    TextFeatures text;
    text.features = Array<float>({1, 4});
    text.lengths = {1};
    CollectRequest request = small_request(folder / "c.h5");
    request.labels = {0, 0};
    request.batch = 1;
    request.text = std::make_shared<const TextFeatures>(text);
    request.stop = stop_after(1);
    CHECK_THROWS_AS((void)collect(engine, request), Error);
    text.features(0, 1) = 1.0F;
    request.text = std::make_shared<const TextFeatures>(text);
    request.earlier_run = EarlierRun::kResume;
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)collect(engine, request); }, "text");
  }

  TEST_CASE("stored statistics are those of the stored maps") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    const CollectResult result = collect(engine, small_request(folder / "c.h5"));
    CHECK(result.samples == 7);
    CHECK(result.file_bytes == static_cast<std::int64_t>(std::filesystem::file_size(folder / "c.h5")));
    CHECK_FALSE(std::filesystem::exists(partial_path(folder / "c.h5")));
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.complete());
    CHECK(capture.model() == engine.model());
    CHECK(capture.labels() == std::vector<std::int64_t>{3, 1, 4, 1, 5, 9, 2});
    CHECK(capture.seeds().at(6) == 11);
    CHECK(capture.images().shape() == Shape{7, 4, 6, 3});
    CHECK(capture.tokens().shape() == Shape{7, 17});
    CHECK(capture.images()(6, 0, 0, 0) == capture.tokens()(6, 5));
    for (int step = 0; step < 3; ++step) {
      const auto variance = capture.read(statistic::kColumnVariance, step);
      const auto entropy = capture.read(statistic::kEntropy, step);
      const auto band = capture.read(statistic::kBandMass, step);
      const auto sample_mean = capture.read(statistic::kSampleColumnMean, step);
      const auto fidelity = capture.read(statistic::kFidelity, step);
      for (int sample = 0; sample < 7; ++sample) {
        for (int head = 0; head < 4; ++head) {
          const auto map = capture.read_map(1, head, step, sample, 1);
          const auto expected = statistics_of_map(map.values(), capture.steps(), step);
          CHECK(std::abs(variance(sample, 1, 1, head) - expected.column_variance) < 1e-5 * expected.square_sum);
          CHECK(entropy(sample, 1, 1, head) == doctest::Approx(expected.entropy).epsilon(1e-5));
          CHECK(band(sample, 1, 1, head, step, 1) ==
                doctest::Approx(expected.band_mass[static_cast<std::size_t>(step) * 4 + 1]).epsilon(1e-5));
          CHECK(sample_mean(sample, 1, 1, head, 0) == doctest::Approx(expected.column_mean[0]).epsilon(1e-5));
          CHECK(fidelity(sample, 1, 1, head) < 1e-5F);
        }
      }
    }
  }

  TEST_CASE("means are means over the samples") {
    const testing::TemporaryFolder folder;
    (void)collect(testing::small_noise_engine(), small_request(folder / "c.h5"));
    const Capture capture = Capture::open(folder / "c.h5");
    const auto each = capture.read(statistic::kSampleColumnMean, 2);
    const auto mean = capture.read(mean_statistic::kColumnMean, 2);
    const auto square = capture.read(mean_statistic::kColumnMeanSquare, 2);
    double sum = 0;
    double squares = 0;
    for (int sample = 0; sample < 7; ++sample) {
      const double value = each(sample, 1, 0, 3, 9);
      sum += value / 7;
      squares += value * value / 7;
    }
    CHECK(mean(1, 0, 3, 9) == doctest::Approx(sum).epsilon(1e-6));
    CHECK(square(1, 0, 3, 9) == doctest::Approx(squares).epsilon(1e-6));
    const auto range = capture.read(mean_statistic::kKeyRange, 2);
    for (int channel = 0; channel < 16; ++channel) {
      CHECK(range(0, 0, 1, 0, channel) < -1.5F);  // keys are uniform in [-2, 2)
      CHECK(range(0, 0, 1, 1, channel) > 1.5F);
      CHECK(std::abs(range(0, 0, 1, 2, channel)) < 0.6F);
    }
    CHECK(capture.read(mean_statistic::kValueNorm, 2).shape() == Shape{2, 2, 2, 17});
  }

  TEST_CASE("the file does not depend on the batch") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    (void)collect(engine, small_request(folder / "three.h5"));
    for (const std::int64_t batch : {1, 7, 100}) {
      auto request = small_request(folder / "other.h5");
      request.batch = batch;
      (void)collect(engine, request);
      CHECK(check_same_datasets(folder / "three.h5", folder / "other.h5") > 60);
    }
  }

  TEST_CASE("a stopped run is a valid capture of the samples so far") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    auto request = small_request(folder / "c.h5");
    request.stop = stop_after(2);
    check_error(
        ErrorCode::kInterrupted, [&] { (void)collect(engine, request); }, "6 of 7", "c.h5.partial", "--resume");
    CHECK_FALSE(std::filesystem::exists(folder / "c.h5"));

    auto six = small_request(folder / "six.h5");
    six.labels.resize(6);
    (void)collect(engine, six);
    const Capture stopped = Capture::open(partial_path(folder / "c.h5"));
    const Capture expected = Capture::open(folder / "six.h5");
    CHECK_FALSE(stopped.complete());
    CHECK(stopped.samples() == 6);
    CHECK(stopped.map_samples() == 6);
    CHECK(stopped.labels() == expected.labels());
    for (int step = 0; step < 3; ++step) {
      for (const auto& quantity : {statistic::kEntropy, statistic::kBandMass, mean_statistic::kColumnMean,
                                   mean_statistic::kKeyRange, mean_statistic::kDisplacement}) {
        const auto x = stopped.read(quantity, step);
        const auto y = expected.read(quantity, step);
        CHECK(x.shape() == y.shape());
        CHECK(std::equal(x.values().begin(), x.values().end(), y.values().begin()));
      }
    }
  }

  TEST_CASE("a resumed run ends with the same bits as one that was never stopped") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    (void)collect(engine, small_request(folder / "whole.h5"));
    for (const int batches : {0, 1, 2}) {
      CAPTURE(batches);
      auto request = small_request(folder / "parts.h5");
      request.earlier_run = EarlierRun::kReplace;
      request.stop = stop_after(batches);
      check_error(
          ErrorCode::kInterrupted, [&] { (void)collect(engine, request); }, "stopped");
      request.stop = nullptr;
      request.earlier_run = EarlierRun::kResume;
      request.batch = 2;
      const CollectResult result = collect(engine, request);
      CHECK(result.resumed_from == 3 * batches);
      CHECK(check_same_datasets(folder / "whole.h5", folder / "parts.h5") > 60);
      CHECK(Capture::open(folder / "parts.h5").complete());
    }
  }

  TEST_CASE("a kill in the middle of a flush leaves the flush before it whole") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    (void)collect(engine, small_request(folder / "whole.h5"));
    auto request = small_request(folder / "c.h5");
    request.stop = stop_after(1);
    check_error(
        ErrorCode::kInterrupted, [&] { (void)collect(engine, request); }, "3 of 7");
    {  // what a kill between writing the other slot and counting it leaves: garbage that nothing points at
      Hdf5File file = Hdf5File::open_for_writing(partial_path(folder / "c.h5"));
      const std::int64_t other = file.number_list_attribute(kAccumulators, "samples").at(0) == 3 ? 1 : 0;
      file.write_slab(kAccumulators, {other, 0}, Array<double>(Shape{1, file.shape(kAccumulators)[1]}, 1e9));
      file.write_slab(dataset_path(statistic::kEntropy, 1), {3, 0, 0, 0}, Array<float>(Shape{2, 2, 2, 4}, 1e9F));
      file.close();
    }
    CHECK(Capture::open(partial_path(folder / "c.h5")).read(mean_statistic::kColumnMean, 2)(0, 0, 0, 0) < 1.0F);
    request.stop = nullptr;
    request.earlier_run = EarlierRun::kResume;
    (void)collect(engine, request);
    CHECK(check_same_datasets(folder / "whole.h5", folder / "c.h5") > 60);
  }

  TEST_CASE("another model or other settings are refused by name") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    auto request = small_request(folder / "c.h5");
    request.stop = stop_after(1);
    check_error(
        ErrorCode::kInterrupted, [&] { (void)collect(engine, request); }, "3 of 7");
    request.earlier_run = EarlierRun::kResume;
    const auto refuse = [&](auto&& change, const char* word) {
      auto changed = request;
      change(changed);
      check_error(
          ErrorCode::kBadInput, [&] { (void)collect(engine, changed); }, "c.h5.partial", word);
    };
    refuse([](CollectRequest& r) { r.seed = 12; }, "'seed' is 11");
    refuse([](CollectRequest& r) { r.guidance = 1; }, "'guidance'");
    refuse([](CollectRequest& r) { r.labels[0] = 0; }, "labels");
    refuse([](CollectRequest& r) { r.labels.push_back(0); }, "'samples' is 7");
    refuse([](CollectRequest& r) { r.maps = "none"; }, "'maps'");
    refuse([](CollectRequest& r) { r.images = false; }, "images");
    ModelInfo other_model = engine.model();
    other_model.fingerprint = "other";
    const testing::NoiseEngine other(other_model, engine.steps());
    check_error(
        ErrorCode::kBadInput, [&] { (void)collect(other, request); }, "fingerprint", "other");
    request.earlier_run = EarlierRun::kRefuse;
    check_error(
        ErrorCode::kUsage, [&] { (void)collect(engine, request); }, "c.h5.partial", "--resume", "--overwrite");
  }

  TEST_CASE("a setting that only the earlier run had is refused by name") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    auto request = small_request(folder / "c.h5");
    request.temperature = 0.5;
    request.stop = stop_after(1);
    check_error(
        ErrorCode::kInterrupted, [&] { (void)collect(engine, request); }, "3 of 7");
    request.earlier_run = EarlierRun::kResume;
    request.temperature.reset();
    check_error(
        ErrorCode::kBadInput, [&] { (void)collect(engine, request); }, "'temperature' is 0.5 there, but null");
  }

  TEST_CASE("impossible requests are refused before a file is made") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    const auto refuse = [&](auto&& change, const char* word) {
      auto changed = small_request(folder / "c.h5");
      change(changed);
      check_error(
          ErrorCode::kUsage, [&] { (void)collect(engine, changed); }, word);
      CHECK(std::filesystem::is_empty(folder.path()));
    };
    refuse([](CollectRequest& r) { r.labels = {10}; }, "label 10");
    refuse([](CollectRequest& r) { r.labels = {-1}; }, "label -1");
    refuse([](CollectRequest& r) { r.labels.clear(); }, "sample");
    refuse([](CollectRequest& r) { r.batch = 0; }, "batch");
    refuse([](CollectRequest& r) { r.top_p = 2; }, "top_p");
    refuse([](CollectRequest& r) { r.maps = "layers=7"; }, "layers 7");
    refuse([](CollectRequest& r) { r.maps = "some"; }, "some");
    refuse([](CollectRequest& r) { r.maps = "layers=1-0"; }, "backwards");
    refuse([](CollectRequest& r) { r.maps = ""; }, "empty");
    refuse([](CollectRequest& r) { r.max_bytes = 100; }, "--max-bytes 100");
  }

  TEST_CASE("a selection stores the maps it names") {
    const testing::TemporaryFolder folder;
    auto request = small_request(folder / "c.h5");
    request.maps = "layers=1,heads=0,2-3,steps=2";
    (void)collect(testing::small_noise_engine(), request);
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.maps().size() == 3);
    CHECK(capture.has_map(1, 3, 2));
    CHECK_FALSE(capture.has_map(1, 1, 2));
    request.map_samples = 4;  // one batch and a part of the next
    (void)collect(testing::small_noise_engine(), request);
    const Capture fewer = Capture::open(folder / "c.h5");
    CHECK(fewer.map_samples() == 4);
    const auto map = fewer.read_map(1, 3, 2, 3, 1);
    const auto expected = statistics_of_map(map.values(), fewer.steps(), 2);
    CHECK(fewer.read(statistic::kEntropy, 2)(3, 1, 1, 3) == doctest::Approx(expected.entropy).epsilon(1e-5));
    request.maps = "none";
    (void)collect(testing::small_noise_engine(), request);
    CHECK(Capture::open(folder / "c.h5").maps().empty());
  }

  TEST_CASE("a byte limit leaves parts out in order and the file says which") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    auto request = small_request(folder / "c.h5");
    const CollectEstimate all = estimate_collect(engine, request);
    CHECK(all.left_out.empty());
    request.max_bytes = all.file_bytes - 1;
    CHECK(estimate_collect(engine, request).left_out == std::vector<std::string>{"maps"});
    CHECK(all.parts.back().bytes == 7 * 2 * 2 * 4 * (1 + 4 * 5 + 12 * 17) * 4);
    request.max_bytes = estimate_collect(engine, request).file_bytes - 1;
    const CollectEstimate less = estimate_collect(engine, request);
    CHECK(less.left_out == std::vector<std::string>{"maps", "column_mean per sample"});
    CHECK(less.file_bytes <= *request.max_bytes);
    request.max_bytes = less.file_bytes - 60'000;
    const CollectResult result = collect(engine, request);
    CHECK(result.left_out.back() == "displacement");
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.run()["left_out"].get<std::vector<std::string>>() == result.left_out);
    CHECK_FALSE(capture.has(mean_statistic::kDisplacement, 2));
    CHECK(capture.has(mean_statistic::kColumnMean, 2));
  }

  TEST_CASE("the estimate is what the file takes") {
    const testing::TemporaryFolder folder;
    auto request = small_request(folder / "c.h5");
    const auto estimate = estimate_collect(testing::small_noise_engine(), request);
    (void)collect(testing::small_noise_engine(), request);
    const Hdf5File file = Hdf5File::open(folder / "c.h5");
    std::set<std::string> names;
    add_datasets(file, "/", names);
    std::int64_t elements = 0;
    for (const std::string& name : names) {
      if (name.starts_with("/statistics") && name.find("step_02/e") != std::string::npos)
        elements += element_count(file.shape(name));
    }
    CHECK(elements == 7 * 2 * 2 * 4);
    std::int64_t bytes = 0;
    for (const std::string& name : names) {
      const bool is_scale = name.starts_with("/axes") || name == "/steps" || file.shape(name).size() == 1;
      if (!is_scale || name.starts_with("/samples")) bytes += file.stored_bytes(name);
    }
    const auto bookkeeping = std::ranges::find(estimate.parts, "bookkeeping", &CollectEstimate::Part::name);
    const std::int64_t data = estimate.file_bytes - bookkeeping->bytes;
    // Stored chunks carry a checksum of 4 bytes each.
    CHECK(static_cast<double>(bytes) == doctest::Approx(static_cast<double>(data)).epsilon(0.03));
    const auto size = static_cast<double>(std::filesystem::file_size(folder / "c.h5"));
    CHECK(size == doctest::Approx(static_cast<double>(estimate.file_bytes)).epsilon(0.25));
  }

  TEST_CASE("a full disk is an error of the environment and loses nothing that was flushed") {
    const testing::TemporaryFolder folder;
    const auto engine = testing::small_noise_engine();
    auto request = small_request(folder / "c.h5");
    {
      const FileSizeLimit limit(300'000);
      check_error(
          ErrorCode::kEnvironment, [&] { (void)collect(engine, request); }, "c.h5.partial");
    }
    CHECK_FALSE(std::filesystem::exists(folder / "c.h5"));
    request.earlier_run = EarlierRun::kReplace;
    (void)collect(engine, request);
    CHECK(Capture::open(folder / "c.h5").complete());
  }

  TEST_CASE("a recorded run computes what a plain run computes") {
    struct Count : AttentionObserver {
      void observe(const AttentionRecord& record) override {
        ++calls;
        CHECK(record.keys.size(2) == record.step.table->n_key(record.step.index));
      }
      int calls = 0;
    };
    const auto engine = testing::small_noise_engine();
    const GenerationRequest request{.labels = {1, 2}, .sample_ids = {0, 1}};
    Count count;
    RecordingKvCache recording({&count});
    FullKvCache plain;
    recording.begin(4);
    plain.begin(4);
    const auto recorded = engine.start(request);
    const auto expected = engine.start(request);
    while (!recorded->done()) {
      CHECK(at::equal(recorded->advance(recording).tokens, expected->advance(plain).tokens));
      CHECK(recording.held_bytes() == plain.held_bytes());
    }
    CHECK(count.calls == 6);
    CHECK(plain_generation_seconds(engine, small_request("unused")) > 0);
  }
}
