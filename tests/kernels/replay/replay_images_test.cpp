#include "kernels/replay/replay_images.h"

#include "collectors/base/file.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace kvscope;

namespace {

ReplayImages sample_images() {
  ReplayImages images{.full = Array<std::uint8_t>({2, 3, 4, 3}), .compressed = Array<std::uint8_t>({2, 3, 4, 3})};
  for (std::size_t i = 0; i < images.full.values().size(); ++i) {
    images.full.values()[i] = static_cast<std::uint8_t>(i);
    images.compressed.values()[i] = static_cast<std::uint8_t>(255 - i);
  }
  images.labels = {5, 9};
  images.prompts = {"a harbour at dusk", "zwei Füchse"};
  images.kept = {{.layer = 0, .head = 1, .step = 0, .positions = {0}},
                 {.layer = 12, .head = 0, .step = 5, .positions = {0, 3, 7}}};
  return images;
}

}  // namespace

TEST_SUITE("kernels.replay.replay_images") {
  TEST_CASE("what was written is read back") {
    const testing::TemporaryFolder folder;
    const ReplayImages images = sample_images();
    write_replay_images(folder / "new/replay.h5", images);
    const ReplayImages read = read_replay_images(folder / "new/replay.h5");
    CHECK(read.full.shape() == images.full.shape());
    CHECK(std::ranges::equal(read.full.values(), images.full.values()));
    CHECK(std::ranges::equal(read.compressed.values(), images.compressed.values()));
    CHECK(read.labels == images.labels);
    CHECK(read.prompts == images.prompts);
    REQUIRE(read.kept.size() == 2);
    CHECK(read.kept[1].layer == 12);
    CHECK(read.kept[1].head == 0);
    CHECK(read.kept[1].step == 5);
    CHECK(read.kept[1].positions == images.kept[1].positions);
    CHECK_FALSE(std::filesystem::exists(partial_path(folder / "new/replay.h5")));
  }

  TEST_CASE("a model of classes has no prompts and a file with too few is refused") {
    const testing::TemporaryFolder folder;
    ReplayImages images = sample_images();
    images.prompts.clear();
    write_replay_images(folder / "replay.h5", images);
    CHECK(read_replay_images(folder / "replay.h5").prompts.empty());
    images.prompts = {"a harbour at dusk"};
    write_replay_images(folder / "replay.h5", images);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_replay_images(folder / "replay.h5"); }, "/prompts has 1 texts");
  }

  TEST_CASE("the datasets have the documented names") {
    const testing::TemporaryFolder folder;
    write_replay_images(folder / "replay.h5", sample_images());
    const Hdf5File file = Hdf5File::open(folder / "replay.h5");
    CHECK(file.text_attribute("/", "format") == "kvscope-replay-images");
    CHECK(file.shape("/compressed") == Shape{2, 3, 4, 3});
    CHECK(file.shape("/kept/layer_12/head_00/step_05") == Shape{3});
  }

  TEST_CASE("another file is refused") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "replay.h5";
    const auto read = [&] { (void)read_replay_images(path); };
    testing::check_error(ErrorCode::kBadInput, read, "replay.h5");
    write_file(path, "no HDF5");
    testing::check_error(ErrorCode::kBadInput, read, "replay.h5");
    Hdf5File::create(path).close();
    testing::check_error(ErrorCode::kBadInput, read, "kvscope-replay-images");
  }

  TEST_CASE("contradicting datasets are refused by name") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "replay.h5";
    const auto read = [&] { (void)read_replay_images(path); };
    write_replay_images(path, sample_images());
    {
      Hdf5File file = Hdf5File::open_for_writing(path);
      file.remove("/compressed");
      file.write("/compressed", Array<std::uint8_t>({3, 3, 4, 3}));
      file.close();
    }
    testing::check_error(ErrorCode::kBadInput, read, "/compressed", "[3, 3, 4, 3]");
    {
      Hdf5File file = Hdf5File::open_for_writing(path);
      file.remove("/compressed");
      file.close();
    }
    testing::check_error(ErrorCode::kBadInput, read, "/compressed");
    write_replay_images(path, sample_images());
    {
      Hdf5File file = Hdf5File::open_for_writing(path);
      file.write("/kept/layers_3/head_00/step_00", Array<std::int32_t>({1}));
      file.close();
    }
    testing::check_error(ErrorCode::kBadInput, read, "layers_3");
  }
}
