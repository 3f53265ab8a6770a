#include "collectors/base/json_file.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/head_map.h"
#include "reports/pictures/line_chart.h"
#include "reports/pictures/svg.h"
#include "support/errors.h"
#include "support/stored_file.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace kvscope {
namespace {

HeadClassification small_classification() {
  HeadClassification classification;
  classification.method = "variance";
  classification.layers = 2;
  classification.heads_per_layer = 3;
  const double scores[] = {0.004, 0.05, 0.009, 0.08, 0.012, 0.03};
  for (int i = 0; i < 6; ++i) {
    ClassifiedHead head;
    head.layer = i / 3;
    head.head = i % 3;
    head.score = scores[i];
    head.head_class = head.score < 0.02 ? HeadClass::kContextual : HeadClass::kStructural;
    head.margin = std::abs(std::log(head.score / 0.02));
    head.confidence = i == 4 ? 0.8 : 1.0;
    classification.heads.push_back(head);
  }
  return classification;
}

LineChart small_line_chart() {
  LineChart chart;
  chart.title = "KL by scale";
  chart.x = {"Scale", ValueScale::linear(-0.3, 2.3), {{0.0, "1×1"}, {1.0, "2×2"}, {2.0, "3×3"}}};
  chart.y = {"KL, nats per token", ValueScale::linear(0.0, 0.4)};
  chart.series = {{"hack 50 %", {0, 1, 2}, {0.0, 0.1, 0.3}, {0.0, 0.05, 0.2}, {0.0, 0.15, 0.4}},
                  {"hack++ <b>70 %</b>", {0, 1, 2}, {0.0, std::numeric_limits<double>::quiet_NaN(), 0.2}}};
  return chart;
}

/// Contrast of WCAG 2.1: (L1 + 0.05) / (L2 + 0.05) of the relative luminances.
double contrast(Rgb a, Rgb b) {
  const auto channel = [](std::uint8_t level) {
    const double value = level / 255.0;
    return value <= 0.03928 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  const auto luminance = [&](Rgb c) {
    return 0.2126 * channel(c.red) + 0.7152 * channel(c.green) + 0.0722 * channel(c.blue);
  };
  const double first = luminance(a);
  const double second = luminance(b);
  return (std::max(first, second) + 0.05) / (std::min(first, second) + 0.05);
}

TEST_SUITE("reports.charts") {
  TEST_CASE("pictures are the stored ones byte for byte") {
    const HeadClassification classification = small_classification();
    testing::check_stored_file("pictures/class_map.svg", svg_file(class_map(classification, {4}, "column variance")));
    testing::check_stored_file("pictures/sorted_scores.svg",
                               svg_file(sorted_scores(classification, "column variance")));
    testing::check_stored_file("pictures/line_chart.svg", svg_file(line_chart(small_line_chart())));
    testing::check_stored_file("pictures/line_chart_dark.svg", svg_file(line_chart(small_line_chart()), dark_theme()));
    testing::check_stored_file("pictures/line_chart_page.svg", svg_element(line_chart(small_line_chart())));
    ScatterChart scatter;
    scatter.title = "KL against bytes";
    scatter.x = {"Bytes", ValueScale::linear(0.0, 100.0)};
    scatter.y = {"KL", ValueScale::linear(0.0, 1.0)};
    scatter.points = {{"a", 90, 0.1, 0}, {"b", 50, 0.3, 1, 0.2, 0.4}, {"worse", 60, 0.5, 2}, {"c", 51, 0.29, 3}};
    testing::check_stored_file("pictures/scatter.svg", svg_file(scatter_chart(scatter)));
  }

  TEST_CASE("attention pictures have source borders and the fixed range printed") {
    const int sides[] = {1, 2};
    const StepTable steps = StepTable::square(sides);
    const std::vector<float> map = {0.2F, 0.2F, 0.2F, 0.2F, 0.2F, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0.5F, 0.5F, 0};
    const AttentionView view{map, 4, 5, 1};
    const std::string svg = svg_file(attention_figure({view}, steps, color_map(), "layer 0 head 1"));
    CHECK(svg.find("0.1 to 100") != std::string::npos);
    CHECK(svg.find("Queries of 2×2") != std::string::npos);
    // One border, between 1x1 and 2x2, a fifth of the way.
    const std::string panel = svg_file(attention_panel(view, steps, 100.0, color_map(), "panel"));
    CHECK(panel.find("M20 0L20 100") != std::string::npos);
    // Uniform attention is one third of the way up the scale, ten times that is two thirds.
    const IndexedImage image = attention_image(view, steps, color_map());
    CHECK(image.pixels[0] == 85);
    CHECK(image.pixels[5] == std::lround(255.0 * std::log10(50.0) / 3.0));
    CHECK(image.pixels[6] == 0);
  }

  TEST_CASE("steps are named by their grids") {
    CHECK(step_name({StepKind::kImageGrid, 1, 3, 4, true}) == "3×4");
    CHECK(step_name({StepKind::kImageGrid, 2, 3, 4, true}) == "2×3×4");
    CHECK(step_name({StepKind::kText, 1, 1, 77, true}) == "text 77");
  }

  TEST_CASE("the split lies between the classes whichever of them scores lower") {
    HeadClassification classification = small_classification();
    CHECK(*class_split(classification, false) == doctest::Approx((0.012 + 0.03) / 2));
    CHECK(*class_split(classification, true) == doctest::Approx(std::sqrt(0.012 * 0.03)));
    for (ClassifiedHead& head : classification.heads) head.score = -head.score;
    CHECK(*class_split(classification, false) == doctest::Approx(-(0.012 + 0.03) / 2));
    classification.heads[0].head_class = HeadClass::kStructural;
    CHECK_FALSE(class_split(classification, false).has_value());
  }

  TEST_CASE("only points that none beats are on the front") {
    ScatterChart chart;
    chart.points = {{"a", 3, 1}, {"b", 1, 3}, {"beaten", 3, 2}, {"c", 2, 2}, {"twin of c", 2, 2}};
    CHECK(pareto_front(chart) == std::vector<std::size_t>{1, 3, 4, 0});
    chart.better_y = ScatterChart::Better::kHigher;
    CHECK(pareto_front(chart) == std::vector<std::size_t>{1});
  }

  TEST_CASE("text is escaped and what is not UTF-8 replaced") {
    CHECK(escaped("<script>\"a\" & 'b'\x01") == "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39; ");
    CHECK(escaped("8×8 \xff\xc3") == "8×8 \xef\xbf\xbd\xef\xbf\xbd");
    CHECK(escaped("\xed\xa0\x80").find('\xa0') == std::string::npos);
  }

  TEST_CASE("coordinates are short and never in the scientific manner") {
    CHECK(coordinate(1.0) == "1");
    CHECK(coordinate(-0.001) == "0");
    CHECK(coordinate(12.346) == "12.35");
    CHECK(coordinate(1e7) == "10000000");
    CHECK(coordinate(std::numeric_limits<double>::quiet_NaN()) == "0");
  }

  TEST_CASE("colours keep the contrasts of WCAG AA on their paper") {
    for (const Theme* theme : {&light_theme(), &dark_theme()}) {
      const Rgb paper = (*theme)[Role::kPaper];
      for (int i = 0; i < kRoles; ++i) {
        const auto role = static_cast<Role>(i);
        CAPTURE(role_name(role));
        if (role == Role::kGrid || role == Role::kPaper) continue;
        const bool is_text = role == Role::kInk || role == Role::kMuted;
        CHECK(contrast((*theme)[role], paper) >= (is_text ? 4.5 : 3.0));
      }
    }
  }

  TEST_CASE("a heat map has a blank cell where there is no number") {
    HeadValues values{
        "error", "relative error", 1, 2, {0.5, std::numeric_limits<double>::quiet_NaN()}, ValueScale::linear(0, 1)};
    const std::string svg = svg_file(head_heat_map(values, color_map()));
    CHECK(svg.find("layer 0 head 1: no value") != std::string::npos);
    CHECK(svg.find(hex_color(color_map()[128])) != std::string::npos);
    values.values.pop_back();
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)head_heat_map(values, color_map()); }, "one value per head");
  }

  TEST_CASE("series of unequal lengths are refused") {
    LineChart chart = small_line_chart();
    chart.series[0].y.pop_back();
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)line_chart(chart); }, "same length");
  }
}

}  // namespace
}  // namespace kvscope
