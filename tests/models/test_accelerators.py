"""Loops are compiled before a fit; a library that cannot be imported is replaced, and that told."""

import sys

import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmbench import runners
from fmbench.execution import fork_server
from fmbench.execution.schedule import run_cells
from fmbench.models import accelerators
from fmbench.models.accelerators import compile_loops
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from tests.helpers.runs import LIMITS, EventLog


class Compiled(StandardScaler):
    """A step that counts how often it compiles its loops."""

    n_calls = 0

    def compile_loops(self):
        self.n_calls += 1


def test_the_loops_of_a_classifier_and_of_each_step_of_a_pipeline_are_compiled():
    alone, step = Compiled(), Compiled()
    compile_loops(alone)
    compile_loops(make_pipeline(StandardScaler(), step))
    compile_loops(StandardScaler())
    assert (alone.n_calls, step.n_calls) == (1, 1)


PROBLEM = (
    "scikit-learn-intelex cannot be imported (ImportError: libtbb.so.12: cannot open it): the "
    "slower scikit-learn is used instead; install scikit-learn-intelex again, or uninstall it"
)


@pytest.fixture
def broken_intelex(tmp_path, monkeypatch):
    """A scikit-learn-intelex that is found, and whose library lacks another one."""
    packages = {"sklearnex": "", "daal4py": "raise ImportError('libtbb.so.12:\\ncannot open it')"}
    for name, code in packages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(accelerators, "_fallbacks", [])
    accelerators.find_intelex_problem.cache_clear()
    yield
    accelerators.find_intelex_problem.cache_clear()


def test_without_a_library_of_scikit_learn_intelex_plain_scikit_learn_is_used(broken_intelex):
    assert not accelerators.has_intelex()
    assert accelerators.find_intelex_problem() == PROBLEM
    assert accelerators.load_estimator("neighbors", "KNeighborsClassifier") is KNeighborsClassifier
    assert accelerators.list_fallbacks() == [PROBLEM]


def test_who_asks_for_plain_scikit_learn_is_told_nothing(broken_intelex):
    with accelerators.use_only_sklearn():
        accelerators.load_estimator("neighbors", "KNeighborsClassifier")
    assert accelerators.list_fallbacks() == []


@pytest.mark.slow
def test_a_run_with_a_broken_scikit_learn_intelex_says_so_once_and_finishes(
    broken_intelex, store, source, monkeypatch
):
    lines = []
    monkeypatch.setattr(fork_server, "_server", None)
    monkeypatch.setattr(fork_server.logger, "warning", lambda text, *v: lines.append(text % v))
    cells = [Cell(runners.get_runner(name), QUICK, 0) for name in ("k-neighbors", "gaussian-nb")]
    try:
        accelerated, other = run_cells(cells, store, source, LIMITS, EventLog())
    finally:
        fork_server._server.end()
    assert (accelerated.why, other.why) == (None, None)
    assert lines == [PROBLEM]
    assert accelerated.warnings == [PROBLEM], "its predictions are those of another library"
    assert other.warnings == []
