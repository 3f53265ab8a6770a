#include "collectors/models/libtorch_device.h"

#include "collectors/gpu/cuda_devices.h"
#include "collectors/models/golden.h"
#include "collectors/models/libtorch_cuda.h"
#include "support/errors.h"

#include <ATen/Context.h>
#include <doctest/doctest.h>

using namespace kvscope;
using namespace kvscope::testing;

TEST_SUITE("collectors.models.libtorch_device") {
  TEST_CASE("the CPU is always there") {
    CHECK(libtorch_device({}).is_cpu());
    wait_for(libtorch_device({}));
  }

  TEST_CASE("a GPU is there or refused in one line that names it") {
    const ComputeDevice first{.kind = DeviceKind::kCuda};
    const auto error = error_of([&] { CHECK(libtorch_device(first).is_cuda()); });
    if (!error) return;
    CAPTURE(error->what());
    CHECK(error->code() == ErrorCode::kEnvironment);
    CHECK(std::string(error->what()).starts_with("cuda:0: "));
    CHECK(std::string(error->what()).find('\n') == std::string::npos);
  }

  TEST_CASE("a GPU far beyond those that are there is refused") {
    const ComputeDevice beyond{.kind = DeviceKind::kCuda, .ordinal = 126};
    check_error(
        ErrorCode::kEnvironment, [&] { (void)libtorch_device(beyond); }, "cuda:126: ");
  }

  TEST_CASE("the reason why LibTorch has no CUDA side is one line and stays the same") {
    const std::string& reason = load_libtorch_cuda();
    CHECK(reason.find('\n') == std::string::npos);
    CHECK(&load_libtorch_cuda() == &reason);
    CHECK(reason.empty() == at::globalContext().hasCUDA());
  }

  TEST_CASE("a model asked to compute in half precision on a CPU says what there is") {
    check_error(
        ErrorCode::kUsage, [] { (void)load(golden_set("var_basic"), ElementType::kFloat16); },
        "compute type float16 needs a GPU");
  }
}
