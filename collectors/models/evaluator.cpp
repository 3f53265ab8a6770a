#include "collectors/models/evaluator.h"

#include "collectors/base/parallel.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/hdf5/hdf5_file.h"
#include "collectors/models/libtorch_device.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_group.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

struct Layer {
  at::Tensor weight;
  at::Tensor bias;
};

std::string convolution_name(std::int64_t number) {
  return fmt::format("conv{}", number);
}

/// The tensors of an evaluator whose widths are read from `group`.
std::vector<ExpectedTensor> expected_tensors(const TensorGroup& group, std::int64_t convolutions) {
  std::vector<ExpectedTensor> expected;
  std::int64_t channels = 3;
  for (std::int64_t i = 1; i <= convolutions; ++i) {
    const std::string name = convolution_name(i);
    const std::int64_t width = required_shape(group, name + ".weight", {0, channels, 3, 3})[0];
    expected.push_back({name + ".weight", {width, channels, 3, 3}});
    expected.push_back({name + ".bias", {width}});
    channels = width;
  }
  const std::int64_t classes = required_shape(group, "fc.weight", {0, channels})[0];
  expected.push_back({"fc.weight", {classes, channels}});
  expected.push_back({"fc.bias", {classes}});
  return expected;
}

/// [1, 3, height, width] in [-1, 1] from one image [height, width, 3] of bytes.
at::Tensor network_input(std::span<const std::uint8_t> image, std::int64_t height, std::int64_t width) {
  at::Tensor input = at::empty({1, 3, height, width}, at::TensorOptions(at::kFloat));
  float* pixel = input.data_ptr<float>();
  const std::int64_t area = height * width;
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    for (std::int64_t i = 0; i < area; ++i) {
      *pixel++ = static_cast<float>(image[static_cast<std::size_t>(3 * i + channel)]) / 127.5F - 1.0F;
    }
  }
  return input;
}

}  // namespace

struct Evaluator::Network {
  at::Device device = at::kCPU;
  std::vector<Layer> convolutions;
  Layer classifier;

  [[nodiscard]] at::Tensor features(at::Tensor map) const {
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
      map = at::conv2d(map, convolutions[i].weight, convolutions[i].bias, /*stride=*/1, /*padding=*/1).relu_();
      if (i == 1 || i == 3) map = at::max_pool2d(map, {2, 2});
    }
    return map.mean(at::IntArrayRef({2, 3}));
  }
};

Evaluator::Evaluator(std::unique_ptr<Network> network) : network_(std::move(network)) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

Evaluator Evaluator::open(const std::filesystem::path& path, const ComputeDevice& device) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  const TensorGroup group(checkpoint, "");
  const std::string_view required[] = {"conv1.weight", "fc.weight"};
  require_tensors(group, "evaluator", required);
  std::int64_t convolutions = 1;
  while (group.has(convolution_name(convolutions + 1) + ".weight")) ++convolutions;
  check_tensors(group, "evaluator", expected_tensors(group, convolutions), [](std::string_view) { return false; });

  auto network = std::make_unique<Network>();
  network->device = libtorch_device(device);
  const auto layer = [&](const std::string& name) {
    // Cloned: the file is closed when this function ends.
    return Layer{load_tensor(group, name + ".weight", at::kFloat, network->device).clone(),
                 load_tensor(group, name + ".bias", at::kFloat, network->device).clone()};
  };
  for (std::int64_t i = 1; i <= convolutions; ++i) network->convolutions.push_back(layer(convolution_name(i)));
  network->classifier = layer("fc");
  return Evaluator(std::move(network));
}

std::int64_t Evaluator::classes() const noexcept {
  return network_->classifier.weight.size(0);
}
std::int64_t Evaluator::feature_size() const noexcept {
  return network_->classifier.weight.size(1);
}

Evaluation Evaluator::evaluate(const Array<std::uint8_t>& images) const {
  require(images.shape().size() == 4 && images.extent(3) == 3, "Evaluator: images must be [n, height, width, 3]");
  require(images.extent(1) >= 4 && images.extent(2) >= 4, "Evaluator: images must be at least 4 pixels wide and high");
  const std::int64_t count = images.extent(0);
  Evaluation result{.features = Array<float>({count, feature_size()}),
                    .classes = std::vector<int>(static_cast<std::size_t>(count))};
  const auto judge = [&](std::int64_t i) {
    const LibTorchScope scope;
    const at::Tensor input = network_input(images.slice(i), images.extent(1), images.extent(2));
    const at::Tensor on_device = network_->features(input.to(network_->device));
    const at::Tensor logits =
        at::linear(on_device, network_->classifier.weight, network_->classifier.bias).to(at::kCPU);
    const at::Tensor features = on_device.to(at::kCPU);
    std::copy_n(features.data_ptr<float>(), feature_size(), result.features.slice(i).begin());
    const float* logit = logits.data_ptr<float>();
    result.classes[static_cast<std::size_t>(i)] = static_cast<int>(std::max_element(logit, logit + classes()) - logit);
  };
  if (network_->device.is_cpu()) {
    parallel_for(count, judge);
  } else {
    for (std::int64_t i = 0; i < count; ++i) judge(i);
  }
  return result;
}

FeatureStatistics read_feature_statistics(const std::filesystem::path& path, std::int64_t feature_size) {
  const Hdf5File file = Hdf5File::open(path);
  const auto read = [&](std::string_view dataset, const Shape& expected) {
    Array<double> values = file.read<double>(dataset);
    if (values.shape() != expected) {
      throw bad_input("{}: '{}' has the shape {}, but the evaluator has {} features", path.string(), dataset,
                      describe(values.shape()), feature_size);
    }
    return values;
  };
  return {.mean = read("mean", {feature_size}), .covariance = read("covariance", {feature_size, feature_size})};
}

}  // namespace kvscope
