#include "collectors/gpu/compute_device.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

CudaDevice gpu(int ordinal, int major, int minor) {
  return {.ordinal = ordinal, .name = "GPU " + std::to_string(ordinal), .compute_major = major, .compute_minor = minor};
}

}  // namespace

TEST_SUITE("collectors.compute_device") {
  TEST_CASE("names of devices are read and written") {
    CHECK(compute_device_from_name("cpu", "--device") == ComputeDevice{});
    CHECK(compute_device_from_name("cuda", "--device") == ComputeDevice{.kind = DeviceKind::kCuda});
    CHECK(compute_device_from_name("cuda:12", "--device") == ComputeDevice{.kind = DeviceKind::kCuda, .ordinal = 12});
    for (const char* name : {"cpu", "cuda:0", "cuda:126"}) {
      CHECK(name_of(compute_device_from_name(name, "--device")) == name);
    }
  }

  TEST_CASE("anything else is a usage error that quotes it") {
    for (const char* name : {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:127", "cuda:99999999999",
                             "cuda 0", "cpu:0"}) {
      CAPTURE(name);
      const std::string quoted = std::string("'") + name + "'";
      check_error(
          ErrorCode::kUsage, [&] { (void)compute_device_from_name(name, "--device"); }, "--device", quoted,
          "expected cpu, cuda or cuda:N");
    }
  }

  TEST_CASE("every reason why a GPU cannot be used is one line") {
    CHECK(cuda_obstacle({{}, "no NVIDIA driver is installed"}, 0) == "no NVIDIA driver is installed");
    CHECK(cuda_obstacle({{gpu(0, 9, 0)}, ""}, 1) == "there is no GPU 1; this machine has 1 GPU, numbered from 0");
    CHECK(cuda_obstacle({{gpu(0, 9, 0), gpu(1, 8, 0)}, ""}, 2) ==
          "there is no GPU 2; this machine has 2 GPUs, numbered from 0");
    CHECK(cuda_obstacle({{gpu(0, 7, 5)}, ""}, 0) == "GPU 0 has compute capability 7.5; the kernels need 8.0 or later");
    CHECK(cuda_obstacle({{gpu(0, 7, 5), gpu(1, 8, 0)}, ""}, 1).empty());
    CHECK(cuda_obstacle({{gpu(0, 12, 0)}, ""}, 0).empty());
  }

  TEST_CASE("what this machine has is a device that can be named or a reason") {
    const CudaDevices found = cuda_devices();
    CHECK(found.devices.empty() == !found.reason.empty());
    CHECK(found.reason.find('\n') == std::string::npos);
    if (found.devices.empty()) CHECK(cuda_obstacle(found, 0) == found.reason);
  }
}
