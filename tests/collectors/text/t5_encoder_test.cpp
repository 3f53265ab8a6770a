#include "collectors/text/t5_encoder.h"

#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "collectors/checkpoint/safetensors_writer.h"
#include "collectors/hdf5/hdf5_file.h"
#include "collectors/models/model_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

using namespace kvscope;
using testing::check_error;
using testing::ModelFile;
using testing::repository_file;
using testing::TemporaryFolder;

namespace {

const std::filesystem::path kFolder = repository_file("tests/data/t5");

double largest(std::span<const float> values) {
  double result = 0;
  for (const float value : values) result = std::max(result, std::abs(static_cast<double>(value)));
  return result;
}

/// Largest difference, as a share of the largest value of `expected`.
double relative_difference(const Array<float>& found, const Array<float>& expected) {
  REQUIRE(found.shape() == expected.shape());
  double difference = 0;
  for (std::size_t i = 0; i < found.values().size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(found.values()[i]) - expected.values()[i]));
  }
  return difference / largest(expected.values());
}

/// Ids and features of each golden prompt.
struct Golden {
  Array<std::int32_t> ids;
  Array<float> features;
};

std::vector<Golden> golden() {
  const Hdf5File file = Hdf5File::open(kFolder / "golden.h5");
  std::vector<Golden> all;
  for (const std::string& name : file.children("/")) {
    all.push_back({file.read<std::int32_t>(name + "/ids"), file.read<float>(name + "/features")});
  }
  REQUIRE(all.size() == 6);
  return all;
}

/// The folder of the test data with changed weights.
class ChangedFolder {
 public:
  explicit ChangedFolder(const std::function<void(ModelFile&)>& change, const char* name = "model.safetensors") {
    ModelFile weights(kFolder / "model.safetensors");
    change(weights);
    weights.save(folder_ / name);
    std::filesystem::copy_file(kFolder / "config.json", folder_ / "config.json");
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

/// A small encoder whose attention looks at relative positions alone: q and k are 0, v and o copy, the feed-forward
/// layers are silent and the gains of all norms but the last are 1.
class PositionalEncoder {
 public:
  static constexpr std::int64_t kWidth = 6;
  static constexpr std::int64_t kHeads = 2;
  static constexpr std::int64_t kHeadWidth = 3;
  static constexpr std::int64_t kVocabulary = 11;
  static constexpr std::int64_t kLayers = 2;

  explicit PositionalEncoder(bool copies) {
    T5Config config;
    config.width = kWidth;
    config.layers = kLayers;
    config.heads = kHeads;
    config.head_width = kHeadWidth;
    config.inner_width = 4;
    config.vocabulary = kVocabulary;
    for (const ExpectedTensor& tensor : t5_encoder_tensors(config)) add(tensor.name, tensor.shape, copies);
    add("shared.weight", {kVocabulary, kWidth}, copies);
    write(config);
  }

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] const std::vector<float>& of(const std::string& name) const { return tensors_.at(name).second; }

 private:
  void add(const std::string& name, const Shape& shape, bool copies) {
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)), 0.0F);
    const bool is_random = name == "shared.weight" || name == "encoder.final_layer_norm.weight" ||
                           name.ends_with("relative_attention_bias.weight");
    if (is_random) {
      for (float& value : values) value = uniform_(random_);
    } else if (name.ends_with("norm.weight")) {
      std::fill(values.begin(), values.end(), 1.0F);
    } else if (copies && (name.ends_with(".v.weight") || name.ends_with(".o.weight"))) {
      for (std::int64_t i = 0; i < kWidth; ++i) values[static_cast<std::size_t>(i * kWidth + i)] = 1.0F;
    }
    tensors_[name] = {shape, std::move(values)};
  }

  void write(const T5Config& config) const {
    std::vector<CheckpointTensor> all;
    for (const auto& [name, tensor] : tensors_) {
      const auto& [shape, values] = tensor;
      const Shape strides = shape.size() == 1 ? Shape{1} : Shape{shape[1], 1};
      all.push_back({name, ElementType::kFloat32, shape, strides, std::as_bytes(std::span(values))});
    }
    write_safetensors(folder_ / "model.safetensors", all);
    write_json_file(folder_ / "config.json", {{"model_type", "t5"},
                                              {"feed_forward_proj", "gated-gelu"},
                                              {"d_model", config.width},
                                              {"d_kv", config.head_width},
                                              {"d_ff", config.inner_width},
                                              {"num_heads", config.heads},
                                              {"num_layers", config.layers},
                                              {"vocab_size", config.vocabulary},
                                              {"relative_attention_num_buckets", config.buckets}});
  }

  TemporaryFolder folder_;
  std::mt19937 random_{3};
  std::uniform_real_distribution<float> uniform_{-2.0F, 2.0F};
  std::map<std::string, std::pair<Shape, std::vector<float>>> tensors_;
};

