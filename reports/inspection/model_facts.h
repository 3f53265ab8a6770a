#pragma once

#include "collectors/geometry/model_info.h"
#include "reports/inspection/inspection.h"

namespace kvscope {

/// Family, geometry, branches, element types and fingerprint, a fact each.
void add_model_facts(Inspection& inspection, const ModelInfo& model);

/// The fields of a JSON object, a fact "PREFIX_FIELD" each; nothing if there is none.
void add_json_facts(Inspection& inspection, std::string_view prefix, const Json& object);

}  // namespace kvscope
