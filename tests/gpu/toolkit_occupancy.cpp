// Answers, in the words of the toolkit's own occupancy calculator, how many blocks of a kernel a multiprocessor holds:
// evidence_test.py asks it about many kernels. A question is a line of numbers: compute capability (major, minor),
// resident threads, shared bytes of a multiprocessor and of a block at most, then the kernel's threads, registers and
// shared bytes.
#include <cuda_occupancy.h>

#include <cstddef>
#include <iostream>

int main() {
  cudaOccDeviceProp properties;
  int threads = 0;
  int registers = 0;
  std::size_t shared_bytes = 0;
  properties.maxThreadsPerBlock = 1024;
  properties.regsPerBlock = 65536;
  properties.regsPerMultiprocessor = 65536;
  properties.warpSize = 32;
  properties.sharedMemPerBlock = 48 * 1024;
  properties.numSms = 1;
  properties.reservedSharedMemPerBlock = 1024;
  while (std::cin >> properties.computeMajor >> properties.computeMinor >> properties.maxThreadsPerMultiprocessor >>
         properties.sharedMemPerMultiprocessor >> properties.sharedMemPerBlockOptin >> threads >> registers >>
         shared_bytes) {
    cudaOccFuncAttributes attributes;
    attributes.maxThreadsPerBlock = 1024;
    attributes.numRegs = registers;
    attributes.sharedSizeBytes = 0;
    attributes.partitionedGCConfig = PARTITIONED_GC_OFF;
    attributes.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    attributes.maxDynamicSharedSizeBytes = properties.sharedMemPerBlockOptin;
    attributes.numBlockBarriers = 1;
    cudaOccDeviceState state;
    state.carveoutConfig = 100;
    cudaOccResult result;
    const cudaOccError status =
        cudaOccMaxActiveBlocksPerMultiprocessor(&result, &properties, &attributes, &state, threads, shared_bytes);
    std::cout << (status == CUDA_OCC_SUCCESS ? result.activeBlocksPerMultiprocessor : -static_cast<int>(status))
              << '\n';
  }
}
