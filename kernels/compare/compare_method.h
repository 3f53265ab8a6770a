#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// How the heads of a compared method store what they carry.
enum class ComparedElements : std::uint8_t {
  kModel,    ///< "model": in the run's types
  kInt8,     ///< "int8": as 8-bit codes
  kCheapest  ///< "cheapest": each head as its prices say; only of sensitivity
};

/// A planning method as it is compared: "hack++@diagonal:alpha=0.35,tau=0.5".
struct CompareMethod {
  std::string name;    ///< all of it, as given: names the method in results
  std::string method;  ///< of PlanRequest: "hack", "hack++", "uniform", "sensitivity"
  std::string rule;    ///< uniform: a retention preset
  std::string split;   ///< how heads get their classes (split_heads()); empty where a method knows none
  bool names_split = false;
  std::optional<double> alpha;               ///< hack, hack++: share of contextual heads, in [0, 1]; else searched
  std::optional<double> tau;                 ///< hack++: exponent of the future attention, >= 0; else searched
  std::optional<double> ratio;               ///< hack: B_C : B_S, > 0; else the planner's default
  std::optional<double> attend;              ///< hack++: share of T_K attended to, in (0, 1]; else everything
  std::optional<ComparedElements> elements;  ///< else kModel

  /// Whether a head may store codes.
  [[nodiscard]] bool may_quantise() const { return elements && *elements != ComparedElements::kModel; }

  [[nodiscard]] bool has_classes() const { return !split.empty(); }
  /// A variant that differs from `other` in the split alone, and takes over the parameters chosen for it.
  [[nodiscard]] bool is_variant_of(const CompareMethod& other) const;
};

/// How heads can be told apart, for '@': the classifiers, then "order" and "random".
[[nodiscard]] std::vector<std::string> head_split_names();

/// Parses "hack,hack++@order,uniform:look-ahead,elements=int8,hack++:alpha=0.35,tau=0.5"; a part without a method goes
/// on with the parameters of the method before it.
/// @param attend  of HACK++ where it names none
/// @throws Error  kUsage naming the part that is unknown, out of range or there twice.
[[nodiscard]] std::vector<CompareMethod> parse_compare_methods(std::string_view text, std::optional<double> attend);

/// Puts behind every method that knows classes, and names no split itself, its variants with these splits.
/// @param text  "diagonal,order,random"
/// @throws Error  kUsage naming a split that is unknown or there twice.
[[nodiscard]] std::vector<CompareMethod> with_split_variants(const std::vector<CompareMethod>& methods,
                                                             std::string_view text);

/// Parses "0.1,0.2,0.5".
/// @throws Error  kUsage naming `option` and the part that is no number, outside [lowest, highest] or there twice.
[[nodiscard]] std::vector<double> parse_grid(std::string_view text, std::string_view option, double lowest,
                                             double highest);

}  // namespace kvscope
