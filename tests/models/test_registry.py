import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fmbench import runners
from fmbench.errors import UserError
from fmbench.models import registry

NAMED = {
    "svc-rbf", "decision-tree", "extra-tree", "gaussian-nb", "k-neighbors", "linear-svc",
    "logistic-regression", "random-forest", "sgd", "mlp", "perceptron", "hog-svm",
    "three-layer-nn", "cnn", "lenet5", "cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip",
    "lenet5-section4", "lstm", "mlp-sigmoid", "mlp-relu", "mlp-elu", "gradient-boosting",
}  # fmt: skip


def test_every_runner_that_was_promised_is_there():
    assert set(runners.load_runners()) >= NAMED


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(UserError, match=r"unknown runner 'lenet': did you mean lenet5\?"):
        runners.get_runner("lenet")


def test_an_unknown_hyperparameter_gets_the_nearest_one():
    with pytest.raises(UserError, match=r"lenet5 has no hyperparameter 'epoch': did you mean epo"):
        runners.get_runner("lenet5").resolve({"epoch": 3})


@pytest.mark.parametrize(
    ("name", "hyperparameters", "complaint"),
    [
        ("lenet5", {}, "registered twice"),
        ("Bad Name", {}, "lower-case words"),
        ("../escape", {}, "lower-case words"),
        ("mismatch", {"C": registry.our_choice(1, "for a test")}, "the factory takes"),
    ],
)
def test_a_bad_registration_is_refused(name, hyperparameters, complaint):
    runners.load_runners()

    def factory(*, seed):
        raise AssertionError

    with pytest.raises(ValueError, match=complaint):
        registry.register(
            name, title="x", hyperparameters=hyperparameters, revision=1, cost="seconds"
        )(factory)
    assert name == "lenet5" or name not in runners.load_runners()


def test_the_signature_says_which_runners_are_deterministic():
    known = runners.load_runners()
    assert {n for n, r in known.items() if r.deterministic} >= {
        "svc-rbf", "gaussian-nb", "k-neighbors", "hog-svm",
    }  # fmt: skip
    assert not known["lenet5"].deterministic
    assert known["lenet5"].uses_gpu and not known["svc-rbf"].uses_gpu


def test_a_runner_in_a_new_file_needs_no_edit_of_any_other(tmp_path):
    checkout = tmp_path / "checkout"  # never into the package that is being tested
    root = Path(__file__).parents[2]
    for part in ("fmbench", "tests", "benchmarks"):
        shutil.copytree(root / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", checkout)
    (checkout / "results" / "reference").mkdir(parents=True)
    shutil.copy(root / "results/reference/summary.json", checkout / "results/reference")
    (checkout / "fmbench" / "runners" / "zz_new_family.py").write_text(
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

    def python(*arguments):
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=checkout, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )  # fmt: skip

    listed = python("fmbench", "list")
    shown = python("fmbench", "show", "brand-new")
    contract = python("pytest", "-k", "brand-new", "tests/runners/test_contract.py")
    assert "brand-new" in listed.stdout
    assert "a test" in shown.stdout
    assert contract.returncode == 0, contract.stdout
    assert int(re.search(r"(\d+) passed", contract.stdout)[1]) >= 5
    measured = python("fmbench", "run", "brand-new", "--quick")
    assert measured.returncode == 0, measured.stderr
    line = next(line for line in measured.stdout.splitlines() if "| brand-new" in line)
    assert "| measured" in line
