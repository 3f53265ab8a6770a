#pragma once

#include "kernels/cuda/row_products.h"
#include "kernels/cuda/statistics/map_plan.h"

namespace kvscope::gpu {

inline constexpr int kHistogramReach = 8;  ///< displacements beyond are counted in the outermost bins
inline constexpr int kHistogramSide = 2 * kHistogramReach + 1;
inline constexpr float kBitsPerNat = 1.44269504F;

/// The column pass: a block keeps a tile of keys of one (row, head), lets all queries go by in tiles of 32, and sums
/// up their weights a_ij = exp(scale q_i k_j - lse_i):
///
///  * row_sums[r, j], sums over the queries of row r of the thumbnail; squares[j]; the tile's entropy
///    -sum_ij a_ij log2 a_ij: in registers, as a thread has the same keys for all queries;
///  * histograms[copy, line, dx], the displacement histograms: a tile of weights [32 queries, keys] goes through shared
///    memory, and lane l of a warp adds up the weights along a diagonal key = centre(query) + first_diagonal + l of a
///    line of the source's grid;
///  * output_sums[c] = sum over the tile's keys of (sum_i a_ij) V_jc.
///
/// Reference: statistics_of_map(). Sums of the 32-bit accumulators have two levels: the queries of a thumbnail's row,
/// then all of these. Grid: (heads of the group) * tiles, keys fastest.
template <typename Element, int kHeadDim>
struct ColumnStatistics {
  static constexpr int kThreads = kMapWarps * kWarpThreads;
  static constexpr int kBlocksPerMultiprocessor = kIsPacked<Element> ? 3 : 2;
  static constexpr int kRowGroups = kIsPacked<Element> ? 2 : 1;  ///< groups of 16 keys of a warp
  static constexpr int kWarpKeys = 16 * kRowGroups;
  static constexpr int kTileKeys = kMapWarps * kWarpKeys;
  static constexpr int kTileQueries = kWarpThreads;  ///< one for each lane that looks up corresponding places
  /// Of the weights in shared memory: 4 (modulo 16), so that what a warp writes from its registers lies in 32 banks.
  static constexpr int kWeightStride = kTileKeys + 4;
  static constexpr int kSmallBins = kHistogramSide * kHistogramSide;
  static constexpr int kGroupQueries = 8;  ///< that diagonals look at together
  static constexpr std::uint32_t kGroupBits = (1U << kGroupQueries) - 1;

  static constexpr int kTokenBytes = kTokenStride<Element, kHeadDim> * static_cast<int>(sizeof(Element));
  static constexpr int kKeyBytes = kTileKeys * kTokenBytes;
  static constexpr int kQueryBytes = 2 * kTileQueries * kTokenBytes;
  static constexpr int kWeightBytes = kTileQueries * kWeightStride * static_cast<int>(sizeof(float));
  static constexpr int kLogBytes = 2 * kTileQueries * static_cast<int>(sizeof(float));
  static constexpr int kHistogramBytes = kMostCopies * kSmallBins * static_cast<int>(sizeof(float));
  static constexpr int kPartsBytes = kQueryBytes + kWeightBytes + kLogBytes + kHistogramBytes;
  /// Keys of 16 bits are in registers before anything else is in shared memory.
  static constexpr int kFirstPart = kIsPacked<Element> ? 0 : kKeyBytes;
  static constexpr std::int64_t kSharedBytes = kFirstPart + (kPartsBytes > kKeyBytes ? kPartsBytes : kKeyBytes);

  MapPlan plan;
  std::int64_t first_pair = 0;  ///< of the group, row * heads + head
  int heads = 1;
  int group = 1;  ///< query heads of a key/value head
  HeadTokens<Element> queries;
  HeadTokens<Element> keys;
  HeadTokens<Element> values;
  const float* scale = nullptr;        ///< [heads]
  const float* log_sum_exp = nullptr;  ///< [pairs, N_k], of this group's first pair on
  float* row_sums = nullptr;           ///< [pairs, thumbnail rows, T_k]
  float* squares = nullptr;            ///< [pairs, T_k]
  float* entropies = nullptr;          ///< [pairs, tiles]
  float* output_sums = nullptr;        ///< [pairs, tiles, kHeadDim]
  float* histograms = nullptr;         ///< [pairs, copies, bins]

  KVSCOPE_DEVICE void operator()() const {
    const int pair = block_index() / plan.tiles;  // within the group
    const Block block(*this, pair, block_index() % plan.tiles);
    block.run(*this);
  }

