"""No more cells run at a time than the memory of the machine allows, and a message says so."""

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench import runners
from fmbench.execution import memory
from fmbench.execution.memory import (
    GIB,
    FittedLimits,
    MemoryEstimate,
    fit_into_gpu_memory,
    fit_into_memory,
)
from fmbench.execution.schedule import CELL_GIB
from fmbench.execution.session import RunOptions
from fmbench.models import accelerators
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK
from fmbench.records.store import Store, StoreContents
from fmbench.suites.bundled import CHECKOUT
from fmbench.utils import environment, gpu
from tests.helpers.runs import LIMITS

EMPTY = StoreContents({}, {}, [])
NOTHING_KNOWN = MemoryEstimate(EMPTY)


def estimate_from(*records):
    return MemoryEstimate(StoreContents({str(i): r for i, r in enumerate(records)}, {}, []))


def make_cells(name, n):
    return [Cell(runners.get_runner(name), FULL, seed) for seed in range(n)]


@pytest.fixture
def use_machine(monkeypatch):
    """Lets this machine have so many cores, and so much free memory."""

    def use(cores, free):
        monkeypatch.setattr(environment, "count_cores", lambda: cores)
        monkeypatch.setattr(environment, "measure_free_memory", lambda: int(free * GIB))

    return use


