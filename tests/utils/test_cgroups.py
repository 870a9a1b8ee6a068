"""Cores and memory that a container or service limits, read from made-up control groups."""

import pytest

from fmbench.utils import cgroups

GIB = 2**30
V1_MEMORY = "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
V1_CPU = "33 31 0:30 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate"


@pytest.fixture
def make_system(tmp_path):
    """Makes a folder like ``/``: ``make_system(paths, mounts, {file: content})``."""

    def make(paths, mounts, files):
        own = {"proc/self/cgroup": paths, "proc/self/mountinfo": ["1 0 8:1 / / rw - ext4 a rw"]}
        own["proc/self/mountinfo"] += mounts
        for name, content in {**own, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else "\n".join(content) + "\n")
        return tmp_path

    return make


def test_a_container_of_version_2_has_the_cores_and_the_memory_of_its_limits(make_system):
    root = make_system(
        ["0::/"],
        [V2.format(root="/")],
        {
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory.high": "max\n",
            "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 5\nactive_file 7\ninactive_file {2 * GIB}\n",
        },
    )
    assert cgroups.count_quota_cores(root) == 2
    assert cgroups.read_free_memory(root) == 7 * GIB, "unused files in memory count as free"


def test_a_container_of_version_1_has_the_cores_and_the_memory_of_its_limits(make_system):
    paths = ["7:memory:/docker/1a2b", "2:cpu,cpuacct:/docker/1a2b", "1:name=systemd:/docker/1a2b"]
    root = make_system(
        paths,
        [V1_MEMORY.format(root="/docker/1a2b"), V1_CPU.format(root="/docker/1a2b")],
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB // 2}",
        },
    )
    assert cgroups.count_quota_cores(root) == 4
    assert cgroups.read_free_memory(root) == 3.5 * GIB


def test_without_a_limit_there_is_none(make_system, tmp_path):
    assert cgroups.count_quota_cores(tmp_path) is None, "another system than Linux"
    assert cgroups.read_free_memory(tmp_path) is None
    root = make_system(
        ["4:memory:/", "2:cpu,cpuacct:/", "0::/user.slice/a b.scope"],
        [
            V1_MEMORY.format(root="/"),
            V1_CPU.format(root="/"),
            V2.format(root="/").replace("cgroup rw", "cgroup/unified rw", 1),
        ],
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/unified/user.slice/a b.scope/cpu.max": "max 100000\n",
            "sys/fs/cgroup/unified/user.slice/a b.scope/memory.max": "max\n",
        },
    )
    assert cgroups.count_quota_cores(root) is None
    assert cgroups.read_free_memory(root) is None


def test_of_nested_groups_the_smallest_limit_counts(make_system):
    groups = "sys/fs/cgroup"
    root = make_system(
        ["0::/user.slice/job.service/part"],
        [V2.format(root="/")],
        {
            f"{groups}/user.slice/job.service/part/cpu.max": "800000 100000\n",
            f"{groups}/user.slice/job.service/cpu.max": "150000 50000\n",
            f"{groups}/user.slice/cpu.max": "max 100000\n",
            f"{groups}/other.slice/cpu.max": "10000 100000\n",
            f"{groups}/user.slice/job.service/part/memory.max": f"{6 * GIB}\n",
            f"{groups}/user.slice/job.service/part/memory.current": f"{GIB}\n",
            f"{groups}/user.slice/job.service/memory.high": f"{5 * GIB}\n",
            f"{groups}/user.slice/job.service/memory.current": f"{2 * GIB}\n",
            f"{groups}/user.slice/memory.max": f"{32 * GIB}\n",
            f"{groups}/user.slice/memory.current": f"{20 * GIB}\n",
        },
    )
    assert cgroups.count_quota_cores(root) == 3
    assert cgroups.read_free_memory(root) == 3 * GIB, "of the group in the middle"
    (root / f"{groups}/user.slice/memory.current").write_text(f"{30 * GIB}\n")
    assert cgroups.read_free_memory(root) == 2 * GIB, "others use the rest of the highest group"


@pytest.mark.parametrize(
    ("quota", "cores"), [(30_000, 1), (100_000, 1), (190_000, 1), (250_000, 2), (6_400_000, 64)]
)
def test_a_part_of_a_core_counts_only_if_there_is_no_whole_one(make_system, quota, cores):
    root = make_system(
        ["0::/"], [V2.format(root="/")], {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"}
    )
    assert cgroups.count_quota_cores(root) == cores


@pytest.mark.parametrize("path", ["/../../job", "/kubepods/pod1/container2", "/gone"])
def test_where_the_own_group_is_not_shown_the_highest_visible_one_counts(make_system, path):
    root = make_system(
        [f"0::{path}"],
        [V2.format(root="/kubepods/pod1" if "kubepods" in path else "/")],
        {"sys/fs/cgroup/cpu.max": "300000 100000\n", "sys/fs/cgroup/memory.max": f"{GIB}\n"},
    )
    assert cgroups.count_quota_cores(root) == 3
    assert cgroups.read_free_memory(root) == GIB


def test_groups_are_found_where_they_are_mounted_whatever_the_folder_is_called(make_system):
    mount = r"31 23 0:28 / /my\040groups rw - cgroup2 cgroup rw"
    root = make_system(["0::/"], [mount], {"my groups/cpu.max": "500000 100000\n"})
    assert cgroups.count_quota_cores(root) == 5


def test_a_group_that_has_taken_more_than_its_limit_has_nothing_left(make_system):
    root = make_system(
        ["0::/"],
        [V2.format(root="/")],
        {
            "sys/fs/cgroup/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/memory.current": f"{GIB + 4096}\n",
        },
    )
    assert cgroups.read_free_memory(root) == 0


@pytest.mark.parametrize("content", ["", "max", "nonsense here", "-5 100000", "100000 0", "1 2 3"])
def test_what_is_no_quota_is_no_quota(make_system, content):
    root = make_system(["0::/"], [V2.format(root="/")], {"sys/fs/cgroup/cpu.max": content})
    assert cgroups.count_quota_cores(root) is None
