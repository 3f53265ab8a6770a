#include "collectors/base/file.h"
#include "collectors/hdf5/hdf5_file.h"
#include "reports/inspection/inspection.h"
#include "reports/profile/forged_profile.h"
#include "reports/profile/gzip_writer.h"
#include "reports/profile/profile_file.h"
#include "reports/profile/profile_json.h"
#include "reports/profile/trace_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

using namespace kvscope;

namespace {

Json trace_of(const ProfileResult& result) {
  const testing::TemporaryFolder folder;
  write_trace(folder / "trace.json", result);
  return parse_json(read_text_file(folder / "trace.json"), "trace.json");
}

Json event_named(const Json& trace, std::string_view name) {
  for (const Json& event : trace["traceEvents"]) {
    if (event["name"] == name) return event;
  }
  return {};
}

/// Microseconds with three places as whole nanoseconds.
std::int64_t ns_of(const Json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000.0);
}

}  // namespace

TEST_SUITE("reports.profile.profile_files") {
  TEST_CASE("every event has what its kind needs") {
    const Json trace = trace_of(testing::forged_profile());
    CHECK(trace["otherData"]["format"] == "kvscope-profile");
    std::map<std::string, int> count;
    for (const Json& event : trace["traceEvents"]) {
      CAPTURE(event.dump());
      const auto kind = event.at("ph").get<std::string>();
      ++count[kind];
      CHECK(event.at("name").is_string());
      CHECK(event.at("pid").is_number_integer());
      CHECK(event.at("args").is_object());
      if (kind == "X") {
        CHECK(event.at("cat").is_string());
        CHECK(event.at("tid").is_number_integer());
        CHECK(event.at("dur").get<double>() >= 0.0);
      }
      if (kind != "M") CHECK(event.at("ts").get<double>() >= 0.0);
    }
    CHECK(count["X"] == 6 + 5);
    CHECK(count["C"] == 2);
    CHECK(count["M"] == 3 + 1 + 2);  // host and its threads; the GPU, its stream and one more lane
  }

  TEST_CASE("times are exact to the nanosecond from the start of the first pass") {
    const Json trace = trace_of(testing::forged_profile());
    const Json attention = event_named(trace, "attention step 1 layer 0");
    CHECK(ns_of(attention["ts"]) == 4'000);
    CHECK(ns_of(attention["dur"]) == 3'001);
    CHECK(attention["args"]["phase"] == "attention");
    CHECK(attention["args"]["step"] == 1);
    CHECK_FALSE(attention["args"].contains("sample"));
    const Json row = event_named(trace, "projection step 1 layer 0 sample 0 branch 1");
    CHECK(row["tid"] == 1);
    CHECK(event_named(trace, "KV cache")["args"]["held bytes"] == 100);
  }

  TEST_CASE("events of one row nest and overlapping work of a stream is on different rows") {
    const Json trace = trace_of(testing::forged_profile());
    std::map<std::pair<int, int>, std::vector<std::pair<std::int64_t, std::int64_t>>> open;
    std::set<int> gpu_rows;
    for (const Json& event : trace["traceEvents"]) {
      if (event["ph"] != "X") continue;
      const auto process = event["pid"].get<int>();
      const auto thread = event["tid"].get<int>();
      if (process >= 100) gpu_rows.insert(thread);
      const std::int64_t start = ns_of(event["ts"]);
      const std::int64_t end = start + ns_of(event["dur"]);
      auto& stack = open[{process, thread}];
      while (!stack.empty() && stack.back().second <= start) stack.pop_back();
      if (!stack.empty()) {
        CAPTURE(event.dump());
        CHECK(stack.back().first <= start);
        CHECK(end <= stack.back().second);
      }
      stack.emplace_back(start, end);
    }
    CHECK(gpu_rows.size() == 2);
  }

  TEST_CASE("GPU work carries its launch and its range") {
    const Json trace = trace_of(testing::forged_profile());
    const Json kernel = event_named(trace, "attend(float const*, int)");
    CHECK(kernel["cat"] == "kernel");
    CHECK(kernel["args"]["grid"] == Json{4, 2, 1});
    CHECK(kernel["args"]["phase"] == "attention");
    CHECK(kernel["args"]["step"] == 0);
    CHECK_FALSE(event_named(trace, "lost")["args"].contains("phase"));
    CHECK(event_named(trace, "overlapping \"quoted\"")["args"]["layer"] == 0);
  }

  TEST_CASE("an HDF5 profile holds every range and the GPU's work") {
    const testing::TemporaryFolder folder;
    const ProfileResult result = testing::forged_profile();
    write_profile(folder / "deep/profile.h5", result, summarise(result));
    const Hdf5File file = Hdf5File::open(folder / "deep/profile.h5");
    CHECK(file.text_attribute("/", "format") == "kvscope-profile");
    CHECK(file.read<std::int64_t>("ranges/start").size() == 6);
    CHECK(file.read<std::int64_t>("ranges/layer")(0) == -1);
    CHECK(file.read<std::int64_t>("ranges/layer")(2) == 0);
    CHECK(file.text_list_attribute("ranges/phase", "names").at(4) == "attention");
    CHECK(file.read<std::int64_t>("device/work/range")(0) == 2);
    CHECK(file.read_strings("device/work/name").at(0) == "attend(float const*, int)");
    CHECK(file.read<std::int64_t>("device/memory/bytes")(0) == 512);
    CHECK(file.read<double>("heads/seconds").shape() == Shape{2, 1, 2});
    CHECK(parse_json(file.read_strings("document").at(0), "document")["rows"] == 2);
  }

  TEST_CASE("a profile without ranges can be written") {
    const testing::TemporaryFolder folder;
    ProfileResult result;
    result.model = testing::forged_profile().model;
    result.steps = testing::forged_profile().steps;
    write_profile(folder / "empty.h5", result, summarise(result));
    CHECK(Hdf5File::open(folder / "empty.h5").read<std::int64_t>("ranges/start").empty());
    write_trace(folder / "empty.json", result);
    CHECK(parse_json(read_text_file(folder / "empty.json"), "empty.json")["traceEvents"].size() == 1);
  }
}

TEST_SUITE("reports.profile.gzip_writer") {
  TEST_CASE("nothing is left behind without a commit") {
    const testing::TemporaryFolder folder;
    {
      GzipWriter writer(folder / "text.gz");
      writer.write("never");
    }
    CHECK_FALSE(std::filesystem::exists(folder / "text.gz"));
    CHECK(std::filesystem::is_empty(folder.path()));
  }

  TEST_CASE("gzip itself reads back what was written") {
    const testing::TemporaryFolder folder;
    std::mt19937 generator(7);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 18, (std::size_t{1} << 20) + 3}) {
      CAPTURE(size);
      std::string text(size, ' ');
      for (char& letter : text) letter = static_cast<char>('a' + generator() % 20);
      {
        GzipWriter writer(folder / "text.gz");
        for (std::size_t at = 0; at < size; at += 1000) writer.write(std::string_view(text).substr(at, 1000));
        writer.commit();
      }
      const std::string command = "gzip -dc " + (folder / "text.gz").string() + " > " + (folder / "text").string();
      REQUIRE(std::system(command.c_str()) == 0);
      CHECK(read_text_file(folder / "text") == text);
    }
  }
}