 private:
  /// Sums of one thread: its keys are g and g + 8 of each of its groups of rows.
  struct Sums {
    float row[kRowGroups][2] = {};     ///< of the thumbnail's row so far
    float square[kRowGroups][2] = {};  ///< likewise
    float entropy[kRowGroups][2] = {};
    float all[kRowGroups][2] = {};  ///< of the rows before
    float all_squares[kRowGroups][2] = {};
    float all_entropy[kRowGroups][2] = {};
  };

  /// The row of the thumbnail that queries are added to.
  struct ThumbnailRow {
    int number = 0;
    int end = 0;  ///< the first query that does not belong to it
  };

  struct Block {
    KVSCOPE_DEVICE Block(const ColumnStatistics& kernel, int pair_, int tile_number)
        : pair(pair_),
          tile(kernel.plan.column_tiles + tile_number),
          number(tile_number),
          first_key(load(&tile->first_key)),
          n_key(load(&tile->keys)),
          warp(warp_index()),
          lane(lane_index()) {
      std::byte* shared = shared_memory();
      key_tile = reinterpret_cast<Element*>(shared);
      shared += kFirstPart;
      query_tile = reinterpret_cast<Element*>(shared);
      weights = reinterpret_cast<float*>(shared + kQueryBytes);
      logs = reinterpret_cast<float*>(shared + kQueryBytes + kWeightBytes);
      small_histograms = reinterpret_cast<float*>(shared + kQueryBytes + kWeightBytes + kLogBytes);
    }

    KVSCOPE_DEVICE void run(const ColumnStatistics& kernel) const {
      const MapPlan& plan = kernel.plan;
      const std::int64_t row = (kernel.first_pair + pair) / kernel.heads;
      const int head = static_cast<int>((kernel.first_pair + pair) % kernel.heads);
      const Element* q = kernel.queries.at(row, head);
      const float* lse = kernel.log_sum_exp + std::int64_t{pair} * plan.n_query;
      const float scale = load(kernel.scale + head) * kBitsPerNat;

      KeptRows<Element, kHeadDim> kept[kRowGroups];
      load_keys(kept, kernel.keys.at(row, head / kernel.group), kernel.keys.token_stride);
      float* histogram = clear_histograms(kernel);
      begin_queries(kernel, q, lse, 0);

      Sums sums;
      ThumbnailRow thumbnail{.number = 0, .end = plan.n_query / plan.thumbnail_rows};
      const int query_tiles = (plan.n_query + kTileQueries - 1) / kTileQueries;
      for (int i = 0; i < query_tiles; ++i) {
        wait_for_copies<0>();
        synchronize_block();  // the queries are there, and all warps are done with the weights of the tile before
        if (i + 1 < query_tiles) begin_queries(kernel, q, lse, i + 1);
        add_queries(kernel, kept, scale, i, thumbnail, sums);
        synchronize_block();
        add_displacements(plan, i * kTileQueries, histogram);
      }
      synchronize_block();
      store_sums(kernel, sums);
      store_histograms(kernel);
      synchronize_block();
      store_output_sums(kernel, kernel.values.at(row, head / kernel.group), kernel.values.token_stride);
    }

    KVSCOPE_DEVICE void load_keys(KeptRows<Element, kHeadDim> (&kept)[kRowGroups], const Element* keys,
                                  std::int64_t stride) const {
      copy_tokens<kTileKeys, kHeadDim, kThreads>(key_tile, keys, stride, first_key, first_key + n_key);
      commit_copies();
      wait_for_copies<0>();
      synchronize_block();
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowGroups; ++m)
        kept[m].load(key_tile + (warp * kWarpKeys + m * 16) * kTokenStride<Element, kHeadDim>);
      synchronize_block();  // the memory is free now for what shares it
    }

    /// Where the block's histograms are: in shared memory, or where they end up if they are large (those of frames).
    KVSCOPE_DEVICE float* clear_histograms(const ColumnStatistics& kernel) const {
      const MapPlan& plan = kernel.plan;
      float* histogram = plan.bins == kSmallBins ? small_histograms : copies_of(kernel);
      for (int i = thread_index(); i < load(&tile->copies) * plan.bins; i += kThreads) store(histogram + i, 0.0F);
      return histogram;
    }

    KVSCOPE_DEVICE float* copies_of(const ColumnStatistics& kernel) const {
      const std::int64_t copy = std::int64_t{pair} * kernel.plan.copies + load(&tile->first_copy);
      return kernel.histograms + copy * kernel.plan.bins;
    }

