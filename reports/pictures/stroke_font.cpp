#include "reports/pictures/stroke_font.h"

#include <array>

namespace kvscope {
namespace {

/// A letter: its width in grid units, and its lines as pairs of digits "xy", separated by spaces. Capitals reach from
/// y = 0 to the baseline at y = 8, small letters begin at 3, descenders end at 10 ('a').
struct Glyph {
  int width;
  std::string_view lines;
};

constexpr double kUnitX = 0.083;  ///< of the size
constexpr double kUnitY = 0.09;
constexpr int kBaseline = 8;
constexpr double kGap = 1.6;  ///< between letters, in grid units

// clang-format off: one letter a line
constexpr std::array<Glyph, 95> kAscii = {{
    {2, ""},                                         // space
    {2, "1015 1718"},                                // !
    {4, "1012 3032"},                                // "
    {6, "2018 5048 0363 0565"},                      // #
    {6, "615010010314546567581807 3039"},            // $
    {7, "0860 0020220200 4666684846"},               // %
    {6, "681211203041420507183865"},                 // &
    {2, "1012"},                                     // '
    {3, "20121628"},                                 // (
    {3, "10222618"},                                 // )
    {4, "0145 4105 2026"},                           // *
    {6, "3337 1555"},                                // +
    {2, "1809"},                                     // ,
    {4, "0535"},                                     // -
    {2, "1718"},                                     // .
    {4, "0840"},                                     // /
    {6, "204062664828060220"},                       // 0
    {6, "123038 1858"},                              // 1
    {6, "022040626308 0868"},                        // 2
    {6, "01204061634424 446567482807"},              // 3
    {6, "48400565"},                                 // 4
    {6, "60100413436566481807"},                     // 5
    {6, "5020030628486665442405"},                   // 6
    {6, "006028"},                                   // 7
    {6, "204061634424030120 2405072848676544"},      // 8
    {6, "1848656240200203244463"},                   // 9
    {2, "1415 1718"},                                // :
    {2, "1415 1809"},                                // ;
    {6, "521558"},                                   // <
    {6, "0464 0666"},                                // =
    {6, "125518"},                                   // >
    {6, "01204061623435 3738"},                      // ?
    {8, "7684826030020628 2858 624233354656 6266"},  // @
    {6, "083068 1555"},                              // A
    {6, "004061634404 446567480800"},                // B
    {6, "6140200206284867"},                         // C
    {6, "00306266380800"},                           // D
    {6, "60000868 0454"},                            // E
    {6, "600008 0454"},                              // F
    {6, "61402002062848666434"},                     // G
    {6, "0008 6068 0464"},                           // H
    {2, "1018"},                                     // I
    {5, "5057381806"},                               // J
    {6, "0008 6005 2368"},                           // K
    {6, "000868"},                                   // L
    {8, "0800458088"},                               // M
    {6, "08006860"},                                 // N
    {6, "204062664828060220"},                       // O
    {6, "08004061634404"},                           // P
    {6, "204062664828060220 4569"},                  // Q
    {6, "08004061634404 3468"},                      // R
    {6, "615010010314546567581807"},                 // S
    {6, "0060 3038"},                                // T
    {6, "000628486660"},                             // U
    {6, "003860"},                                   // V
    {8, "0028436880"},                               // W
    {6, "0068 6008"},                                // X
    {6, "003460 3438"},                              // Y
    {6, "00600868"},                                 // Z
    {3, "30101838"},                                 // [
    {4, "0048"},                                     // backslash
    {3, "10303818"},                                 // ]
    {4, "032043"},                                   // ^
    {6, "0969"},                                     // _
    {3, "1022"},                                     // `
    {5, "0413435458 55150607183856"},                // a
    {5, "0008 0513435457481806"},                    // b
    {5, "5443130407184857"},                         // c
    {5, "5058 5543130407184856"},                    // d
    {5, "05555443130407184857"},                     // e
    {4, "40302128 0343"},                            // f
    {5, "53594a1a 5543130407184856"},                // g
    {5, "0008 0523435458"},                          // h
    {2, "1318 1011"},                                // i
    {3, "23291a 2021"},                              // j
    {5, "0008 5306 2558"},                           // k
    {2, "1018"},                                     // l
    {8, "0308 0513334448 4553738488"},               // m
    {5, "0308 0523435458"},                          // n
    {5, "134354574818070413"},                       // o
    {5, "030a 0513435457481806"},                    // p
    {5, "535a 5543130407184856"},                    // q
    {4, "0308 052343"},                              // r
    {5, "54431304154657481807"},                     // s
    {4, "11172838 0333"},                            // t
    {5, "0307183856 5358"},                          // u
    {5, "032853"},                                   // v
    {8, "0328446883"},                               // w
    {5, "0358 5308"},                                // x
    {5, "0328 531a"},                                // y
    {5, "03530858"},                                 // z
    {4, "30212314252738"},                           // {
    {2, "101a"},                                     // |
    {4, "10212334252718"},                           // }
    {6, "051424455564"},                             // ~
}};
// clang-format on
constexpr Glyph kTimes = {5, "1448 4418"};
constexpr Glyph kMinus = {6, "1555"};
constexpr Glyph kUnknown = {5, "0050580800"};

int grid_digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

/// Takes one letter off the front of `text`.
const Glyph& next_glyph(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) {
    text.remove_prefix(1);
    return first >= ' ' && first < 0x7f ? kAscii[first - ' '] : kUnknown;
  }
  const Glyph& glyph = text.starts_with("×") ? kTimes : text.starts_with("−") ? kMinus : kUnknown;
  do {
    text.remove_prefix(1);
  } while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xc0U) == 0x80U);
  return glyph;
}

}  // namespace

StrokedText stroked_text(std::string_view text, double size) {
  StrokedText result;
  while (!text.empty()) {
    const Glyph& glyph = next_glyph(text);
    bool starts_line = true;
    for (std::size_t i = 0; i < glyph.lines.size(); i += starts_line ? 1 : 2) {
      if (glyph.lines[i] == ' ') {
        starts_line = true;
        continue;
      }
      if (starts_line) result.lines.emplace_back();
      starts_line = false;
      result.lines.back().push_back({result.width + size * kUnitX * (grid_digit(glyph.lines[i]) + kGap / 2.0),
                                     size * kUnitY * (grid_digit(glyph.lines[i + 1]) - kBaseline)});
    }
    result.width += size * kUnitX * (glyph.width + kGap);
  }
  return result;
}

}  // namespace kvscope
