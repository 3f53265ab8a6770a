#include "support/json_schema.h"

#include "support/paths.h"

#include <cstdio>
#include <stdexcept>

namespace kvscope::testing {
namespace {

// Complaints go to standard output; a missing module or a broken schema ends with a status other than 0.
constexpr std::string_view kProgram = R"(
import json, sys, jsonschema
schema, document = (json.load(open(path)) for path in sys.argv[1:3])
jsonschema.Draft7Validator.check_schema(schema)
for error in jsonschema.Draft7Validator(schema).iter_errors(document):
    print("/".join(map(str, error.absolute_path)) + ": " + error.message[:200])
)";

}  // namespace

std::string schema_complaints(std::string_view schema, const Json& document) {
  const TemporaryFolder folder;
  write_json_file(folder / "document.json", document);
  const std::string line = fmt::format("{} -W ignore -c '{}' '{}' '{}'", KVSCOPE_TEST_PYTHON, kProgram,
                                       repository_file(schema).string(), (folder / "document.json").string());
  std::FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot start Python");
  std::string output;
  char buffer[4096];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, size);
  if (::pclose(pipe) != 0)
    throw std::runtime_error("Python with jsonschema failed: apt-get install python3-jsonschema");
  return output;
}

}  // namespace kvscope::testing
