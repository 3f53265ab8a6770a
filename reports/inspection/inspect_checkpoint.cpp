#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/bsq_tokenizer_config.h"
#include "collectors/models/checkpoint_kind.h"
#include "collectors/models/infinity_config.h"
#include "collectors/models/var_config.h"
#include "collectors/models/var_tokenizer_config.h"
#include "reports/inspection/inspection.h"

#include <fmt/ranges.h>

#include <array>

namespace kvscope {
namespace {

std::int64_t bytes_of(const CheckpointTensor& tensor) {
  return tensor.elements() * element_bytes(tensor.type);
}

Table tensor_table(const Checkpoint& checkpoint) {
  Table table("", {{.name = "name", .label = "tensor"},
                   {.name = "type", .label = ""},
                   {.name = "shape", .label = ""},
                   {.name = "elements", .label = ""},
                   {.name = "bytes", .label = ""}});
  for (const auto& tensor : checkpoint.tensors()) {
    table.add_row({tensor.name, std::string(element_name(tensor.type)),
                   fmt::format("[{}]", fmt::join(tensor.shape, ", ")), tensor.elements(), bytes_of(tensor)});
  }
  return table;
}

/// What `read` makes of the weights. An inference that fails is a finding, and with kCheck an error.
template <typename Read>
void add_model(Inspection& inspection, std::string_view name, InspectionDepth depth, Read read) {
  try {
    inspection.add(name, describe(read()));
  } catch (const Error& error) {
    if (depth == InspectionDepth::kCheck) throw;
    inspection.add(name, fmt::format("not usable: {}", error.what()));
  }
}

void add_models(Inspection& inspection, const Checkpoint& checkpoint, InspectionDepth depth) {
  const CheckpointKind kind = checkpoint_kind(checkpoint);
  inspection.add("holds", kind_name(kind));
  if (has_var_transformer(kind)) {
    add_model(inspection, "transformer", depth, [&] { return read_var_config(checkpoint); });
  }
  if (kind == CheckpointKind::kInfinityTransformer) {
    add_model(inspection, "transformer", depth, [&] { return read_infinity_config(checkpoint); });
  }
  if (has_var_tokenizer(kind)) {
    add_model(inspection, "tokenizer", depth, [&] { return read_var_tokenizer_config(checkpoint); });
  }
  if (has_bsq_tokenizer(checkpoint)) {
    add_model(inspection, "tokenizer", depth, [&] { return read_bsq_tokenizer_config(checkpoint); });
  }
}

}  // namespace

Inspection inspect_checkpoint(const std::filesystem::path& path, InspectionDepth depth) {
  const auto checkpoint = Checkpoint::open(path);
  std::int64_t elements = 0;
  std::int64_t bytes = 0;
  for (const auto& tensor : checkpoint.tensors()) {
    elements += tensor.elements();
    bytes += bytes_of(tensor);
  }
  Inspection inspection;
  inspection.add_bytes("file_bytes", checkpoint.file_bytes());
  inspection.add("container", checkpoint.container());
  inspection.add("file_count", checkpoint.file_count());
  inspection.add("tensor_count", static_cast<std::int64_t>(checkpoint.tensors().size()));
  inspection.add("elements", elements);
  inspection.add_bytes("tensor_bytes", bytes);
  add_models(inspection, checkpoint, depth);
  if (depth == InspectionDepth::kCheck) inspection.add("checksums_compared", checkpoint.check_checksums());
  const std::array<const Checkpoint*, 1> files = {&checkpoint};
  inspection.add("fingerprint", fingerprint(files));
  inspection.tables.push_back({"tensors", tensor_table(checkpoint)});
  return inspection;
}

}  // namespace kvscope
