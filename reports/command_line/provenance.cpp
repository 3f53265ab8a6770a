#include "reports/command_line/provenance.h"

#include "collectors/base/hash.h"
#include "collectors/base/parallel.h"

namespace kvscope {

Json file_origin(const std::filesystem::path& path) {
  return {{"path", path.string()}, {"sha256", sha256_of_file(path)}};
}

Json run_record(const GenerationSettings& settings, const CommandContext& context) {
  Json json = to_json(settings);
  json["threads"] = thread_count();
  json["command_line"] = context.command_line;
  json["version"] = KVSCOPE_VERSION;
  return json;
}

}  // namespace kvscope
