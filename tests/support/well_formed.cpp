#include "support/well_formed.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace kvscope::testing {
namespace {

constexpr std::string_view kVoid[] = {"meta", "link", "img", "br", "hr"};
constexpr std::string_view kReferences[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

class Checker {
 public:
  Checker(std::string_view text, Markup markup) : text_(text), markup_(markup) {}

  std::string fault() {
    while (at_ < text_.size() && fault_.empty()) {
      if (text_[at_] == '<') {
        tag();
      } else {
        if (text_[at_] == '&') reference();
        if (text_[at_] == '>') complain("a bare >");
        ++at_;
      }
    }
    if (fault_.empty() && !open_.empty()) complain("<" + open_.back() + "> is never closed");
    return fault_;
  }

 private:
  void complain(const std::string& what) {
    if (fault_.empty()) fault_ = what + " near: " + std::string(text_.substr(at_ > 40 ? at_ - 40 : 0, 120));
  }

  void reference() {
    if (std::none_of(std::begin(kReferences), std::end(kReferences),
                     [this](std::string_view known) { return text_.substr(at_).starts_with(known); })) {
      complain("an unknown reference");
    }
  }

  std::string name() {
    const std::size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '-' || text_[at_] == ':'))
      ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  void tag() {
    if (text_.substr(at_).starts_with("<!DOCTYPE") || text_.substr(at_).starts_with("<?xml")) {
      at_ = std::min(text_.find('>', at_), text_.size() - 1) + 1;
      return;
    }
    ++at_;
    if (at_ < text_.size() && text_[at_] == '/') return closing();
    const std::string element = name();
    if (element.empty()) return complain("a bare <");
    attributes();
    if (!fault_.empty()) return;
    if (text_.substr(at_).starts_with("/>")) {
      at_ += 2;
      return;
    }
    if (at_ >= text_.size() || text_[at_] != '>') return complain("<" + element + " does not end");
    ++at_;
    if (markup_ == Markup::kHtml && std::find(std::begin(kVoid), std::end(kVoid), element) != std::end(kVoid)) return;
    open_.push_back(element);
    if (element == "style" || element == "script") at_ = std::min(text_.find("</" + element + ">", at_), text_.size());
  }

  void closing() {
    ++at_;
    const std::string element = name();
    if (open_.empty() || open_.back() != element)
      return complain("</" + element + "> closes " + (open_.empty() ? "nothing" : "<" + open_.back() + ">"));
    open_.pop_back();
    if (at_ >= text_.size() || text_[at_] != '>') return complain("</" + element + " does not end");
    ++at_;
  }

  void attributes() {
    std::set<std::string> names;
    for (;;) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
      const std::string attribute = name();
      if (attribute.empty()) return;
      if (!names.insert(attribute).second) return complain("attribute " + attribute + " stands twice");
      if (!text_.substr(at_).starts_with("=\"")) return complain("attribute " + attribute + " is not quoted");
      for (at_ += 2; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '&') reference();
        if (text_[at_] == '<') complain("< in attribute " + attribute);
      }
      ++at_;
    }
  }

  std::string_view text_;
  Markup markup_;
  std::size_t at_ = 0;
  std::vector<std::string> open_;
  std::string fault_;
};

}  // namespace

std::string markup_fault(std::string_view text, Markup markup) {
  return Checker(text, markup).fault();
}

}  // namespace kvscope::testing
