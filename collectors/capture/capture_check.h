#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace kvscope {

enum class Severity {
  kError,    ///< readers refuse the file, or would compute nonsense from it
  kWarning,  ///< usable, but something that one would expect is missing or odd
};

/// One thing that check_capture() found.
struct CaptureFinding {
  Severity severity = Severity::kError;
  std::string place;    ///< dataset or attribute: "/statistics/step_03/entropy"
  std::string message;  ///< what was found and what was expected
};

/// Checks a capture of any origin against docs/formats/capture.md: everything that Capture::open() checks,
/// then every value: finite; probabilities, masses and bands in [0, 1]; source masses and column means
/// summing to 1; bands rising with the radius and below their source's mass; entropy at most ln T_k;
/// variance = square sum - squared means; rows of raw maps summing to 1; labels, tokens and images of the
/// right extents. Tolerances are those of float32 sums, 1e-3.
///
/// Findings in the order of the file; at most one per dataset and rule. Empty: the file is valid. Never
/// throws for what is in the file; @throws Error kBadInput only if it is missing or no HDF5 file.
[[nodiscard]] std::vector<CaptureFinding> check_capture(const std::filesystem::path& path);

/// "error: /statistics/step_03/entropy: 9.1 at [0, 1, 2, 3] is above ln 14 = 2.639"
[[nodiscard]] std::string describe(const CaptureFinding& finding);

}  // namespace kvscope
