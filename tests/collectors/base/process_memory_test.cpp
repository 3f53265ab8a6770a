#include "collectors/base/process_memory.h"

#include "collectors/base/file.h"
#include "support/paths.h"

#include <doctest/doctest.h>

using namespace kvscope;

namespace {

/// The files of a system with 1000 KiB available.
class System {
 public:
  explicit System(std::string_view memberships) {
    write("proc/meminfo", "MemTotal:        2000 kB\nMemAvailable:    1000 kB\n");
    write("proc/self/cgroup", memberships);
  }
  void write(std::string_view name, std::string_view text) const { write_file(folder_ / name, text); }
  [[nodiscard]] std::optional<std::int64_t> available() const { return available_memory_bytes(folder_.path()); }

 private:
  testing::TemporaryFolder folder_;
};

constexpr std::int64_t kKiB = 1024;

}  // namespace

TEST_SUITE("collectors.base.process_memory") {
  TEST_CASE("without limits the available memory is what the kernel says") {
    const System system("0::/\n");
    CHECK(system.available() == 1000 * kKiB);
    system.write("sys/fs/cgroup/memory.max", "max\n");
    system.write("sys/fs/cgroup/memory.current", "900000\n");
    CHECK(system.available() == 1000 * kKiB);
  }

  TEST_CASE("a control group leaves its limit less what it holds that is in no file") {
    const System system("0::/user/job\n");
    system.write("sys/fs/cgroup/user/job/memory.max", "500000\n");
    system.write("sys/fs/cgroup/user/job/memory.current", "300000\n");
    system.write("sys/fs/cgroup/user/job/memory.stat", "anon 100000\ninactive_file 120000\nactive_file 80000\n");
    CHECK(system.available() == 400000);
  }

  TEST_CASE("the tightest of the groups around a process counts") {
    const System system("0::/user/job\n");
    system.write("sys/fs/cgroup/user/job/memory.max", "500000\n");
    system.write("sys/fs/cgroup/user/job/memory.current", "0\n");
    system.write("sys/fs/cgroup/user/memory.max", "200000\n");
    system.write("sys/fs/cgroup/user/memory.current", "150000\n");
    CHECK(system.available() == 50000);
    system.write("sys/fs/cgroup/user/memory.current", "250000\n");
    CHECK(system.available() == 0);
  }

  TEST_CASE("the first version of control groups is read where the second has no memory") {
    const System system("3:cpu,cpuacct:/job\n2:memory:/container\n0::/\n");
    system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "600000\n");
    system.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
    system.write("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 50000\n");
    CHECK(system.available() == 150000);
  }

  TEST_CASE("a system that says nothing gives nothing and this one gives something") {
    const testing::TemporaryFolder empty;
    CHECK_FALSE(available_memory_bytes(empty.path()).has_value());
    CHECK(available_memory_bytes().value_or(0) > 0);
    CHECK(peak_process_bytes() > 0);
  }
}
