// Views of single heads that follow from a map, a replay or scores: folds, kept keys, changes, similar heads, scores
// over scales and samples, images.

#include "analysis/kept_attention.h"
#include "analysis/scores.h"
#include "collectors/base/json_file.h"
#include "reports/export/export_run.h"
#include "reports/pictures/fold_picture.h"
#include "reports/pictures/png.h"
#include "reports/pictures/signed_picture.h"
#include "support/errors.h"
#include "support/stored_file.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace kvscope;
using Run = kvscope::testing::ExportRun;

namespace {

/// A view of layer 1, head 3 (a band) at the last step.
ExportRequest request_of(const Run& run, const std::string& view,
                         std::vector<ExportFormat> formats = {ExportFormat::kSvg}) {
  ExportRequest request = run.request(view, std::move(formats));
  request.selection.layers = {1};
  request.selection.heads = {3};
  return request;
}

/// What the items of a request hold, read back without files.
struct Items {
  explicit Items(const ExportRequest& request)
      : inputs(read_report_inputs(request.paths)), items(export_view(request.view).items(inputs, request)) {}

  [[nodiscard]] ExportContent content(std::size_t i) const { return items.at(i).read(); }

  ReportInputs inputs;
  std::vector<ExportItem> items;
};

template <typename T>
std::vector<T> elements(const std::vector<NamedArray>& arrays, const std::string& name) {
  const auto found = std::ranges::find(arrays, name, &NamedArray::name);
  REQUIRE(found != arrays.end());
  return std::get<std::vector<T>>(found->elements);
}

Array<float> captured_map(const Run& run) {
  return Capture::open(run.paths.capture).read_map(1, 3, 3, 0, 0);
}

/// As synthetic_run.cpp invents it: every head keeps its newest keys.
std::vector<std::uint8_t> kept_by(const NamedPlan& plan, std::int64_t n_key) {
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(n_key));
  std::fill(kept.end() - plan.plan.at(1, 3).attend[3], kept.end(), std::uint8_t{1});
  return kept;
}

void refused(const ExportRequest& request, const char* word, ErrorCode code = ErrorCode::kUsage) {
  CAPTURE(word);
  testing::check_error(
      code, [&] { (void)Items(request); }, word);
}

}  // namespace

