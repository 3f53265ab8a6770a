#include "collectors/capture/map_stream.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/map_pieces.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/packing_kernels.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/hdf5/raw_dataset.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Rows on their way through the kernels: they stay in the second-level cache, with room for the sums.
constexpr std::int64_t kTileElements = 32 * 1024;
constexpr std::int64_t kLeastTileRows = 8;  // sums are loaded and stored once per tile

/// While one unit is computed the next one is on its way.
constexpr std::int64_t kSlotsPerThread = 2;
/// Room for the chunks of most writers; with less memory there are fewer slots.
constexpr std::int64_t kAmpleUnitBytes = std::int64_t{8} << 20;
constexpr std::int64_t kLargestUnitBytes = std::int64_t{32} << 20;

/// What threads need to know of a dataset.
struct StoredMaps {
  ElementType type = ElementType::kFloat32;
  std::optional<StoredBlocks> blocks;  ///< nothing: it is read through the library
};

/// What a slot of the stream holds: a unit of maps, and what was computed of its pieces.
struct Slot {
  HeadPlace head;  ///< layer and head
  std::shared_ptr<const StoredMaps> maps;
  MapUnit unit;
  AlignedBuffer buffer;
  std::vector<std::byte> scratch;
  std::optional<MapSums> spare;            ///< for one map after the other
  std::vector<MapSums> sums;               ///< of pieces that are no whole maps
  std::vector<HeadStatistics> statistics;  ///< of those that are
};

class MapStream {
 public:
  MapStream(const Hdf5File& file, const ModelInfo& model, const StepTable& steps, const MapStreamRequest& request,
            const std::function<void(const HeadPlace&, const HeadStatistics&)>& take)
      : file_(file),
        reader_(file.path()),
        model_(model),
        steps_(steps),
        request_(request),
        take_(take),
        map_{.branches = std::ssize(model.branches),
             .n_query = steps.n_query(request.step),
             .n_key = steps.n_key(request.step)},
        tables_(std::make_shared<const MapTables>(steps, request.step)) {}

  MapStreamReport run() {
    if (request_.samples == 0) return report_;
    const std::int64_t most = thread_count() == 1 ? 1 : kSlotsPerThread * std::int64_t{thread_count()};
    const std::int64_t slots = std::clamp<std::int64_t>(request_.buffer_bytes / (2 * kAmpleUnitBytes), 1, most);
    // A slot holds a unit, and a chunk of which it takes a part.
    unit_bytes_ = std::min(request_.buffer_bytes / (2 * slots), kLargestUnitBytes);
    slots_ = std::vector<Slot>(index(slots));
    run_stream({.slots = std::ssize(slots_),
                .read = [this](std::int64_t slot) { return read(slots_[index(slot)]); },
                .work = [this](std::int64_t slot) { work(slots_[index(slot)]); },
                .collect = [this](std::int64_t slot) { collect(slots_[index(slot)]); }});
    for (const Slot& slot : slots_) report_.buffer_bytes += slot.buffer.bytes() + std::ssize(slot.scratch);
    return report_;
  }

 private:
  /// One thread at a time, as HDF5 wants it: the dataset is opened, used and closed here only.
  bool read(Slot& slot) {
    throw_if_interrupted();
    while (next_unit_ == units_.size()) {
      if (next_head_ == std::int64_t{model_.layers} * model_.heads) return false;
      open_next();
    }
    slot.head = {.layer = (next_head_ - 1) / model_.heads, .head = (next_head_ - 1) % model_.heads};
    slot.maps = stored_;
    slot.unit = std::move(units_[next_unit_++]);
    if (!stored_->blocks) dataset_->read(slot.unit.offset, slot.unit.count, reserve(slot));
    return true;
  }

  void open_next() {
    const std::string path = map_path(static_cast<int>(next_head_ / model_.heads),
                                      static_cast<int>(next_head_ % model_.heads), request_.step);
    ++next_head_;
    dataset_.emplace(file_, path);
    const Shape& shape = dataset_->shape();
    const Shape expected = map_shape(model_, steps_, request_.step, request_.samples);
    if (shape.size() != expected.size() || shape[0] < expected[0] ||
        !std::equal(shape.begin() + 1, shape.end(), expected.begin() + 1)) {
      throw bad_input("{}: {} has the shape {}, expected {}", file_.path().string(), path, describe_shape(shape),
                      describe_shape(expected));
    }
    stored_ = std::make_shared<const StoredMaps>(StoredMaps{dataset_->type(), dataset_->stored()});
    units_ = map_units(map_, request_.samples, dataset_->chunk(), unit_bytes_);
    next_unit_ = 0;
  }

  /// Room for the unit, and for what StoredBlocks and MapSums need behind its last row.
  static std::byte* reserve(Slot& slot) {
    const std::int64_t bytes = element_count(slot.unit.count) * element_bytes(slot.maps->type);
    constexpr std::int64_t kFloatBytes = sizeof(float);
    float* room = slot.buffer.reserve((bytes + kFloatBytes - 1) / kFloatBytes + kPanelKeys);
    std::memset(reinterpret_cast<std::byte*>(room) + bytes, 0, index(kPanelKeys * kFloatBytes));
    return reinterpret_cast<std::byte*>(room);
  }