    KVSCOPE_DEVICE void begin_queries(const ColumnStatistics& kernel, const Element* q, const float* lse, int i) const {
      constexpr int kTileElements = kTileQueries * kTokenStride<Element, kHeadDim>;
      const int first = i * kTileQueries;
      copy_tokens<kTileQueries, kHeadDim, kThreads>(query_tile + i % 2 * kTileElements, q, kernel.queries.token_stride,
                                                    first, kernel.plan.n_query);
      commit_copies();
      const int query = first + thread_index();
      constexpr float kNoWeight = 1e30F;  // of queries behind the last
      if (thread_index() < kTileQueries) {
        store(logs + i % 2 * kTileQueries + thread_index(),
              query < kernel.plan.n_query ? load(lse + query) * kBitsPerNat : kNoWeight);
      }
    }

    /// Weights of the 32 queries of tile i: into the sums, and into shared memory.
    KVSCOPE_DEVICE void add_queries(const ColumnStatistics& kernel,
                                    const KeptRows<Element, kHeadDim> (&kept)[kRowGroups], float scale, int i,
                                    ThumbnailRow& thumbnail, Sums& sums) const {
      constexpr int kStride = kTokenStride<Element, kHeadDim>;
      const Element* tile_queries = query_tile + i % 2 * kTileQueries * kStride;
      const float* tile_logs = logs + i % 2 * kTileQueries;
      const int t = lane % 4;
      KVSCOPE_UNROLL_BY(1)
      for (int column = 0; column < kTileQueries; column += 16) {
        float a[kRowGroups][2][4];
        multiply_rows(a, kept, tile_queries + column * kStride);
        KVSCOPE_UNROLL
        for (int n = 0; n < 2; ++n) {
          const int query = column + n * 8;  // within the tile
          const float log[2] = {load(tile_logs + query + 2 * t), load(tile_logs + query + 2 * t + 1)};
          KVSCOPE_UNROLL
          for (int m = 0; m < kRowGroups; ++m) {
            KVSCOPE_UNROLL
            for (int e = 0; e < 4; ++e) {
              const float x = multiply_add(a[m][n][e], scale, -log[e % 2]);
              const float weight = exp2_approximately(x);
              a[m][n][e] = weight;
              sums.square[m][e / 2] = multiply_add(weight, weight, sums.square[m][e / 2]);
              sums.entropy[m][e / 2] = multiply_add(-weight, x, sums.entropy[m][e / 2]);
              const int key = warp * kWarpKeys + m * 16 + lane / 4 + e / 2 * 8;
              store(weights + (query + 2 * t + e % 2) * kWeightStride + key, weight);
            }
          }
          add_to_rows(kernel, a, n, i * kTileQueries + query, thumbnail, sums);
        }
      }
    }

    /// Adds the weights of 8 queries from `first` on to the rows of the thumbnail that they belong to.
    KVSCOPE_DEVICE void add_to_rows(const ColumnStatistics& kernel, const float (&a)[kRowGroups][2][4], int n,
                                    int first, ThumbnailRow& thumbnail, Sums& sums) const {
      const MapPlan& plan = kernel.plan;
      if (thumbnail.end > first + 8) return add_all(a, n, sums);
      int begin = first;
      while (thumbnail.end <= first + 8 && thumbnail.number < plan.thumbnail_rows) {
        add_part(a, n, first, begin, thumbnail.end, sums);
        finish_row(kernel, thumbnail.number, sums);
        begin = thumbnail.end;
        ++thumbnail.number;
        thumbnail.end = static_cast<int>(std::int64_t{thumbnail.number + 1} * plan.n_query / plan.thumbnail_rows);
      }
      if (begin < first + 8 && thumbnail.number < plan.thumbnail_rows) add_part(a, n, first, begin, first + 8, sums);
    }

    KVSCOPE_DEVICE static void add_all(const float (&a)[kRowGroups][2][4], int n, Sums& sums) {
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowGroups; ++m) {
        KVSCOPE_UNROLL
        for (int side = 0; side < 2; ++side) sums.row[m][side] += a[m][n][2 * side] + a[m][n][2 * side + 1];
      }
    }

