#include "collectors/models/request_part.h"

namespace kvscope {

GenerationRequest part_of(const GenerationRequest& request, std::int64_t first, std::int64_t count) {
  GenerationRequest part = request;
  part.labels.assign(request.labels.begin() + first, request.labels.begin() + first + count);
  part.sample_ids.assign(request.sample_ids.begin() + first, request.sample_ids.begin() + first + count);
  return part;
}

}  // namespace kvscope
