#include "collectors/base/error.h"

namespace kvscope {

void require(bool condition, const char* what) {
  if (!condition) throw Error(ErrorCode::kUsage, what);
}

}  // namespace kvscope
