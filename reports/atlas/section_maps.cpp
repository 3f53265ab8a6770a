#include "reports/atlas/head_maps.h"
#include "reports/atlas/sections.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/head_map.h"
#include "reports/pictures/png.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace kvscope {
namespace {

constexpr std::size_t kHeadsPerGroup = 4;
constexpr double kPanelSide = 132.0;
/// Many scales get smaller panels, so that those of VAR (ten, nine of them shown) fit one row.
constexpr double kSmallPanelSide = 99.0;
constexpr int kManySteps = 8;
/// Larger maps are pooled inside the page; the PNG files beside it have every weight.
constexpr std::int64_t kLargestPanel = 160;

/// Heads of a class, the farthest from the split first.
std::vector<HeadPlace> most_typical(const HeadClassification& classification, HeadClass head_class) {
  std::vector<ClassifiedHead> heads;
  std::ranges::copy_if(classification.heads, std::back_inserter(heads),
                       [head_class](const ClassifiedHead& head) { return head.head_class == head_class; });
  std::ranges::stable_sort(heads, std::ranges::greater(), &ClassifiedHead::margin);
  std::vector<HeadPlace> places;
  for (std::size_t i = 0; i < std::min(heads.size(), kHeadsPerGroup); ++i)
    places.push_back({heads[i].layer, heads[i].head});
  return places;
}

/// The heads closest to the split: the classifier's borderline ones, or else those with the smallest margin.
std::vector<HeadPlace> closest_to_split(const HeadClassification& classification) {
  std::vector<ClassifiedHead> heads = classification.borderline();
  if (heads.empty()) {
    heads = classification.heads;
    std::ranges::stable_sort(heads, {}, &ClassifiedHead::margin);
  }
  std::vector<HeadPlace> places;
  for (std::size_t i = 0; i < std::min(heads.size(), kHeadsPerGroup); ++i)
    places.push_back({heads[i].layer, heads[i].head});
  return places;
}

/// Draws heads, each at most once: a head that is asked for again is only linked.
class HeadGallery {
 public:
  HeadGallery(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder)
      : inputs_(inputs),
        steps_(inputs.capture->steps()),
        colors_(color_map(options.color_map)),
        folder_(folder),
        reader_(*inputs.capture) {}

  [[nodiscard]] std::string group(const std::string& heading, const std::vector<HeadPlace>& heads) {
    if (heads.empty()) return {};
    std::string html = fmt::format("<h3>{}</h3>\n", escaped(heading));
    html += "<div class=\"heads\">\n";
    for (const HeadPlace head : heads) html += article(head);
    return html + "</div>\n";
  }
  [[nodiscard]] const MapReader& reader() const noexcept { return reader_; }

 private:
  [[nodiscard]] double side() const { return steps_.size() > kManySteps ? kSmallPanelSide : kPanelSide; }

  std::string article(HeadPlace head) {
    const std::string id = fmt::format("head-{}-{}", head.layer, head.head);
    if (std::ranges::find(shown_, head) != shown_.end()) {
      return fmt::format("<p><a href=\"#{}\">Layer {}, head {}</a> is shown above.</p>\n", id, head.layer, head.head);
    }
    shown_.push_back(head);
    std::vector<HeadMap> maps;
    std::string panels;
    std::string files;
    for (int step = 0; step < steps_.size(); ++step) {
      if (steps_.n_key(step) < 2) continue;  // one key has all the attention
      const auto map = reader_.read(head, step);
      if (!map) continue;
      panels += panel(head, *map, files);
      maps.push_back(pooled(*map, kLargestPanel));
    }
    if (maps.empty())
      return fmt::format("<p>The capture has no map of layer {}, head {}.</p>\n", head.layer, head.head);
    std::vector<AttentionView> views;
    for (const HeadMap& map : maps) views.push_back(map.view());
    const std::string svg = folder_.add_drawing(
        fmt::format("layer_{:02}_head_{:02}", head.layer, head.head),
        attention_figure(views, steps_, colors_, fmt::format("Attention of layer {} head {}", head.layer, head.head)));
    return fmt::format(
        "<article class=\"head\" id=\"{}\">\n<h4>Layer {}, head {}</h4>\n{}<div class=\"panels\">\n{}</div>\n"
        "<p class=\"files\">{} PNG:{}</p>\n</article>\n",
        id, head.layer, head.head, verdict(head), panels, link_html(svg, "SVG"), files);
  }