    /// Adds the weights of the queries [begin, end) of the 8 from `first` on.
    KVSCOPE_DEVICE void add_part(const float (&a)[kRowGroups][2][4], int n, int first, int begin, int end,
                                 Sums& sums) const {
      const int query = first + lane % 4 * 2;
      const bool has_first = query >= begin && query < end;
      const bool has_second = query + 1 >= begin && query + 1 < end;
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowGroups; ++m) {
        KVSCOPE_UNROLL
        for (int side = 0; side < 2; ++side) {
          const float low = has_first ? a[m][n][2 * side] : 0.0F;
          const float high = has_second ? a[m][n][2 * side + 1] : 0.0F;
          sums.row[m][side] += low + high;
        }
      }
    }

    /// Stores the sums of a row of the thumbnail, and begins the next.
    KVSCOPE_DEVICE void finish_row(const ColumnStatistics& kernel, int number_of_row, Sums& sums) const {
      const MapPlan& plan = kernel.plan;
      // row_sums[pair, r, first_key:], [n_key]
      float* row =
          kernel.row_sums + (std::int64_t{pair} * plan.thumbnail_rows + number_of_row) * plan.n_key + first_key;
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowGroups; ++m) {
        KVSCOPE_UNROLL
        for (int side = 0; side < 2; ++side) {
          const float sum = sum_of_row(sums.row[m][side]);
          const int key = warp * kWarpKeys + m * 16 + lane / 4 + side * 8;
          if (lane % 4 == 0 && key < n_key) store(row + key, sum);
          sums.all[m][side] += sum;
          sums.all_squares[m][side] += sums.square[m][side];
          sums.all_entropy[m][side] += sums.entropy[m][side];
          sums.row[m][side] = 0;
          sums.square[m][side] = 0;
          sums.entropy[m][side] = 0;
        }
      }
    }

    KVSCOPE_DEVICE void add_displacements(const MapPlan& plan, int first_query, float* histogram) const {
      const int first_line = load(&tile->first_line[warp]);
      const int end_line = load(&tile->first_line[warp + 1]);
      if (first_line == end_line) return;
      const int queries = plan.n_query - first_query < kTileQueries ? plan.n_query - first_query : kTileQueries;
      // Lanes behind the last query look up its place and are not asked for it.
      const int query = first_query + (lane < queries ? lane : queries - 1);
      const int y = query / plan.own_w % plan.own_h;
      const int x = query % plan.own_w;
      const int time = query / (plan.own_w * plan.own_h);
      for (int i = first_line; i < end_line; ++i) {
        const DiagonalLine* line = plan.lines + i;
        const int centre = load(plan.centres + load(&line->centre_x) + x);
        const int dt = clipped(load(&line->t) - load(plan.centres + load(&line->centre_t) + time), plan.time_radius);
        const int dy = clipped(load(&line->y) - load(plan.centres + load(&line->centre_y) + y), kHistogramReach);
        const int bins = dt * kHistogramSide + dy;  // line of the histogram
        add_diagonals(line, centre, bins, queries, histogram + std::int64_t{load(&line->copy)} * plan.bins);
      }
    }

    /// -reach .. reach as 0 .. 2 reach, beyond them the nearest.
    KVSCOPE_DEVICE static int clipped(int displacement, int reach) {
      if (displacement < -reach) return 0;
      return (displacement > reach ? reach : displacement) + reach;
    }

    /// @param centre, bins  of the query of this lane
    /// @param centre, bins  of the query of this lane
    KVSCOPE_DEVICE void add_diagonals(const DiagonalLine* line, int centre, int bins, int queries,
                                      float* histogram) const {
      const int begin = load(&line->begin);
      const int length = load(&line->end) - begin;
      const int diagonal = load(&line->first_diagonal) + lane;
      const int column = load(&line->origin) + diagonal - begin;  // of the line, for a query in its first place
      const float* first = weights + begin;
      // Bit q: some lane has a key of the line for query q; query q has another line of bins than the one before.
      const int nearest = column - lane + centre;
      const std::uint32_t meets = ballot(nearest + kWarpThreads > 0 && nearest < length);
      const int before = shuffle_up(bins, 1);
      const std::uint32_t changes = ballot(lane > 0 && lane < queries && bins != before);
      int target = shuffle(bins, 0) * kHistogramSide;
      float sum = 0;
      // Queries behind the last have weights of 0.
      KVSCOPE_UNROLL_BY(1)
      for (int group = 0; group < kTileQueries; group += kGroupQueries) {
        const std::uint32_t changes_here = changes >> group & kGroupBits;
        if ((meets >> group & kGroupBits) == 0 && changes_here == 0) continue;
        if (changes_here == 0) {
          const float* rows = first + group * kWeightStride;
          KVSCOPE_UNROLL
          for (int i = 0; i < kGroupQueries; ++i)
            add_diagonal_weight(rows + i * kWeightStride, column + shuffle(centre, group + i), length, sum);
          continue;
        }
        KVSCOPE_UNROLL_BY(1)
        for (int query = group; query < group + kGroupQueries; ++query) {
          if ((changes >> query & 1) != 0) {
            add_to_bins(histogram + target, diagonal, sum);
            target = shuffle(bins, query) * kHistogramSide;
            sum = 0;
          }
          add_diagonal_weight(first + query * kWeightStride, column + shuffle(centre, query), length, sum);
        }
      }
      add_to_bins(histogram + target, diagonal, sum);
    }

    KVSCOPE_DEVICE static void add_diagonal_weight(const float* line, int at, int length, float& sum) {
      if (static_cast<unsigned>(at) < static_cast<unsigned>(length)) sum += load(line + at);
    }

    /// Adds every lane's sum to the bin of its displacement; those beyond the reach are first added up.
    KVSCOPE_DEVICE void add_to_bins(float* bins, int diagonal, float sum) const {
      const int first = diagonal - lane;
      const bool is_inside = diagonal > -kHistogramReach && diagonal < kHistogramReach;
      if (is_inside) add_to(bins + diagonal + kHistogramReach, sum);
      if (first <= -kHistogramReach) {
        const float beyond = sum_of_warp(diagonal <= -kHistogramReach ? sum : 0.0F);
        if (lane == 0) add_to(bins, beyond);
      }
      if (first + kWarpThreads > kHistogramReach) {
        const float beyond = sum_of_warp(diagonal >= kHistogramReach ? sum : 0.0F);
        if (lane == 0) add_to(bins + kHistogramSide - 1, beyond);
      }
      synchronize_warp();  // other lanes may add to these bins next
    }

    KVSCOPE_DEVICE static void add_to(float* target, float value) { store(target, load(target) + value); }

    /// Squares and entropy; the sums of columns are left in `weights` for store_output_sums().
    KVSCOPE_DEVICE void store_sums(const ColumnStatistics& kernel, const Sums& sums) const {
      const MapPlan& plan = kernel.plan;
      float* squares = kernel.squares + std::int64_t{pair} * plan.n_key + first_key;
      float entropy = 0;
      KVSCOPE_UNROLL
      for (int m = 0; m < kRowGroups; ++m) {
        KVSCOPE_UNROLL
        for (int side = 0; side < 2; ++side) {
          const int key = warp * kWarpKeys + m * 16 + lane / 4 + side * 8;
          const float square = sum_of_row(sums.all_squares[m][side]);
          if (key < n_key) entropy += sums.all_entropy[m][side];
          if (lane % 4 != 0) continue;
          if (key < n_key) store(squares + key, square);
          store(weights + key, sums.all[m][side]);
        }
      }
      entropy = sum_of_warp(entropy);
      if (lane == 0) store(weights + kTileKeys + warp, entropy);
    }

    KVSCOPE_DEVICE void store_histograms(const ColumnStatistics& kernel) const {
      if (kernel.plan.bins != kSmallBins) return;
      float* target = copies_of(kernel);
      const int count = load(&tile->copies) * kSmallBins;
      for (int i = thread_index(); i < count; i += kThreads) store(target + i, load(small_histograms + i));
    }

    KVSCOPE_DEVICE void store_output_sums(const ColumnStatistics& kernel, const Element* values,
                                          std::int64_t stride) const {
      const std::int64_t tile_of_pair = std::int64_t{pair} * kernel.plan.tiles + number;
      if (thread_index() == 0) {
        float entropy = 0;
        for (int w = 0; w < kMapWarps; ++w) entropy += load(weights + kTileKeys + w);
        store(kernel.entropies + tile_of_pair, entropy);
      }
      const int channel = thread_index();
      if (channel >= kHeadDim) return;
      float sum = 0;
      for (int key = 0; key < n_key; ++key) {
        const float value = to_float(load(values + (first_key + key) * stride + channel));
        sum = multiply_add(load(weights + key), value, sum);
      }
      store(kernel.output_sums + tile_of_pair * kHeadDim + channel, sum);
    }

    int pair;
    const ColumnTile* tile;
    int number;
    int first_key;
    int n_key;
    int warp;
    int lane;
    Element* key_tile;
    Element* query_tile;      // [2][kTileQueries, kTokenStride]
    float* weights;           // [kTileQueries, kWeightStride]
    float* logs;              // [2][kTileQueries], base 2
    float* small_histograms;  // [copies, 17 * 17]
  };
};

}  // namespace kvscope::gpu
