#include "reports/profile/profile_tables.h"

#include "reports/profile/forged_profile.h"
#include "reports/profile/kernel_name.h"
#include "reports/profile/profile_json.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace kvscope;

namespace {

Json row_where(const Table& table, const char* field, const Json& value) {
  for (const Json& row : to_json(table)) {
    if (row.at(field) == value) return row;
  }
  return {};
}

bool any_contains(const std::vector<std::string>& remarks, std::string_view text) {
  return std::ranges::any_of(remarks, [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

}  // namespace

TEST_SUITE("reports.profile.profile_tables") {
  TEST_CASE("GPU work counts for the phase and step and layer that launched it") {
    const ProfileResult result = testing::forged_profile();
    const ProfileSummary summary = summarise(result);
    const Json attention = row_where(profile_phase_table(result, summary), "phase", "attention");
    CHECK(attention["device_seconds"].get<double>() == doctest::Approx(1'000e-9 + 100e-9 + 3'000e-9 + 1'000e-9));
    const Table steps = profile_step_table(result, summary);
    CHECK(row_where(steps, "step", 0)["device_seconds"].get<double>() == doctest::Approx(1'100e-9));
    CHECK(row_where(steps, "step", 1)["device_seconds"].get<double>() == doctest::Approx(4'000e-9));
    CHECK(row_where(steps, "step", 1)["held_bytes"] == 250);
    CHECK(row_where(profile_layer_table(result, summary), "layer", 0)["device_seconds"].get<double>() ==
          doctest::Approx(5'100e-9));
    CHECK(summary.unattributed_device_seconds == doctest::Approx(100e-9));
  }

  TEST_CASE("kernels are summed by name and the device is busy once where they overlap") {
    const ProfileResult result = testing::forged_profile();
    const ProfileSummary summary = summarise(result);
    REQUIRE(summary.kernels.size() == 4);
    CHECK(summary.kernels[0].name == "attend(float const*, int)");
    CHECK(summary.kernels[0].calls == 2);
    CHECK(summary.kernels[0].seconds == doctest::Approx(4'000e-9));
    CHECK(summary.kernels[0].longest_seconds == doctest::Approx(3'000e-9));
    CHECK(summary.device_busy_seconds == doctest::Approx(1'000e-9 + 100e-9 + 3'000e-9 + 100e-9));
    const Table kernels = profile_kernel_table(summary);
    const Json copy = row_where(kernels, "name", "memcpy host to device");
    CHECK(copy["bytes"] == 4096);
    CHECK(copy["registers"].is_null());
    CHECK(row_where(kernels, "name", "lost")["registers"] == 96);
  }

  TEST_CASE("remarks name what is missing") {
    ProfileResult result = testing::forged_profile();
    CHECK(any_contains(profile_remarks(result, summarise(result)), "3 dropped"));
    CHECK(any_contains(profile_remarks(result, summarise(result)), "1 without a call"));
    result.has_device_records = false;
    result.device_note = "no driver";
    result.timeline.host.dropped = 5;
    result.interrupted = true;
    const auto remarks = profile_remarks(result, summarise(result));
    CHECK(any_contains(remarks, "no GPU records: no driver"));
    CHECK(any_contains(remarks, "5 host ranges had no room"));
    CHECK(any_contains(remarks, "interrupted"));
  }

  TEST_CASE("without GPU records there are neither their columns nor their table") {
    ProfileResult result = testing::forged_profile();
    result.has_device_records = false;
    result.device = {};
    const ProfileSummary summary = summarise(result);
    CHECK_FALSE(to_json(profile_phase_table(result, summary))[0].contains("device_seconds"));
    for (const auto& [name, table] : profile_tables(result, summary)) CHECK(name != "kernels");
    CHECK(profile_document(result, summary)["clock"] == "host");
  }

  TEST_CASE("a run that was stopped before its first pass has tables without times") {
    ProfileResult result;
    result.model = testing::forged_profile().model;
    result.steps = testing::forged_profile().steps;
    result.interrupted = true;
    const ProfileSummary summary = summarise(result);
    CHECK(profile_document(result, summary)["wall"]["seconds"] == 0.0);
    CHECK(any_contains(profile_remarks(result, summary), "0 samples"));
  }

  TEST_CASE("names of kernels are demangled where they are mangled") {
    CHECK(demangled("_ZN7kvscope6attendIfEEvPKT_i") == "void kvscope::attend<float>(float const*, int)");
    CHECK(demangled("sm90_xmma_gemm") == "sm90_xmma_gemm");
    CHECK(demangled("").empty());
  }
}
