#include "collectors/models/golden.h"

#include "support/paths.h"

#include <ATen/ATen.h>

#include <cstring>
#include <limits>
#include <stdexcept>

namespace kvscope::testing {
namespace {

GoldenSet random_set(const std::string& name, int heads) {
  return {.name = name,
          .transformer = repository_file("tests/data/" + name + "/var.pth"),
          .tokenizer = repository_file("tests/data/var_vae.pth"),
          .values = repository_file("tests/data/" + name + "/golden.h5"),
          .heads = heads};
}

template <typename T>
at::Tensor tensor_of(const Array<T>& array, at::ScalarType type) {
  at::Tensor tensor = at::empty(array.shape(), type);
  std::memcpy(tensor.data_ptr(), array.data(), tensor.nbytes());
  return tensor;
}

}  // namespace

std::vector<GoldenSet> golden_sets() {
  return {random_set("var_basic", 0),
          random_set("var_shared_aln", 0),
          random_set("var_no_l2norm", 4),
          random_set("var_ten_scales", 0),
          {.name = "sample_model",
           .transformer = repository_file("datasets/sample_model/var.safetensors"),
           .tokenizer = repository_file("datasets/sample_model/vae.safetensors"),
           .values = repository_file("tests/data/sample_model/golden.h5")}};
}

GoldenSet golden_set(std::string_view name) {
  for (GoldenSet& set : golden_sets()) {
    if (set.name == name) return set;
  }
  throw std::runtime_error("no such golden set");
}

std::unique_ptr<VarEngine> load(const GoldenSet& set, ElementType compute_type) {
  return load_var_engine(
      {.transformer = set.transformer, .tokenizer = set.tokenizer, .compute_type = compute_type, .heads = set.heads});
}

at::Tensor GoldenFile::numbers(const std::string& name) const {
  return tensor_of(file_.read<float>(name), at::kFloat);
}
at::Tensor GoldenFile::integers(const std::string& name) const {
  return tensor_of(file_.read<std::int64_t>(name), at::kLong);
}
at::Tensor GoldenFile::bits(const std::string& name) const {
  return tensor_of(file_.read<std::uint8_t>(name), at::kByte);
}

std::vector<std::int64_t> GoldenFile::labels() const {
  const Array<std::int64_t> labels = file_.read<std::int64_t>("labels");
  return {labels.values().begin(), labels.values().end()};
}

GenerationRequest golden_request(const GoldenFile& golden) {
  return {.labels = golden.labels(), .sample_ids = {0, 1}, .guidance = golden.guidance(), .top_k = 1, .top_p = 0.0};
}

at::Tensor MapRecorder::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v) {
  at::Tensor out = full_.attend(site, step, q, k, v);
  const at::Tensor keys = full_.attended_keys(site.layer);
  maps[{step.index, site.layer}] =
      at::softmax(at::matmul(q.to(at::kDouble), keys.to(at::kDouble).transpose(2, 3)).mul(site.softmax_scale[0]), -1);
  return out;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous();
  const at::Tensor y = b.contiguous();
  return x.sizes() == y.sizes() && x.scalar_type() == y.scalar_type() &&
         std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

}  // namespace kvscope::testing
