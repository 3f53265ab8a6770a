#pragma once

#include "collectors/hdf5/hdf5_file.h"
#include "collectors/models/engine.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/models/var_engine.h"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvscope::testing {

/// A set of values that the published implementation computed (tests/data/README.md).
struct GoldenSet {
  std::string name;
  std::filesystem::path transformer;
  std::filesystem::path tokenizer;
  std::filesystem::path values;
  int heads = 0;  ///< where the weights do not tell
};

[[nodiscard]] std::vector<GoldenSet> golden_sets();
[[nodiscard]] GoldenSet golden_set(std::string_view name);
[[nodiscard]] std::unique_ptr<VarEngine> load(const GoldenSet& set, ElementType compute_type = ElementType::kFloat32);

/// Reads goldens as tensors.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path) : file_(Hdf5File::open(path)) {}

  [[nodiscard]] bool has(const std::string& name) const { return file_.has(name); }
  [[nodiscard]] at::Tensor numbers(const std::string& name) const;   ///< float32
  [[nodiscard]] at::Tensor integers(const std::string& name) const;  ///< int64
  [[nodiscard]] at::Tensor bits(const std::string& name) const;      ///< uint8
  [[nodiscard]] double attribute(const std::string& name) const { return file_.number_attribute("/", name); }
  [[nodiscard]] double guidance() const { return attribute("cfg"); }
  [[nodiscard]] std::vector<std::int64_t> labels() const;

 private:
  Hdf5File file_;
};

/// The request whose outcome a golden file holds: its labels, top-k 1.
[[nodiscard]] GenerationRequest golden_request(const GoldenFile& golden);

/// A full cache that also keeps every attention map, computed from the keys attended to.
class MapRecorder : public KvCache {
 public:
  void begin(std::int64_t rows) override { full_.begin(rows); }
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override { return full_.held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return full_.allocated_bytes(); }

  /// [rows, heads, N_k, T_k] by (step, layer)
  std::map<std::pair<int, int>, at::Tensor> maps;

 private:
  FullKvCache full_;
};

/// Largest absolute difference; infinite for different shapes.
[[nodiscard]] double largest_difference(const at::Tensor& a, const at::Tensor& b);
[[nodiscard]] bool same_bits(const at::Tensor& a, const at::Tensor& b);

}  // namespace kvscope::testing