TEST_SUITE("reports.inspection.inspect_profile") {
  TEST_CASE("inspect shows what was profiled and its phases") {
    const testing::TemporaryFolder folder;
    const ProfileResult result = testing::forged_profile();
    write_profile(folder / "profile.h5", result, summarise(result));
    const Json facts = to_json(inspect_file(folder / "profile.h5", InspectionDepth::kCheck));
    CHECK(facts["kind"] == "profile");
    CHECK(facts["ranges"] == 6);
    CHECK(facts["check"] == "passed");
    CHECK(facts["phases"].size() == 4);
    write_json_file(folder / "profile.json", profile_document(result, summarise(result)));
    CHECK(to_json(inspect_file(folder / "profile.json", InspectionDepth::kSummary))["clock"] == "host and GPU");
  }

  TEST_CASE("a range that ends before it begins is found") {
    const testing::TemporaryFolder folder;
    ProfileResult result = testing::forged_profile();
    write_profile(folder / "profile.h5", result, summarise(result));
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "profile.h5");
      file.write_slab("ranges/end", {2}, Array<std::int64_t>({1}, 5));
    }
    (void)inspect_file(folder / "profile.h5", InspectionDepth::kSummary);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)inspect_file(folder / "profile.h5", InspectionDepth::kCheck); },
        "range 2 ends before it begins");
  }
}
