#include "classifiers/plan/sensitivity.h"
#include "collectors/hdf5/hdf5_document.h"

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-sensitivity";
constexpr int kVersion = 1;
constexpr std::size_t kMostRules = 1000;

Json rules_to_json(const std::vector<PricedRule>& rules) {
  Json list = Json::array();
  for (const PricedRule& priced : rules) {
    Json entry{{"name", priced.name}, {"rule", to_json(priced.rule)}};
    if (priced.elements != StoredElements::kModel) entry["elements"] = stored_elements_name(priced.elements);
    list.push_back(std::move(entry));
  }
  return list;
}

StoredElements elements_from_json(const Json& entry, std::string_view where) {
  const auto name = json_field_or<std::string>(entry, "elements", where, "model");
  const auto elements = stored_elements_from_name(name);
  if (!elements) throw bad_input("{}: field 'elements' is {}, expected model or int8", where, in_quotes(name));
  return *elements;
}

std::vector<PricedRule> rules_from_json(const Json& list, std::string_view where) {
  if (!list.is_array()) throw bad_input("{}: attribute 'rules' is no list ({})", where, list.type_name());
  if (list.size() > kMostRules)
    throw bad_input("{}: attribute 'rules' holds {}, expected at most {}", where, list.size(), kMostRules);
  std::vector<PricedRule> rules;
  for (const Json& entry : list) {
    const auto name = json_field<std::string>(entry, "name", where);
    const std::string place = fmt::format("{}: rule {}", where, in_quotes(name));
    PricedRule priced;
    priced.name = name;
    priced.rule = retention_rule_from_json(json_field<Json>(entry, "rule", where), place);
    priced.elements = elements_from_json(entry, place);
    rules.push_back(std::move(priced));
  }
  return rules;
}

void write_all(Hdf5File& file, const Sensitivity& sensitivity) {
  file.set_attribute("/", "format", kFormat);
  file.set_attribute("/", "version", kVersion);
  file.set_attribute("/", "samples", sensitivity.samples());
  file.set_attribute("/", "draws", sensitivity.draws);
  file.set_attribute("/", "model", to_json(sensitivity.model).dump());
  file.set_attribute("/", "steps", to_json(sensitivity.steps).dump());
  file.set_attribute("/", "rules", rules_to_json(sensitivity.rules).dump());
  file.set_attribute("/", "run", sensitivity.run.dump());
  file.set_attribute("/", "made_from", sensitivity.made_from.dump());
  file.write("/counts", Array<std::int64_t>({std::ssize(sensitivity.counts)}, sensitivity.counts));
  file.write("/cost", sensitivity.cost, {.checksum = true});
  file.write("/samples/cost", sensitivity.sample_cost, {.checksum = true});
  file.set_attribute("/counts", "unit", "tokens per row and head");
  file.set_attribute("/cost", "axes", "layer, kv_head, rule, count, step");
  file.set_attribute("/cost", "unit", "nats per token");
  file.set_attribute("/samples/cost", "axes", "sample, layer, kv_head, rule, count");
  file.set_attribute("/samples/cost", "unit", "nats per token");
}

}  // namespace

void write_sensitivity(const std::filesystem::path& path, const Sensitivity& sensitivity) {
  check_sensitivity(sensitivity, path.string());
  replace_hdf5_file(path, [&](Hdf5File& file) { write_all(file, sensitivity); });
}

Sensitivity read_sensitivity(const std::filesystem::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  check_hdf5_format(file, kFormat, kVersion);
  const std::string name = path.string();
  Sensitivity sensitivity;
  sensitivity.model = model_info_from_json(json_attribute(file, "model"), name);
  sensitivity.steps = step_table_from_json(json_attribute(file, "steps"), name);
  sensitivity.rules = rules_from_json(json_attribute(file, "rules"), name);
  sensitivity.draws = file.integer_attribute("/", "draws");
  sensitivity.run = json_attribute(file, "run");
  sensitivity.made_from = json_attribute(file, "made_from");
  for (const char* dataset : {"/counts", "/cost", "/samples/cost"}) {
    if (!file.is_dataset(dataset)) throw bad_input("{}: dataset '{}' is missing", name, dataset);
  }
  const auto counts = file.read<std::int64_t>("/counts");
  sensitivity.counts.assign(counts.values().begin(), counts.values().end());
  sensitivity.cost = file.read<double>("/cost");
  sensitivity.sample_cost = file.read<float>("/samples/cost");
  check_sensitivity(sensitivity, name);
  return sensitivity;
}

}  // namespace kvscope