@pytest.fixture
def messages():
    """What is logged for the user; the command line may have redirected it before."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("fmbench")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_on_64_cores_with_8_gib_only_as_many_cells_run_as_fit_and_one_line_says_so(
    use_machine, messages
):
    use_machine(64, 8)
    cells = make_cells("random-forest", 100)
    assert RunOptions().limits(cells, NOTHING_KNOWN).jobs == 6
    assert RunOptions(jobs=20).limits(cells, NOTHING_KNOWN).jobs == 6
    assert messages == [
        "6 cells at a time instead of 64: 8.0 GiB of memory are free here, and a cell may need "
        "1.3 GiB",
        "6 cells at a time instead of 20: 8.0 GiB of memory are free here, and a cell may need "
        "1.3 GiB",
    ]


def test_where_memory_is_no_limit_there_is_a_cell_for_each_core_and_no_message(
    use_machine, messages
):
    use_machine(64, 500)
    cells = make_cells("random-forest", 100)
    assert RunOptions().limits(cells, NOTHING_KNOWN).jobs == 64
    assert RunOptions(threads=4).limits(cells, NOTHING_KNOWN).jobs == 16
    use_machine(64, 8)
    assert RunOptions().limits(cells[:3], NOTHING_KNOWN).jobs == 64, "three fit"
    assert RunOptions().limits([], NOTHING_KNOWN).jobs == 64
    assert not messages


def test_the_limit_of_a_cells_memory_is_not_what_it_is_expected_to_need(use_machine):
    use_machine(4, 8)
    cells = make_cells("random-forest", 4)
    assert RunOptions(memory_gib=100).limits(cells, NOTHING_KNOWN).jobs == 4


def test_a_cell_that_does_not_fit_runs_alone_and_a_line_says_what_may_happen(use_machine, messages):
    use_machine(1, 0.5)
    assert RunOptions().limits(make_cells("random-forest", 1), NOTHING_KNOWN).jobs == 1
    assert messages == [
        "a cell may need 1.3 GiB of memory, and only 0.5 GiB are free here: the system may end it"
    ]


def test_a_cluster_has_memory_of_its_own(use_machine):
    class Cluster:
        def count_jobs(self, threads):
            return 40

        def count_gpu_jobs(self):
            return 3

        def resolve_device(self, wanted):
            return "cuda"

    use_machine(2, 0)
    cells = make_cells("random-forest", 50)
    assert RunOptions().limits(cells, NOTHING_KNOWN, Cluster()).jobs == 40
    limits = RunOptions().limits(make_cells("lenet5", 50), NOTHING_KNOWN, Cluster())
    assert (limits.gpu_jobs, limits.gpu_memory) == (3, 16 * GIB), "each has a GPU of its own"


def test_launches_on_a_gpu_take_memory_of_the_machine_too():
    networks, forests = make_cells("lenet5", 30), make_cells("random-forest", 30)
    limits = replace(LIMITS, jobs=16, device="cuda", together=10, gpu_jobs=4)
    both = fit_into_memory(limits, [*networks, *forests], NOTHING_KNOWN, int(9.2 * GIB))
    assert (both.limits.gpu_jobs, both.limits.jobs) == (4, 4), "three launches, then four cells"
    few = fit_into_memory(limits, [*networks, *forests], NOTHING_KNOWN, 3 * GIB)
    assert (few.limits.gpu_jobs, few.limits.jobs) == (2, 1)
    assert few.lines == (
        "2 cells at a time on the GPU instead of 3: 3.0 GiB of memory are free here, and a cell "
        "may need 1.3 GiB",
        "1 cell at a time instead of 16: 0.4 GiB of memory are free here, and a cell may need "
        "1.3 GiB",
    )


@pytest.mark.parametrize(
    ("free", "n", "share"),
    [
        (140, 4, 4.0),
        (18, 4, 4.0),  # each takes half a GiB besides
        (17.9, 3, 16 / 3),
        (11, 2, 5.0),  # what the card has is less than what all may take
        (7.5, 1, 7.0),
        (1, 1, 4.0),
    ],
)
def test_no_more_launches_run_on_a_gpu_than_fit_into_its_free_memory(free, n, share):
    cells = make_cells("lenet5", 100)
    limits = replace(LIMITS, device="cuda", together=10, gpu_jobs=4, gpu_memory=4 * GIB)
    fitted = fit_into_gpu_memory(limits, cells, int(free * GIB))
    assert fitted.limits.gpu_jobs == n
    assert fitted.limits.gpu_memory == pytest.approx(share * GIB, abs=1)
    assert len(fitted.lines) == (n < 4)
    few = fit_into_gpu_memory(limits, cells[:10], int(free * GIB))
    assert few == FittedLimits(fitted.limits, ()), "one launch: nothing changes for the user"


def test_a_small_card_gets_fewer_launches_and_one_line_says_so(use_machine, messages, monkeypatch):
    use_machine(8, 100)
    answer = gpu.GpuAnswer("A card", int(7.5 * GIB))
    monkeypatch.setattr(gpu, "ask", lambda: answer)
    limits = RunOptions().limits(make_cells("lenet5", 100), NOTHING_KNOWN)
    assert (limits.device, limits.gpu_jobs, limits.gpu_memory) == ("cuda", 1, 7 * GIB)
    assert messages == [
        "1 launch at a time on the GPU instead of 4: 7.5 GiB of its memory are free, and each may "
        "take 4.5 GiB; a smaller --gpu-memory allows more"
    ]


def test_a_gpu_that_cannot_be_used_is_named_in_one_line_if_networks_run(
    use_machine, messages, monkeypatch
):
    use_machine(8, 100)
    answer = gpu.GpuAnswer(problem="the driver is too old")
    monkeypatch.setattr(gpu, "ask", lambda: answer)
    monkeypatch.setattr(gpu, "seems_to_be_here", lambda: True)
    networks = make_cells("lenet5", 5)
    assert RunOptions().limits(networks, NOTHING_KNOWN).device == "cpu"
    assert RunOptions(device="cpu").limits(networks, NOTHING_KNOWN).device == "cpu"
    assert RunOptions().limits(make_cells("sgd", 5), NOTHING_KNOWN).device == "cpu"
    assert messages == [
        "neural networks run on the CPU, although there seems to be a GPU: the driver is too old"
    ]


def test_each_worker_of_a_fit_counts():
    [cell] = make_cells("linear-svc", 1)
    cell = replace(cell, runner=replace(cell.runner, max_workers=4, worker_gib=0.75))
    limits = replace(LIMITS, memory=8 * GIB, jobs=16)
    assert fit_into_memory(limits, [cell], NOTHING_KNOWN, 4 * GIB).limits.jobs == 16
    fitted = fit_into_memory(limits, [cell], NOTHING_KNOWN, 3 * GIB)
    assert fitted.limits.jobs == 3, "1.5 GiB for the first, and 0.75 for each further one"


@given(
    needs=st.lists(st.integers(1, 20), max_size=30),
    at_most=st.integers(1, 40),
    free=st.integers(0, 200),
)
def test_whichever_cells_meet_they_fit_and_one_more_might_not(needs, at_most, free):
    needs = sorted(needs, reverse=True)
    n = memory._count_fitting(needs, at_most, free)
    assert 1 <= n <= at_most
    assert n == 1 or sum(needs[:n]) <= free
    assert n == at_most or sum(needs[: n + 1]) > free


def test_a_cell_is_expected_to_need_the_most_that_a_similar_one_has_needed(toy_cell, record_of):
    cell = toy_cell()
    variant = replace(cell, overrides={"epochs": 99})
    estimate = estimate_from(
        record_of(cell, peak_memory_bytes=3 * GIB),
        record_of(replace(cell, seed=1), peak_memory_bytes=2 * GIB),
        record_of(variant, peak_memory_bytes=9 * GIB),
        record_of(replace(cell, protocol=QUICK), peak_memory_bytes=GIB),
    )
    assert estimate.expected_bytes(replace(cell, seed=7)) == 3 * GIB
    assert estimate.expected_bytes(replace(variant, seed=7)) == 9 * GIB
    other_variant = replace(cell, overrides={"epochs": 5})
    assert estimate.expected_bytes(other_variant) == 9 * GIB, "the most of the runner"
    assert estimate.expected_bytes(replace(cell, protocol=QUICK, seed=7)) == GIB


def test_records_that_say_nothing_of_memory_change_nothing(toy_cell, record_of):
    default = NOTHING_KNOWN.expected_bytes(toy_cell())
    assert estimate_from(record_of(toy_cell())).expected_bytes(toy_cell()) == default
    assert NOTHING_KNOWN.expected_bytes(replace(toy_cell(), protocol=QUICK)) < default


def test_what_a_record_with_several_workers_needed_is_divided_among_them(toy_cell, record_of):
    shared = int(CELL_GIB * GIB)
    record = record_of(toy_cell(), peak_memory_bytes=shared + 4 * GIB, details={"workers": 4})
    assert estimate_from(record).expected_bytes(toy_cell()) == shared + GIB
    nonsense = replace(record, details={"workers": "a few"})
    assert estimate_from(nonsense).expected_bytes(toy_cell()) == shared + 4 * GIB


@pytest.mark.slow
def test_no_committed_record_of_our_runners_needed_more_than_is_expected_without_records():
    known = runners.load_runners()
    records = [
        record
        for name in ("reference", "gpu")
        for record in Store(CHECKOUT / "results" / name).read_contents().finished.values()
        if record.peak_memory_bytes
        and not record.peak_gpu_memory_bytes  # CUDA's own libraries take memory too
        and record.cell["runner"] in known
        # A compiled way needs other memory than scikit-learn's.
        and (
            known[record.cell["runner"]].max_workers == 1
            or ("numba" in record.versions) == accelerators.has_numba()
        )
    ]
    assert {"linear-svc", "lenet5"} <= {record.cell["runner"] for record in records}
    for record in records:
        cell = Cell(runners.get_runner(record.cell["runner"]), FULL, 0)
        needed = memory._measure_with_one_worker(record)
        assert needed <= NOTHING_KNOWN.expected_bytes(cell), record.cell["runner"]