  std::string panel(HeadPlace head, const HeadMap& map, std::string& files) {
    const std::string name = step_name(steps_[map.step]);
    const std::string png =
        folder_.add_png(fmt::format("layer_{:02}_head_{:02}_step_{:02}", head.layer, head.head, map.step),
                        png_bytes(attention_image(map.view(), steps_, colors_)));
    files += ' ' + link_html(png, name);
    const std::string title = fmt::format("Attention of layer {} head {}, queries of {}", head.layer, head.head, name);
    const HeadMap small = pooled(map, kLargestPanel);
    return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n",
                       svg_element(attention_panel(small.view(), steps_, side(), colors_, title)), escaped(name));
  }

  std::string verdict(HeadPlace place) const {
    if (!inputs_.heads) return {};
    const ClassifiedHead& head = inputs_.heads->at(place.layer, place.head);
    const auto name = head_class_name(head.head_class);
    return fmt::format(
        "<p class=\"meta\"><span class=\"chip {0}\">{0}</span> {1} {2}, margin {3}{4}</p>\n", name,
        escaped(score_label(*inputs_.heads)), number_label(head.score, 3), number_label(head.margin, 3),
        head.confidence ? fmt::format(", confidence {:.0f} %", 100.0 * *head.confidence) : std::string());
  }

  const ReportInputs& inputs_;
  const StepTable& steps_;
  ColorMap colors_;
  ReportFolder& folder_;
  MapReader reader_;
  std::vector<HeadPlace> shown_;
};

std::string legend_figure(const ColorMap& colors) {
  Drawing legend{400.0, kColorBarHeight, std::string(kAttentionLabel), {}, {}};
  draw_color_bar(legend, {14.0, 0.0}, 360.0, attention_scale(), colors, std::string(kAttentionLabel));
  return fmt::format("<div class=\"legend\">{}</div>\n", svg_element(legend));
}

}  // namespace

Section maps_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder) {
  Section section{"maps", "Attention maps", {}, true};
  if (!inputs.capture) {
    section.complete = false;
    section.html = missing_html("No capture was given: kvscope collect makes one, and --capture names it.");
    return section;
  }
  for (const HeadPlace head : options.open_first) {
    const ModelInfo& model = inputs.capture->model();
    if (head.layer < 0 || head.layer >= model.layers || head.head < 0 || head.head >= model.heads) {
      throw usage_error("--open-first: there is no layer {} head {}; {} has {} layers of {} heads", head.layer,
                        head.head, inputs.capture->path().string(), model.layers, model.heads);
    }
  }
  HeadGallery gallery(inputs, options, folder);
  std::string groups = gallery.group("Chosen heads", options.open_first);
  if (inputs.heads) {
    groups += gallery.group("Most typical contextual heads", most_typical(*inputs.heads, HeadClass::kContextual));
    groups += gallery.group("Most typical structural heads", most_typical(*inputs.heads, HeadClass::kStructural));
    groups += gallery.group(inputs.heads->borderline().empty() ? "Heads closest to the split" : "Borderline heads",
                            closest_to_split(*inputs.heads));
  } else {
    section.complete = false;
    groups += missing_html("Which heads are typical is known with a classification: --heads names it.");
  }
  section.html = fmt::format(
      "<p>One panel per scale: queries run downwards, keys to the right from coarse to fine, white lines part the "
      "source scales. "
      "{} All panels share one fixed range.</p>\n{}{}",
      escaped(gallery.reader().sentence()), legend_figure(color_map(options.color_map)), groups);
  return section;
}

}  // namespace kvscope