TEST_SUITE("reports.export.head_views") {
  TEST_CASE("small exports of heads are the stored ones byte for byte") {
    const Run run;
    const auto stored = [&](const ExportRequest& request, const std::string& name) {
      const auto items = run.write(request, true);
      REQUIRE(items.size() == 1);
      testing::check_stored_file("pictures/export_" + name, run.content(items[0].files[0].name));
    };
    ExportRequest fold = request_of(run, "fold");
    fold.paths.replays.clear();
    fold.selection.queries = {"1,2"};
    stored(fold, "fold.svg");
    fold.selection.queries.reset();
    fold.selection.keys = {"2,0,1"};
    fold.selection.over = "none";
    stored(fold, "fold_of_key.svg");
    for (const std::string view : {"kept", "restricted", "difference", "images"}) {
      ExportRequest request = request_of(run, view);
      request.selection.only = {"hack-60"};
      stored(request, view + ".svg");
    }
    ExportRequest difference = request_of(run, "difference", {ExportFormat::kPng});
    difference.selection.only = {"hack-60"};
    stored(difference, "difference.png");
    ExportRequest similar = request_of(run, "similar");
    similar.selection.only = {"columns"};
    stored(similar, "similar.svg");
    ExportRequest scales = request_of(run, "scales");
    scales.selection.only = {"entropy"};
    stored(scales, "scales.svg");
    stored(request_of(run, "spread"), "spread.svg");
  }

  TEST_CASE("a fold of a query holds its row of the map on every grid") {
    const Run run;
    ExportRequest request = request_of(run, "fold");
    request.paths.replays.clear();
    request.selection.queries = {"2,1", "0,0"};
    const Items items(request);
    REQUIRE(items.items.size() == 2);
    CHECK(items.items[0].name == "fold_layer_01_head_03_step_03_sample_000_conditional_query_02_01");
    const auto arrays = items.content(0).arrays();
    const Array<float> map = captured_map(run);
    const auto row = map.slice(2 * 4 + 1);
    CHECK(elements<float>(arrays, "weights") == std::vector<float>(row.begin(), row.end()));
    // Keys of the 3 x 3 grid stand behind 1 + 4 others.
    CHECK(elements<float>(arrays, "step_02") == std::vector<float>(row.begin() + 5, row.begin() + 14));
    CHECK(arrays[3].shape == Shape{3, 3});
    const Table table = items.content(0).table();
    REQUIRE(table.rows().size() == 30);
    // Key 6 is (0, 1) of step 2.
    CHECK(table.rows()[6] == std::vector<Cell>{std::int64_t{6}, std::int64_t{2}, std::int64_t{0}, std::int64_t{0},
                                               std::int64_t{1}, static_cast<double>(row[6])});
  }

  TEST_CASE("a fold of a key holds its column of the map") {
    const Run run;
    ExportRequest request = request_of(run, "fold");
    request.paths.replays.clear();
    request.selection.keys = {"1,1,0"};
    const Items items(request);
    REQUIRE(items.items.size() == 1);
    const auto column = elements<float>(items.content(0).arrays(), "weights");
    const Array<float> map = captured_map(run);
    REQUIRE(column.size() == 16);
    for (std::int64_t query = 0; query < 16; ++query) CHECK(column[static_cast<std::size_t>(query)] == map(query, 3));
  }

  TEST_CASE("colours of a fold hide the more of the image the higher they are") {
    FoldPicture picture;
    picture.scale = ValueScale::linear(0.0, 1.0);
    picture.photo = RgbImage(2, 2, Rgb{100, 100, 100});
    const FoldPanel panel{{StepKind::kImageGrid, 1, 1, 3}, "", {0.0F, 0.5F, 1.0F}};
    const RgbImage image = fold_panel_image(panel, picture);
    for (const int token : {0, 1, 2}) {
      const double value = 0.5 * token;
      const double cover = kLeastCover + (kMostCover - kLeastCover) * value;
      const Rgb color = picture.colors[picture.scale.level(value)];
      const Rgb found = image.at(image.width * token / 3 + 1, 0);
      CHECK(std::abs(found.green - ((1.0 - cover) * 100.0 + cover * color.green)) <= 0.51);
      CHECK(found == image.at(image.width * (token + 1) / 3 - 1, image.height - 1));
    }
    picture.photo.reset();
    CHECK(fold_panel_image(panel, picture).at(0, 0) == picture.colors[0]);
  }

  TEST_CASE("the kept keys shown are those of the replay") {
    const Run run;
    const Items items(request_of(run, "kept", {ExportFormat::kPng}));
    REQUIRE(items.items.size() == 3);
    const Array<float> map = captured_map(run);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto kept = kept_by(items.inputs.plans[i], 30);
      CHECK(items.items[i].selection.only == std::vector<std::string>{items.inputs.plans[i].name});
      const ExportContent content = items.content(i);
      const auto arrays = content.arrays();
      CHECK(elements<std::uint8_t>(arrays, "kept") == kept);
      CHECK(elements<float>(arrays, "weights") == std::vector<float>(map.values().begin(), map.values().end()));
      // Grayed where lost, as the map without a plan where kept.
      const auto image = std::get<RgbImage>(content.pixels());
      const AttentionView view{map.values(), 16, 30, 3};
      const IndexedImage plain = attention_image(view, items.inputs.capture->steps(), AttentionColors());
      for (std::size_t pixel = 0; pixel < image.pixels.size(); ++pixel) {
        const Rgb color = plain.palette[plain.pixels[pixel]];
        const bool lost = kept[pixel % 30] == 0;
        CHECK(std::abs(image.pixels[pixel].red - (lost ? 0.38 * color.red + 0.62 * 128.0 : color.red)) <= 0.51);
      }
    }
  }

  TEST_CASE("a difference is what is left on the kept keys less what was captured") {
    const Run run;
    ExportRequest request = request_of(run, "difference", {ExportFormat::kPng});
    request.selection.only = {"hack-60"};
    const Items items(request);
    REQUIRE(items.items.size() == 1);
    const ExportContent content = items.content(0);
    const auto change = elements<float>(content.arrays(), "change");
    const Array<float> map = captured_map(run);
    const auto kept = kept_by(items.inputs.plans[2], 30);
    REQUIRE(std::ranges::count(kept, 0) > 0);
    for (std::int64_t query = 0; query < 16; ++query) {
      double sum = 0.0;
      for (std::int64_t key = 0; key < 30; ++key) sum += kept[static_cast<std::size_t>(key)] * map(query, key);
      for (std::int64_t key = 0; key < 30; ++key) {
        const double left = kept[static_cast<std::size_t>(key)] * map(query, key) / sum;
        CHECK(change[static_cast<std::size_t>(query * 30 + key)] ==
              doctest::Approx(left - map(query, key)).epsilon(1e-5));
      }
    }
    // Levels are linear around 127, the largest change at an end; read back from the file.
    (void)run.write(request);
    const auto file = run.content(items.items[0].name + ".png");
    const auto image = std::get<IndexedImage>(image_from_png(file, "difference"));
    CHECK(image.palette == signed_palette());
    double largest = 0.0;
    for (const float value : change) largest = std::max<double>(largest, std::abs(value));
    for (std::size_t i = 0; i < change.size(); ++i)
      CHECK(std::abs(image.pixels[i] - (127.0 + 127.0 * change[i] / largest)) <= 0.51);
    CHECK(file.find("Change of attention") != std::string::npos);
  }

  TEST_CASE("the signed palette is blue for less and orange for more and has no colour for none") {
    const auto palette = signed_palette();
    REQUIRE(palette.size() == 255);
    CHECK(palette[0] == Rgb{20, 90, 170});
    CHECK(palette[127] == Rgb{247, 247, 247});
    CHECK(palette[254] == Rgb{200, 85, 0});
  }

  TEST_CASE("what is left under a plan that keeps everything is the captured map") {
    const Run run;
    ExportRequest request = request_of(run, "restricted");
    request.selection.only = {"lossless"};
    const auto left = elements<float>(Items(request).content(0).arrays(), "weights");
    const Array<float> map = captured_map(run);
    for (std::size_t i = 0; i < left.size(); ++i) CHECK(left[i] == doctest::Approx(map.values()[i]).epsilon(1e-5));
  }

  TEST_CASE("similar heads are those with the largest cosine") {
    const Run run;
    ExportRequest request = request_of(run, "similar");
    request.selection.only = {"columns"};
    const Items items(request);
    REQUIRE(items.items.size() == 1);
    const Table table = items.content(0).table();
    REQUIRE(table.rows().size() == 6);
    const Array<float> means = items.inputs.capture->read(mean_statistic::kColumnMean, 3);
    const auto cosine = [&](int layer, int head) {
      const auto a = means.slice(0, 1, 3);
      const auto b = means.slice(0, layer, head);
      double products[3] = {0.0, 0.0, 0.0};
      for (std::size_t key = 0; key < a.size(); ++key) {
        products[0] += static_cast<double>(a[key]) * b[key];
        products[1] += static_cast<double>(a[key]) * a[key];
        products[2] += static_cast<double>(b[key]) * b[key];
      }
      return products[0] / std::sqrt(products[1] * products[2]);
    };
    std::vector<double> all;
    for (int layer = 0; layer < 2; ++layer) {
      for (int head = 0; head < 4; ++head) {
        if (layer != 1 || head != 3) all.push_back(cosine(layer, head));
      }
    }
    std::ranges::sort(all, std::ranges::greater());
    for (std::size_t i = 0; i < 6; ++i) {
      const auto& row = table.rows()[i];
      const double found = std::get<double>(row[3]);
      CHECK(found == doctest::Approx(all[i]));
      const auto layer = static_cast<int>(std::get<std::int64_t>(row[1]));
      const auto head = static_cast<int>(std::get<std::int64_t>(row[2]));
      CHECK(found == doctest::Approx(cosine(layer, head)));
      CHECK(std::get<std::string>(row[4]) == (head % 2 == 0 ? "contextual" : "structural"));
    }
  }

  TEST_CASE("classes are told where there is a classification and only there") {
    const Run run;
    for (const std::string view : {"similar", "scales"}) {
      ExportRequest request = request_of(run, view);
      const std::size_t with = Items(request).content(0).table().columns().size();
      request.paths.heads.clear();
      const Items without(request);
      CHECK(without.content(0).table().columns().size() == with - (view == "scales" ? 2 : 1));
      CHECK_FALSE(without.content(0).drawing().shapes.empty());
    }
  }

  TEST_CASE("a score over scales and its spread are those of the scores file") {
    const Run run;
    const Scores scores = read_scores(run.paths.scores);
    const HeadScoreValues& entropy = scores.at(head_score::kEntropy);
    ExportRequest request = request_of(run, "scales");
    request.selection.only = {"entropy"};
    const Table over_scales = Items(request).content(0).table();
    REQUIRE(over_scales.rows().size() == 4);
    CHECK(over_scales.rows()[0][1].index() == 0);  // one key leaves nothing to choose
    for (int step = 1; step < 4; ++step) {
      const auto& row = over_scales.rows()[static_cast<std::size_t>(step)];
      CHECK(std::get<double>(row[1]) == entropy.mean(0, 1, 3, step));
      CHECK(std::get<double>(row[2]) == entropy.low(0, 1, 3, step));
      double contextual = 0.0;
      for (int layer = 0; layer < 2; ++layer)
        contextual += (entropy.mean(0, layer, 0, step) + entropy.mean(0, layer, 2, step)) / 4.0;
      CHECK(std::get<double>(row[4]) == doctest::Approx(contextual));
    }

    const Items spread(request_of(run, "spread"));
    const auto arrays = spread.content(0).arrays();
    const auto names = elements<std::string>(arrays, "scores");
    const auto values = elements<double>(arrays, "values");
    const auto at = static_cast<std::size_t>(std::ranges::find(names, "entropy") - names.begin());
    REQUIRE(at < names.size());
    for (std::size_t sample = 0; sample < 3; ++sample)
      CHECK(values[3 * at + sample] ==
            static_cast<double>(entropy.samples(static_cast<std::int64_t>(sample), 0, 1, 3, 3)));
    CHECK(std::ranges::find(names, "distance") == names.end());  // a mean over samples has no spread
  }

  TEST_CASE("images of both runs and their difference are those of the replay") {
    const Run run;
    ExportRequest request = run.request("images");
    request.selection.only = {"hack-60"};
    request.selection.samples = {2, 0};
    const Items items(request);
    REQUIRE(items.items.size() == 1);
    const ExportContent content = items.content(0);
    const ReplayImages& images = *items.inputs.replays[2].images;
    const auto full = elements<std::uint8_t>(content.arrays(), "full");
    const auto second = images.full.slice(0);
    CHECK(std::equal(second.begin(), second.end(), full.begin() + 8 * 8 * 3));
    // The synthetic run's compressed images are lighter by 50 times the loss of 0.3.
    for (const std::uint8_t change : elements<std::uint8_t>(content.arrays(), "difference")) CHECK(change == 15);
    const auto pixels = std::get<RgbImage>(content.pixels());
    CHECK(pixels.width == 2 * 8 + 2);
    CHECK(pixels.height == 3 * 8 + 2 * 2);
    CHECK(pixels.at(0, 0) == photo(images.full, 2).at(0, 0));
    CHECK(pixels.at(10, 10) == photo(images.compressed, 0).at(0, 0));
    CHECK(pixels.at(3, 23) == Rgb{60, 60, 60});
  }

  TEST_CASE("places outside of their grids are refused by name") {
    const Run run;
    ExportRequest request = request_of(run, "fold");
    for (const auto& [query, word] :
         {std::pair("4,0", "4×4 grid of step 3"), std::pair("0,9", "(0, 9)"), std::pair("1", "ROW,COLUMN"),
          std::pair("1,x", "ROW,COLUMN"), std::pair("-1,0", "ROW,COLUMN"), std::pair("1,2,3,4", "ROW,COLUMN"),
          std::pair("1,0,0", "lies outside"), std::pair("", "ROW,COLUMN"),
          std::pair("99999999999999999999,0", "ROW,COLUMN")}) {
      request.selection.queries = {query};
      refused(request, word);
    }
    request.selection.queries.reset();
    for (const auto& [key, word] : {std::pair("2,3,0", "3×3 grid of step 2"), std::pair("4,0,0", "do not see step 4"),
                                    std::pair("2,0", "STEP,ROW,COLUMN")}) {
      request.selection.keys = {key};
      refused(request, word);
    }
    // Later steps are not seen.
    request.selection.steps = {1};
    request.selection.keys = {"2,0,0"};
    refused(request, "do not see step 2");
    request.selection.keys.reset();
    request.selection.over = "paper";
    refused(request, "neither image nor none");
  }

  TEST_CASE("what views of heads lack is refused by name") {
    const Run run;
    ReportPaths capture_alone;
    capture_alone.capture = run.paths.capture;
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)needed_paths(export_view("kept"), capture_alone); }, "--replay");
    ExportRequest unknown = request_of(run, "kept");
    unknown.selection.only = {"beauty"};
    refused(unknown, "no replay 'beauty'");

    ExportRequest partless = request_of(run, "fold");
    partless.paths.replays.clear();
    partless.selection.only = {"hack-60"};
    refused(partless, "no --replay");

    ExportRequest bare = request_of(run, "kept");
    std::filesystem::remove(run.folder / "hack-30.replay.h5");
    bare.selection.only = {"hack-30"};
    refused(bare, "replay --images");
    bare.view = "images";
    refused(bare, "replay --images");

    ExportRequest difference = request_of(run, "difference");
    difference.selection.only = {"hack-60"};
    difference.colors.range_given = true;
    difference.colors.scaling.fixed = ValueRange{-1.0, 2.0};
    refused(difference, "as far below zero");
    difference.colors.kind_given = true;
    difference.colors.scaling.kind = ValueScale::Kind::kQuantile;
    refused(difference, "linearly");

    testing::SyntheticCapture plain;
    plain.maps = true;
    write_synthetic_capture(run.folder / "plain.h5", plain);
    ExportRequest fold = request_of(run, "fold");
    fold.paths = {};
    fold.paths.capture = run.folder / "plain.h5";
    CHECK(Items(fold).items.at(0).selection.over == "none");
    fold.selection.over = "image";
    refused(fold, "no images");
  }

  TEST_CASE("a replay of another model or of other steps is refused") {
    const Run run;
    const auto path = run.paths.replays[1];
    const Json good = parse_json(read_text_file(path), "replay");
    Json other = good;
    other["model"]["fingerprint"] = "of another model";
    write_json_file(path, other);
    ExportRequest request = request_of(run, "kept");
    refused(request, "fingerprint", ErrorCode::kBadInput);

    testing::SyntheticCapture wide;
    wide.steps = StepTable(
        {{}, {StepKind::kImageGrid, 1, 2, 2}, {StepKind::kImageGrid, 1, 3, 3}, {StepKind::kImageGrid, 1, 4, 5}});
    wide.maps = true;
    write_synthetic_capture(run.folder / "wide.h5", wide);
    write_json_file(path, good);
    request.paths.capture = run.folder / "wide.h5";
    refused(request, "was replayed with the steps");
  }

  TEST_CASE("a sidecar knows the images that a replay left") {
    const Run run;
    ExportRequest request = request_of(run, "kept");
    request.selection.only = {"hack-60"};
    const auto sidecar = run.write(request).at(0).sidecar;
    const Json json = parse_json(read_text_file(sidecar), "sidecar");
    const auto kinds = [](const Json& inputs) {
      std::vector<std::string> all;
      for (const Json& input : inputs) all.push_back(input["kind"]);
      return all;
    };
    const auto all = kinds(json["inputs"]);
    CHECK(std::ranges::count(all, "images") == 3);
    const auto pareto = run.write(run.request("pareto")).at(0).sidecar;
    const auto fewer = kinds(parse_json(read_text_file(pareto), "sidecar")["inputs"]);
    CHECK(std::ranges::count(fewer, "images") == 0);

    // The same replay with other kept keys is another input.
    ReplayImages images = read_replay_images(run.folder / "hack-60.replay.h5");
    images.kept.back().positions = {0};
    write_replay_images(run.folder / "hack-60.replay.h5", images);
    testing::check_error(
        ErrorCode::kBadInput,
        [&] {
          (void)repeat_export(sidecar, {run.out(), false, {}});
        },
        "the images with sha256");
    CHECK_NOTHROW((void)repeat_export(pareto, {run.out(), false, {}}));
  }
}
