#pragma once

#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/layer_storage.h"

#include <c10/core/Device.h>

namespace kvscope {

/// LibTorch's name of a device, which can be computed on from now on: for a GPU it loads the CUDA side, and
/// makes float32 mean float32 (no TF32) and sums of half precision products float32, as on the CPU.
/// @throws Error  kEnvironment in one line if there is no such GPU, it is too old, or LibTorch has no CUDA side.
[[nodiscard]] c10::Device libtorch_device(const ComputeDevice& device);

/// Waits until a GPU has done all that was queued on the current stream of `device`; nothing on a CPU. For clocks:
/// results need no such call.
void wait_for(const c10::Device& device);

/// @throws Error  kUsage for a type that models are not computed in on `device`: float32 and bfloat16 always are,
///                float16 on a GPU.
void check_compute_type(ElementType type, const ComputeDevice& device);

/// @throws Error  kUsage for layers that are streamed to a GPU: they are computed where the file is mapped.
void check_layer_storage(LayerStorage storage, const ComputeDevice& device);

}  // namespace kvscope