using Row = std::array<double, PositionalEncoder::kWidth>;

/// x / sqrt(mean(x^2) + 1e-6)
Row normalised(const Row& x) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  Row result = x;
  for (double& value : result) value /= std::sqrt(squares / PositionalEncoder::kWidth + 1e-6);
  return result;
}

/// Bucket of key - query by squares of integers: n lies in bucket 8 + k or above where n^2 >= 64 * 2^k.
std::int64_t bucket_by_squares(std::int64_t offset) {
  const std::int64_t distance = std::abs(offset);
  std::int64_t bucket = std::min<std::int64_t>(distance, 8);
  for (std::int64_t k = 1; k < 8 && distance * distance >= (std::int64_t{64} << k); ++k) bucket = 8 + k;
  return bucket + (offset > 0 ? 16 : 0);
}

/// What a positional encoder adds to its residual stream, in double precision.
std::vector<Row> attended(const std::vector<Row>& x, const std::vector<float>& bias) {
  std::vector<Row> values;
  for (const Row& row : x) values.push_back(normalised(row));
  std::vector<Row> sums(x.size(), Row{});
  for (std::size_t query = 0; query < x.size(); ++query) {
    for (std::int64_t head = 0; head < PositionalEncoder::kHeads; ++head) {
      double total = 0;
      Row sum{};
      for (std::size_t key = 0; key < x.size(); ++key) {
        const std::int64_t bucket =
            bucket_by_squares(static_cast<std::int64_t>(key) - static_cast<std::int64_t>(query));
        const double weight = std::exp(bias[static_cast<std::size_t>(bucket * PositionalEncoder::kHeads + head)]);
        total += weight;
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * values[key][i];
      }
      for (std::int64_t i = 0; i < PositionalEncoder::kHeadWidth; ++i) {
        const auto channel = static_cast<std::size_t>(head * PositionalEncoder::kHeadWidth + i);
        sums[query][channel] = sum[channel] / total;
      }
    }
  }
  return sums;
}

Array<float> expected_features(const PositionalEncoder& encoder, std::span<const std::int32_t> ids, int layers) {
  std::vector<Row> x(ids.size());
  for (std::size_t token = 0; token < ids.size(); ++token) {
    const float* row = encoder.of("shared.weight").data() + ids[token] * PositionalEncoder::kWidth;
    std::copy_n(row, PositionalEncoder::kWidth, x[token].begin());
  }
  for (int layer = 0; layer < layers; ++layer) {
    const auto added = attended(x, encoder.of("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"));
    for (std::size_t token = 0; token < x.size(); ++token) {
      for (std::size_t i = 0; i < x[token].size(); ++i) x[token][i] += added[token][i];
    }
  }
  Array<float> features({std::ssize(ids), PositionalEncoder::kWidth});
  for (std::size_t token = 0; token < ids.size(); ++token) {
    const Row row = normalised(x[token]);
    for (std::size_t i = 0; i < row.size(); ++i) {
      features(token, i) = static_cast<float>(row[i] * encoder.of("encoder.final_layer_norm.weight")[i]);
    }
  }
  return features;
}

/// Ids of a text that is longer than the largest distance with a bucket of its own.
std::vector<std::int32_t> long_text() {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 200; ++i) ids.push_back((i * i + 3 * i) % PositionalEncoder::kVocabulary);
  return ids;
}

}  // namespace