  void work(Slot& slot) {
    const auto* bytes = reinterpret_cast<const std::byte*>(slot.buffer.data());
    if (slot.maps->blocks) {
      std::byte* target = reserve(slot);
      slot.maps->blocks->read(reader_, slot.unit.offset, slot.unit.count, target, slot.scratch);
      bytes = target;
    }
    slot.sums.clear();
    slot.statistics.clear();
    for (const MapPiece& piece : slot.unit.pieces) {
      const bool is_whole = piece.queries == map_.n_query;
      MapSums& sums = is_whole ? emptied(slot) : slot.sums.emplace_back(tables_, request_.figures);
      add_piece(piece, bytes, slot.maps->type, sums);
      if (is_whole) slot.statistics.push_back(sums.statistics());
      bytes += piece.queries * map_.n_key * element_bytes(slot.maps->type);
    }
  }

  MapSums& emptied(Slot& slot) const {
    if (slot.spare) {
      slot.spare->clear();
    } else {
      slot.spare.emplace(tables_, request_.figures);
    }
    return *slot.spare;
  }

  void add_piece(const MapPiece& piece, const std::byte* rows, ElementType type, MapSums& sums) const {
    constexpr MapFigures kMomentsOnly{.entropy = false, .displacement = false, .thumbnail = false};
    if (type == ElementType::kFloat32 && request_.figures == kMomentsOnly) {
      sums.add(piece.first_query, reinterpret_cast<const float*>(rows), map_.n_key, piece.queries);
    } else {
      add_strips(piece, rows, type, sums);
    }
  }

  /// Rows go through the kernels as strips: in float32, aligned, filled up with zeros.
  void add_strips(const MapPiece& piece, const std::byte* rows, ElementType type, MapSums& sums) const {
    const PackingKernels& kernels = packing_kernels();
    thread_local AlignedBuffer strip_buffer;
    const std::int64_t stride = strip_stride(map_.n_key);
    const std::int64_t tile = std::max(kTileElements / stride, kLeastTileRows);
    float* strip = strip_buffer.reserve(tile * stride);
    for (std::int64_t first = 0; first < piece.queries; first += tile) {
      const std::int64_t count = std::min(tile, piece.queries - first);
      for (std::int64_t i = 0; i < count; ++i) {
        float* row = strip + i * stride;
        kernels.to_float(rows + (first + i) * map_.n_key * element_bytes(type), type, map_.n_key, row);
        std::fill(row + map_.n_key, row + sums.columns(), 0.0F);
      }
      sums.add(piece.first_query + first, strip, stride, count);
    }
  }

  void collect(Slot& slot) {
    auto sums = slot.sums.begin();
    auto statistics = slot.statistics.begin();
    for (const MapPiece& piece : slot.unit.pieces) {
      HeadPlace place = slot.head;
      place.sample = piece.map / map_.branches;
      place.branch = piece.map % map_.branches;
      if (piece.queries == map_.n_query) {
        finish(place, *statistics++);
      } else {
        join(place, piece, std::move(*sums++));
      }
    }
    report_.bytes += element_count(slot.unit.count) * element_bytes(slot.maps->type);
    if (request_.advanced) request_.advanced(element_count(slot.unit.count));
  }

  /// Pieces of one map come in order of their rows, those of several maps may take turns.
  void join(const HeadPlace& place, const MapPiece& piece, MapSums sums) {
    const auto [open, is_first] = open_maps_.try_emplace(piece.map, std::move(sums));
    if (!is_first) open->second.add(sums);
    if (piece.first_query + piece.queries < map_.n_query) return;
    finish(place, open->second.statistics());
    open_maps_.erase(open);
  }

  void finish(const HeadPlace& place, const HeadStatistics& statistics) {
    take_(place, statistics);
    ++report_.maps;
  }

  const Hdf5File& file_;
  FileReader reader_;
  const ModelInfo& model_;
  const StepTable& steps_;
  const MapStreamRequest& request_;
  const std::function<void(const HeadPlace&, const HeadStatistics&)>& take_;
  MapExtents map_;
  std::shared_ptr<const MapTables> tables_;
  std::int64_t unit_bytes_ = 0;
  std::vector<Slot> slots_;
  // Of read().
  std::int64_t next_head_ = 0;
  std::optional<RawDataset> dataset_;
  std::shared_ptr<const StoredMaps> stored_;
  std::vector<MapUnit> units_;
  std::size_t next_unit_ = 0;
  // Of collect().
  std::map<std::int64_t, MapSums> open_maps_;  ///< by piece.map
  MapStreamReport report_;
};

}  // namespace

MapStreamReport stream_maps(const Hdf5File& file, const ModelInfo& model, const StepTable& steps,
                            const MapStreamRequest& request,
                            const std::function<void(const HeadPlace&, const HeadStatistics&)>& take) {
  require(request.step >= 0 && request.step < steps.size(), "stream_maps: no such step");
  return MapStream(file, model, steps, request, take).run();
}

}  // namespace kvscope
