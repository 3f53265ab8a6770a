#include "reports/export/exporter.h"

#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "reports/export/export_run.h"
#include "reports/export/npy.h"
#include "reports/export/pdf.h"
#include "reports/pictures/png.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/stored_file.h"
#include "support/well_formed.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <set>

using namespace kvscope;
using Run = kvscope::testing::ExportRun;

namespace {

using Formats = std::vector<ExportFormat>;

/// One map: layer 1, head 2, last step, sample 0.
ExportRequest one_map(const Run& run, Formats formats) {
  ExportRequest request = run.request("map", std::move(formats));
  request.selection.layers = {1};
  request.selection.heads = {2};
  return request;
}

/// A view of one head, where it is one of heads.
ExportRequest one_head(const Run& run, const ExportView& view, Formats formats) {
  ExportRequest request = run.request(std::string(view.name), std::move(formats));
  request.selection.layers = {1};
  request.selection.heads = {2};
  return request;
}

const std::string kMap = "map_layer_01_head_02_step_03_sample_000_conditional";

bool can_write_pdf() {
  try {
    (void)pdf_program();
    return true;
  } catch (const Error& failure) {
    MESSAGE("PDF is not tested: " << failure.what());
    return false;
  }
}

Array<float> captured_map(const Run& run) {
  return Capture::open(run.paths.capture).read_map(1, 2, 3, 0, 0);
}

}  // namespace

