import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fmbench import runners
from fmbench.errors import UserError
from fmbench.models import registry

EXPECTED = {
    "svc-rbf", "decision-tree", "extra-tree", "gaussian-nb", "k-neighbors", "linear-svc",
    "logistic-regression", "random-forest", "sgd", "mlp", "perceptron", "hog-svm",
    "three-layer-nn", "cnn", "lenet5", "cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip",
    "lenet5-section3", "lenet5-section4", "lstm", "mlp-sigmoid", "mlp-relu", "mlp-elu",
    "gradient-boosting",
}  # fmt: skip


def test_all_expected_runners_are_registered():
    assert set(runners.load_runners()) >= EXPECTED


def test_an_unknown_runner_name_gets_a_suggestion():
    with pytest.raises(UserError, match=r"unknown runner 'lenet': did you mean lenet5\?"):
        runners.get_runner("lenet")


def test_an_unknown_hyperparameter_gets_a_suggestion():
    with pytest.raises(UserError, match=r"lenet5 has no hyperparameter 'epoch': did you mean epo"):
        runners.get_runner("lenet5").resolve({"epoch": 3})


@pytest.mark.parametrize(
    ("name", "hyperparameters", "message"),
    [
        ("lenet5", {}, "registered twice"),
        ("Bad Name", {}, "lower-case words"),
        ("../escape", {}, "lower-case words"),
        ("mismatch", {"C": registry.our_choice(1, "for a test")}, "the factory takes"),
    ],
)
def test_an_invalid_registration_raises_an_error(name, hyperparameters, message):
    runners.load_runners()

    def factory(*, seed):
        raise AssertionError

    with pytest.raises(ValueError, match=message):
        registry.register(
            name, title="x", hyperparameters=hyperparameters, revision=1, cost="seconds"
        )(factory)
    assert name == "lenet5" or name not in runners.load_runners()


@pytest.mark.parametrize("workers", [{"max_workers": 0}, {"worker_gib": 0.0}])
def test_a_registration_whose_workers_are_not_positive_raises_an_error(workers):
    with pytest.raises(ValueError, match="must be positive"):
        registry.register(
            "brand-new", title="x", hyperparameters={}, revision=1, cost="seconds", **workers
        )


def test_isolated_registrations_do_not_enter_the_registry():
    before = set(runners.load_runners())
    with registry.isolate_registrations() as isolated:
        registry.register("isolated", title="x", hyperparameters={}, revision=1, cost="seconds")(
            lambda: None
        )
    assert set(isolated) == {"isolated"}
    assert set(runners.load_runners()) == before


def test_the_signature_of_a_factory_decides_whether_its_runner_is_deterministic():
    known = runners.load_runners()
    assert {n for n, r in known.items() if r.deterministic} >= {
        "svc-rbf", "gaussian-nb", "k-neighbors", "hog-svm",
    }  # fmt: skip
    assert not known["lenet5"].deterministic
    assert known["lenet5"].uses_gpu and not known["svc-rbf"].uses_gpu


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout with a new file in fmbench/runners/, and no other change."""
    copy, root = tmp_path / "checkout", Path(__file__).parents[2]
    for folder in ("fmbench", "tests", "benchmarks"):
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", copy)
    for summary in (root / "results" / "reference").glob("*/summary.json"):
        target = copy / summary.relative_to(root)
        target.parent.mkdir(parents=True)
        shutil.copy(summary, target)
    (copy / "fmbench" / "runners" / "zz_new_family.py").write_text(
        "from fmbench import our_choice, register\n\n\n"
        "@register('brand-new', title='New', hyperparameters={'k': our_choice(1, 'a test')},\n"
        "          revision=1, cost='seconds')\n"
        "def brand_new(*, k):\n"
        "    '''New.'''\n"
        "    from fmbench.models.features import Flatten\n"
        "    from sklearn.naive_bayes import GaussianNB\n"
        "    from sklearn.pipeline import make_pipeline\n"
        "    return make_pipeline(Flatten(), GaussianNB())\n"
    )
    return copy


@pytest.fixture
def run_module(checkout, source):
    """Run a Python module in the copy, with the data of this test session."""

    def run(*arguments):
        environment = {
            **os.environ,
            "PYTHONPATH": str(checkout),
            "FMBENCH_DATA": str(source.folder),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=checkout, capture_output=True, text=True, env=environment,
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_a_runner_in_a_new_file_needs_no_edit_of_another_file(run_module):
    assert "brand-new" in run_module("fmbench", "list").stdout
    assert "a test" in run_module("fmbench", "show", "brand-new").stdout
    measured = run_module("fmbench", "run", "brand-new", "--quick")
    assert measured.returncode == 0, measured.stderr
    line = next(line for line in measured.stdout.splitlines() if "| brand-new" in line)
    assert "| measured" in line


# One process for all sessions of pytest, which imports PyTorch once. It prints their exit statuses,
# how many tests failed and passed, and what the golden file held after each.
SESSIONS = """
import json
from pathlib import Path
import pytest

golden = Path("tests/golden/brand-new.json")

class Counts(dict):
    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self[report.outcome] = self.get(report.outcome, 0) + 1

def run_contract_tests(*options, only=""):
    counts = Counts()
    words = "brand-new" + (" and " + only if only else "")
    command = ["-p", "no:cacheprovider", "-k", words, "tests/runners/test_contract.py", *options]
    status = pytest.main(command, plugins=[counts])
    return [int(status), counts.get("failed", 0), counts.get("passed", 0),
            golden.read_text() if golden.exists() else None]

found = [
    run_contract_tests(),
    run_contract_tests("--golden", only="predictions_change"),
    run_contract_tests(only="predictions_change"),
]
content = json.loads(golden.read_text())
golden.write_text(json.dumps({**content, "y_pred": content["y_pred"][::-1]}))
changed = golden.read_text()
found.append(run_contract_tests("--golden", only="predictions_change"))
print(json.dumps([*found, changed]))
"""


@pytest.mark.slow
def test_a_new_runner_passes_the_contract_tests_once_its_golden_file_is_written(
    run_module, checkout
):
    (checkout / "sessions.py").write_text(SESSIONS)
    done = run_module("sessions")
    assert "pytest tests/runners/test_contract.py --golden" in done.stdout, done
    *sessions, changed = json.loads(done.stdout.splitlines()[-1])
    without, written, passed, refused = sessions
    status, n_failed, n_passed, golden = without
    assert (status, n_failed, golden) == (1, 1, None)
    assert n_passed >= 5, "every other rule is kept"
    assert written[:3] == [0, 0, 1] and written[3] is not None
    assert passed == written
    assert refused[:3] == [1, 1, 0]
    assert refused[3] == changed, "--golden writes only files that are missing"