TEST_SUITE("collectors.text.t5_encoder") {
  // Not to the bit: without AVX-512, LibTorch's sums depend on where in its file a matrix begins.
  TEST_CASE("weights in shards give the features of a single file and a missing shard is named") {
    const TemporaryFolder folder;
    std::filesystem::copy_file(kFolder / "config.json", folder / "config.json");
    Json map = Json::object();
    for (const bool is_first : {true, false}) {
      ModelFile shard(kFolder / "model.safetensors");
      const std::string name = is_first ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
      std::size_t i = 0;
      std::erase_if(shard.entries(), [&](const ModelFile::Entry&) { return (i++ % 2 == 0) != is_first; });
      for (const ModelFile::Entry& entry : shard.entries()) map[entry.name] = name;
      shard.save(folder / name);
    }
    write_file(folder / "model.safetensors.index.json", Json{{"weight_map", map}}.dump());
    const T5Encoder whole = T5Encoder::open(kFolder);
    const T5Encoder sharded = T5Encoder::open(folder.path());
    for (const Golden& prompt : golden()) {
      const Array<float> found = sharded.encode(prompt.ids.values());
      const Array<float> expected = whole.encode(prompt.ids.values());
      REQUIRE(found.shape() == expected.shape());
      const float largest = std::ranges::max(expected.values(), {}, [](float value) { return std::abs(value); });
      for (std::int64_t i = 0; i < found.size(); ++i)
        REQUIRE(std::abs(found.data()[i] - expected.data()[i]) < 1e-5F * std::abs(largest));
    }
    std::filesystem::remove(folder / "model-00002-of-00002.safetensors");
    check_error(
        ErrorCode::kBadInput, [&] { (void)T5Encoder::open(folder.path()); }, "model-00002-of-00002.safetensors");
  }

  TEST_CASE("features agree with the published implementation") {
    const T5Encoder encoder = T5Encoder::open(kFolder);
    for (const Golden& prompt : golden()) {
      // Float32 in another order of summation; 2e-6 is what double precision differs by.
      CHECK(relative_difference(encoder.encode(prompt.ids.values()), prompt.features) < 1e-5);
    }
  }

  TEST_CASE("bfloat16 stays close to float32") {
    const T5Encoder encoder = T5Encoder::open(kFolder, ElementType::kBFloat16);
    for (const Golden& prompt : golden()) {
      const double difference = relative_difference(encoder.encode(prompt.ids.values()), prompt.features);
      CHECK(difference > 1e-5);
      // 8 bits of mantissa through three blocks.
      CHECK(difference < 0.03);
    }
  }

  TEST_CASE("silent blocks leave the norm of the embedding") {
    const PositionalEncoder model(/*copies=*/false);
    const auto ids = long_text();
    const T5Encoder encoder = T5Encoder::open(model.folder());
    CHECK(relative_difference(encoder.encode(ids), expected_features(model, ids, 0)) < 1e-6);
  }

  TEST_CASE("every block adds the bias of the first at all distances") {
    const PositionalEncoder model(/*copies=*/true);
    const auto ids = long_text();
    const T5Encoder encoder = T5Encoder::open(model.folder());
    CHECK(relative_difference(encoder.encode(ids), expected_features(model, ids, PositionalEncoder::kLayers)) < 2e-6);
  }

  TEST_CASE("the decoder and other names of the embedding are left alone") {
    const ChangedFolder folder(
        [](ModelFile& weights) {
          weights.copy("shared.weight", "decoder.embed_tokens.weight");
          weights.rename("shared.weight", "encoder.embed_tokens.weight");
          weights.add_zeros("decoder.block.0.layer.0.SelfAttention.q.weight", ElementType::kFloat32, {3, 5});
          weights.add_zeros("lm_head.weight", ElementType::kFloat32, {128, 128});
        },
        "pytorch_model.bin");
    const Golden prompt = golden().front();
    CHECK(relative_difference(T5Encoder::open(folder.path()).encode(prompt.ids.values()), prompt.features) < 1e-5);
  }

  TEST_CASE("tensors that are missing or do not fit are named") {
    const auto open = [](const std::function<void(ModelFile&)>& change) {
      return [=] { (void)T5Encoder::open(ChangedFolder(change).path()); };
    };
    check_error(ErrorCode::kBadInput, open([](ModelFile& weights) {
                  weights.remove("encoder.block.1.layer.1.DenseReluDense.wo.weight");
                  weights.remove("encoder.final_layer_norm.weight");
                }),
                "model.safetensors", "2 do", "encoder.block.1.layer.1.DenseReluDense.wo.weight",
                "encoder.final_layer_norm.weight");
    check_error(ErrorCode::kBadInput, open([](ModelFile& weights) { weights.remove("shared.weight"); }),
                "shared.weight", "missing");
    check_error(ErrorCode::kBadInput, open([](ModelFile& weights) {
                  weights.reshape("encoder.block.2.layer.0.SelfAttention.v.weight", {128, 64});
                }),
                "encoder.block.2.layer.0.SelfAttention.v.weight", "[128, 64]", "[128, 128]");
    check_error(ErrorCode::kBadInput, open([](ModelFile& weights) {
                  weights.add_zeros("encoder.block.3.layer_norm.weight", ElementType::kFloat32, {128});
                }),
                "encoder.block.3.layer_norm.weight", "unexpected");
  }

  TEST_CASE("a folder without weights or with a type that is not computed in is refused") {
    const TemporaryFolder folder;
    check_error(
        ErrorCode::kBadInput, [&] { (void)T5Encoder::open(folder.path()); }, "config.json");
    std::filesystem::copy_file(kFolder / "config.json", folder / "config.json");
    check_error(
        ErrorCode::kBadInput, [&] { (void)T5Encoder::open(folder.path()); }, "model.safetensors", "pytorch_model.bin");
    check_error(
        ErrorCode::kUsage, [&] { (void)T5Encoder::open(kFolder, ElementType::kFloat16); }, "float16", "bfloat16");
  }

  TEST_CASE("ids outside of the vocabulary are a usage error") {
    const T5Encoder encoder = T5Encoder::open(kFolder);
    for (const std::vector<std::int32_t>& ids : {std::vector<std::int32_t>{}, {3, -1}, {3, 128}}) {
      check_error(
          ErrorCode::kUsage, [&] { (void)encoder.encode(ids); }, "T5Encoder");
    }
  }
}