TEST_SUITE("reports.export.exporter") {
  TEST_CASE("a PNG of a map has one pixel per weight in the palette asked for") {
    const Run run;
    const Array<float> weights = captured_map(run);
    struct Case {
      const char* map;
      ColorScaling scaling;
      AttentionUnit unit;
    };
    const Case cases[] = {
        {"viridis", {ValueScale::Kind::kLogarithmic, ValueRange{0.1, 100.0}}, AttentionUnit::kMultiples},
        {"magma", {ValueScale::Kind::kLinear, ValueRange{0.0, 1.0}}, AttentionUnit::kWeights},
        {"cividis", {ValueScale::Kind::kLinear, std::nullopt}, AttentionUnit::kWeights},
    };
    for (const Case& wanted : cases) {
      CAPTURE(wanted.map);
      ExportRequest request = one_map(run, {ExportFormat::kPng});
      request.colors.map = wanted.map;
      request.colors.scaling = wanted.scaling;
      request.colors.unit = wanted.unit;
      (void)run.write(request, true);
      const std::string png = run.content(kMap + ".png");
      const auto image = std::get<IndexedImage>(image_from_png(png, kMap));
      CHECK(image.width == 30);
      CHECK(image.height == 16);
      const ColorMap colors = color_map(wanted.map);
      REQUIRE(image.palette.size() == 256);
      CHECK(std::equal(colors.begin(), colors.end(), image.palette.begin()));
      float largest = 0.0F;
      for (const float weight : weights.values()) largest = std::max(largest, weight);
      float least = 1.0F;
      for (const float weight : weights.values()) least = std::min(least, weight);
      for (std::size_t i = 0; i < image.pixels.size(); ++i) {
        // Closed forms of the three scalings, within the rounding of one level.
        const double weight = weights.values()[i];
        double level = 255.0 * weight;
        if (wanted.unit == AttentionUnit::kMultiples)
          level = 255.0 * std::log10(std::max(weight * 30.0, 0.1) * 10.0) / 3.0;
        if (!wanted.scaling.fixed) level = 255.0 * (weight - least) / (largest - least);
        CHECK(std::abs(image.pixels[i] - level) <= 0.51);
      }
    }
    CHECK(run.content(kMap + ".png").find("linear, 0 to") == std::string::npos);
    CHECK(run.content(kMap + ".png").find("range of this map") != std::string::npos);
  }

  TEST_CASE("CSV and arrays of a map hold its weights exactly") {
    const Run run;
    const Array<float> weights = captured_map(run);
    (void)run.write(one_map(run, {ExportFormat::kCsv, ExportFormat::kNpy, ExportFormat::kNpz}));
    const std::string npy = run.content(kMap + ".npy");
    CHECK(npy.find("'shape': (16, 30)") != std::string::npos);
    const std::size_t data_bytes = weights.values().size() * sizeof(float);
    REQUIRE(npy.size() > data_bytes);
    CHECK(std::memcmp(npy.data() + npy.size() - data_bytes, weights.data(), data_bytes) == 0);
    CHECK(run.content(kMap + ".npz").find(npy) != std::string::npos);
    const std::string csv = run.content(kMap + ".csv");
    CHECK(csv.starts_with("query_t,query_y,query_x,s0_y0_x0,s1_y0_x0,s1_y0_x1,s1_y1_x0"));
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 17);
    // The second query, (0, 1): its weight of the first key is the first of its row.
    const std::size_t row = csv.find("\n0,0,1,") + 7;
    CHECK(std::stof(csv.substr(row)) == weights(1, 0));
  }

  TEST_CASE("every view is written in every format and every SVG is well-formed") {
    const Run run;
    Formats formats = parse_formats("svg,png,csv,npy,npz");
    for (const ExportView& view : export_views()) {
      CAPTURE(std::string(view.name));
      const auto items = run.write(one_head(run, view, formats));
      CHECK_FALSE(items.empty());
      for (const ExportedItem& item : items) {
        CAPTURE(item.name);
        CHECK(item.files.size() == formats.size());
        const std::string svg = run.content(item.name + ".svg");
        CHECK(testing::markup_fault(svg, testing::Markup::kXml) == "");
        CHECK(svg.find("<text") != std::string::npos);
        (void)image_from_png(run.content(item.name + ".png"), item.name);
        CHECK(run.content(item.name + ".csv").find('\n') != std::string::npos);
        CHECK(run.content(item.name + ".npy").starts_with("\x93NUMPY"));
        CHECK(run.content(item.name + ".npz").starts_with("PK"));
      }
    }
  }

  TEST_CASE("small exports are the stored ones byte for byte") {
    const Run run;
    (void)run.write(one_map(run, {ExportFormat::kSvg, ExportFormat::kPng, ExportFormat::kCsv}));
    testing::check_stored_file("pictures/export_map.svg", run.content(kMap + ".svg"));
    testing::check_stored_file("pictures/export_map.png", run.content(kMap + ".png"));
    testing::check_stored_file("pictures/export_map.csv", run.content(kMap + ".csv"));
    for (const std::string view : {"columns", "bands", "displacement"}) {
      ExportRequest request = run.request(view);
      request.selection.layers = {0};
      request.selection.heads = {1};
      request.selection.steps = {2};
      const auto items = run.write(request);
      REQUIRE(items.size() == 1);
      testing::check_stored_file("pictures/export_" + view + ".svg", run.content(items[0].name + ".svg"));
    }
    ExportRequest paper = run.request("paper");
    paper.selection.contextual = {"0.0"};
    paper.selection.structural = {"1.3"};
    (void)run.write(paper);
    testing::check_stored_file("pictures/export_paper.svg", run.content("paper.svg"));
  }

  TEST_CASE("the picture says how it was coloured") {
    const Run run;
    ExportRequest request = one_map(run, {ExportFormat::kSvg});
    (void)run.write(request);
    CHECK(run.content(kMap + ".svg").find("log, floor 0.1 to 100, fixed") != std::string::npos);
    request.colors.scaling = {ValueScale::Kind::kQuantile, std::nullopt};
    request.colors.unit = AttentionUnit::kWeights;
    (void)run.write(request, true);
    CHECK(run.content(kMap + ".svg").find("Attention, weights: quantiles of this map") != std::string::npos);
    ExportRequest scores = run.request("scores");
    scores.selection.only = {"entropy"};
    const auto items = run.write(scores);
    CHECK(run.content(items.at(0).name + ".svg").find("Entropy: linear, 0 to 1, fixed") != std::string::npos);
  }

  TEST_CASE("a sidecar makes the same bytes again") {
    const Run run;
    const Formats formats = parse_formats("svg,csv,npy,npz");
    for (const ExportView& view : export_views()) {
      CAPTURE(std::string(view.name));
      for (const ExportedItem& item : run.write(one_head(run, view, formats))) {
        CAPTURE(item.name);
        const ExportedItem again = repeat_export(item.sidecar, {run.folder / "again", false, {}});
        REQUIRE(again.files.size() == item.files.size());
        for (std::size_t i = 0; i < item.files.size(); ++i) {
          CHECK(again.files[i].sha256 == item.files[i].sha256);
          CHECK(sha256_of_file(run.folder / "again" / item.files[i].name) == item.files[i].sha256);
        }
        CHECK(read_text_file(again.sidecar) == read_text_file(item.sidecar));
      }
    }
  }

  TEST_CASE("a sidecar refuses other inputs and notices other bytes") {
    const Run run;
    const auto items = run.write(one_map(run, {ExportFormat::kSvg}));
    const auto sidecar = items.at(0).sidecar;
    const Json good = parse_json(read_text_file(sidecar), "sidecar");

    Json other = good;
    other["inputs"][0]["sha256"] = std::string(64, '0');
    write_json_file(sidecar, other);
    testing::check_error(
        ErrorCode::kBadInput,
        [&] {
          (void)repeat_export(sidecar, {run.out(), false, {}});
        },
        "was made from a capture");

    other = good;
    other["files"][0]["sha256"] = std::string(64, '0');
    write_json_file(sidecar, other);
    testing::check_error(
        ErrorCode::kCheckFailed,
        [&] {
          (void)repeat_export(sidecar, {run.out(), false, {}});
        },
        kMap, "sha256");

    other = good;
    other["inputs"][0]["path"] = "elsewhere.h5";
    write_json_file(sidecar, other);
    testing::check_error(
        ErrorCode::kBadInput,
        [&] {
          (void)repeat_export(sidecar, {run.out(), false, {}});
        },
        "elsewhere.h5");
  }

  TEST_CASE("damaged sidecars are bad input whatever is wrong with them") {
    const Run run;
    const auto sidecar = run.write(one_map(run, {ExportFormat::kSvg})).at(0).sidecar;
    const Json good = parse_json(read_text_file(sidecar), "sidecar");
    for (const char* field : {"name", "view", "made_by", "inputs", "selection", "colors", "formats", "files"}) {
      for (const Json& value : {Json(), Json(7), Json("x"), Json::array({7}), Json::object({{"a", 1}})}) {
        CAPTURE(field);
        CAPTURE(value.dump());
        Json damaged = good;
        damaged[field] = value;
        write_json_file(sidecar, damaged);
        const auto error = testing::error_of([&] { (void)repeat_export(sidecar, {run.folder / "again", false, {}}); });
        // Nothing wanted is a valid list of files and a valid selection.
        if (!error) continue;
        CHECK((error->code() == ErrorCode::kBadInput || error->code() == ErrorCode::kUsage));
      }
      Json damaged = good;
      damaged.erase(field);
      write_json_file(sidecar, damaged);
      testing::check_error(
          ErrorCode::kBadInput,
          [&] {
            (void)repeat_export(sidecar, {run.folder / "again", false, {}});
          },
          field);
    }
  }

  TEST_CASE("files that exist are kept unless they may be replaced") {
    const Run run;
    const ExportRequest request = one_map(run, {ExportFormat::kSvg});
    (void)run.write(request);
    write_file(run.out() / (kMap + ".svg"), "mine");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)run.write(request); }, "exists", "--force");
    CHECK(run.content(kMap + ".svg") == "mine");
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)repeat_export(run.out() / (kMap + ".json"), {run.out(), false, {}});
        },
        "other content");
    (void)run.write(request, true);
    CHECK(run.content(kMap + ".svg") != "mine");
  }

  TEST_CASE("what the run does not have is refused by name") {
    const Run run;
    const auto refused = [&](const char* view, const ExportSelection& selection, const char* word) {
      ExportRequest request = run.request(view);
      request.selection = selection;
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)run.write(request); }, word);
    };
    ExportSelection selection;
    selection.layers = {2};
    refused("map", selection, "no layer 2");
    selection = {};
    selection.samples = {3};
    refused("map", selection, "no sample with raw maps 3");
    selection = {};
    selection.steps = {4};
    refused("mean", selection, "no step 4");
    selection = {};
    selection.branches = {"sideways"};
    refused("columns", selection, "sideways");
    selection = {};
    selection.only = {"beauty"};
    refused("scores", selection, "beauty");
    refused("budgets", selection, "beauty");
    selection = {};
    selection.contextual = {"0-1"};
    refused("paper", selection, "LAYER.HEAD");
    selection.contextual = {"0.9"};
    refused("paper", selection, "no layer 0 head 9");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)export_view("everything"); }, "everything", "displacement");
    testing::check_error(
        ErrorCode::kUsage, [] { (void)needed_paths(export_view("map"), {}); }, "--capture");
  }

  TEST_CASE("the paper figure shows the clearest heads of both classes") {
    const Run run;
    const auto items = run.write(run.request("paper", {ExportFormat::kSvg, ExportFormat::kNpz}));
    REQUIRE(items.size() == 1);
    const Json sidecar = parse_json(read_text_file(items[0].sidecar), "sidecar");
    // Margins grow away from the split: heads 0.0 and 1.0 below, 1.3 and 0.3 above.
    CHECK(sidecar["selection"]["contextual"] == Json{"0.0", "1.0"});
    CHECK(sidecar["selection"]["structural"] == Json{"1.3", "0.3"});
    CHECK(sidecar["selection"]["steps"] == Json{1, 2, 3});
    CHECK(sidecar["selection"]["samples"] == Json{0, 1});
    const std::string svg = run.content("paper.svg");
    CHECK(svg.find("width=\"672\"") != std::string::npos);
    for (const char* text : {"Contextual heads", "Structural heads", "Layer 0, head 0", "sample 1", "4×4"}) {
      CHECK(svg.find(text) != std::string::npos);
    }
    // 4 heads of 2 samples at 3 steps, and the colour bar.
    std::size_t n_image = 0;
    for (std::size_t at = svg.find("<image"); at != std::string::npos; at = svg.find("<image", at + 1)) ++n_image;
    CHECK(n_image == 4 * 2 * 3 + 1);
  }

  TEST_CASE("a PDF is one page of the same bytes each time") {
    if (!can_write_pdf()) return;
    const Run run;
    (void)run.write(one_map(run, {ExportFormat::kPdf}));
    const std::string pdf = run.content(kMap + ".pdf");
    CHECK(pdf.starts_with("%PDF-"));
    CHECK(pdf.find("19700101000000") != std::string::npos);
    // A map whose pixels a viewer smoothes is another map.
    CHECK(pdf.find("/Interpolate true") == std::string::npos);
    (void)run.write(one_map(run, {ExportFormat::kPdf}), true);
    CHECK(run.content(kMap + ".pdf") == pdf);
    testing::check_error(
        ErrorCode::kEnvironment, [] { (void)pdf_from_svg("<svg"); }, "rsvg-convert");
  }

  TEST_CASE("pixels of small maps are enlarged for PDF and those of large ones are not") {
    Drawing drawing;
    drawing.add(ImageShape{{}, IndexedImage{2, 1, {0, 1}, {Rgb{}, Rgb{1, 2, 3}}}, false});
    drawing.add(ImageShape{{}, IndexedImage{kLargeImage, 1, std::vector<std::uint8_t>(kLargeImage), {Rgb{}}}, false});
    drawing = with_large_pixels(std::move(drawing));
    const auto image_of = [&](std::size_t i) {
      return std::get<IndexedImage>(std::get<ImageShape>(drawing.shapes[i].form).image);
    };
    CHECK(image_of(0).width == 16);
    CHECK(image_of(0).height == 8);
    for (std::size_t i = 0; i < 128; ++i) CHECK(image_of(0).pixels[i] == (i % 16 < 8 ? 0 : 1));
    CHECK(image_of(1).width == kLargeImage);
  }

  TEST_CASE("formats are read once each and others refused") {
    CHECK(parse_formats("npz,svg,svg") == Formats{ExportFormat::kSvg, ExportFormat::kNpz});
    for (const char* wrong : {"", "jpg", "svg,", "svg,,png"}) {
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)parse_formats(wrong); }, "no file type");
    }
  }
}
