"""A result names the software and the machine that it was made with."""

import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from fmbench.errors import UserError
from fmbench.utils import environment, gpu


@pytest.mark.skipif(
    shutil.which("git") is None or not (environment.CHECKOUT / ".git").exists(),
    reason="needs git and a checkout",
)
def test_in_a_checkout_a_result_names_its_commit_and_whether_the_code_differs():
    facts = environment.describe_package()
    assert re.fullmatch("[0-9a-f]{40}", facts["commit"])
    assert isinstance(facts["dirty"], bool)


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """``answer(commit=..., status=...)``: let git answer so; None for a failure."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    monkeypatch.setattr(environment, "package_version", lambda: "0.1.0")

    def set_answers(**answers):
        def run(command, **_):
            text = answers["status" if "status" in command else "commit"]
            if isinstance(text, Exception):
                raise text
            return SimpleNamespace(stdout=text, returncode=int(text is None))

        monkeypatch.setattr(environment.subprocess, "run", run)
        return environment.describe_package.__wrapped__()

    return set_answers


def test_code_counts_as_changed_unless_git_says_that_it_is_that_of_the_commit(answer):
    assert answer(commit="abc\n", status="")["dirty"] is False
    assert answer(commit="abc\n", status=" M fmbench/cli/run.py\n")["dirty"] is True
    assert answer(commit="abc\n", status=None)["dirty"] is True
    assert "commit" not in answer(commit=None, status=None)


def test_no_record_is_made_without_its_commit_because_git_is_slow(answer):
    slow = subprocess.TimeoutExpired("git", environment.ANSWER_SECONDS)
    for answers in ({"commit": slow, "status": ""}, {"commit": "abc\n", "status": slow}):
        with pytest.raises(UserError, match="git has not answered for ") as error:
            answer(**answers)
        assert "\n" not in str(error.value)


def test_a_result_names_the_commit_of_its_own_checkout_even_in_a_hook(monkeypatch, tmp_path):
    here = environment.describe_package.__wrapped__()
    for name in environment.GIT_VARIABLES:
        monkeypatch.setenv(name, str(tmp_path))
    assert environment.describe_package.__wrapped__() == here


def test_versions_name_python_and_the_libraries_that_can_change_a_result():
    assert {"python", "numpy", "scikit-learn", "torch"} <= environment.collect_versions().keys()


def test_the_cores_are_the_fewest_of_those_allowed_and_those_of_the_quota(monkeypatch):
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _: set(range(64)), False)
    for quota, cores in ((None, 64), (2, 2), (100, 64)):
        monkeypatch.setattr(environment.cgroups, "count_quota_cores", lambda n=quota: n)
        assert environment.count_cores() == cores
    monkeypatch.delattr(environment.os, "sched_getaffinity")  # macOS
    monkeypatch.setattr(environment.os, "cpu_count", lambda: 10)
    assert environment.count_cores() == 10


def test_the_free_memory_is_the_least_of_the_machine_and_of_the_limits(monkeypatch):
    free = SimpleNamespace(available=50)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    for left, expected in ((None, 50), (8, 8), (0, 0), (99, 50)):
        monkeypatch.setattr(environment.cgroups, "read_free_memory", lambda n=left: n)
        assert environment.measure_free_memory() == expected


def test_on_macos_the_processor_has_its_full_name(monkeypatch):
    answer = SimpleNamespace(stdout="Apple M2\n", returncode=0)
    monkeypatch.setattr(environment.sys, "platform", "darwin")
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: answer)
    assert environment.cpu_name.__wrapped__() == "Apple M2"


@pytest.fixture
def card(monkeypatch):
    """``card(problem=..., trace=...)``: what PyTorch says of the GPU, and whether it has traces."""

    def use(*, name="", problem="", trace=True):
        monkeypatch.setattr(gpu, "ask", lambda: gpu.GpuAnswer(name, 8, problem))
        monkeypatch.setattr(gpu, "seems_to_be_here", lambda: trace)

    return use


def test_auto_takes_a_gpu_only_if_pytorch_can_use_it_and_cuda_is_refused_with_the_cause(card):
    card(name="A card")
    assert [environment.resolve_device(d) for d in ("auto", "cuda", "cpu")] == [
        "cuda", "cuda", "cpu",
    ]  # fmt: skip
    assert environment.describe_unused_gpu() is None
    card(problem="the driver is too old")
    assert environment.resolve_device("auto") == "cpu"
    with pytest.raises(UserError) as refusal:
        environment.resolve_device("cuda")
    assert str(refusal.value) == "--device cuda: the driver is too old; --device cpu needs no GPU"


def test_only_a_gpu_that_seems_to_be_here_is_said_to_be_unused(card):
    card(problem="the driver is too old")
    assert environment.describe_unused_gpu() == (
        "neural networks run on the CPU, although there seems to be a GPU: the driver is too old"
    )
    card(problem="the driver is too old", trace=False)
    assert environment.describe_unused_gpu() is None


def test_a_gpu_is_named_where_it_has_traces_and_can_be_used(card, monkeypatch):
    card(name="A card")
    assert environment.gpu_name() == "A card"
    versions = environment.collect_versions()
    assert environment.describe_differences(versions, "A card") == []
    card(problem="it is busy")
    assert environment.gpu_name() is None
    card(name="A card", trace=False)
    monkeypatch.setattr(gpu, "ask", lambda: pytest.fail("PyTorch takes seconds to load"))
    assert environment.gpu_name() is None


@pytest.mark.parametrize("file", ["models/recipe.py", "models/kernels/update.cu", "errors.py"])
def test_a_changed_file_is_other_code_also_one_of_kernels_for_a_gpu(file, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "utils" / "environment.py"))
    for part in environment.MEASURING_CODE:
        if not part.endswith(".py"):
            (tmp_path / part).mkdir()
    (tmp_path / "models" / "kernels").mkdir()
    for name in ("__init__.py", "errors.py", "models/recipe.py", "models/kernels/update.cu"):
        (tmp_path / name).write_text("before")
    before = environment.read_code_identity()
    assert environment.read_code_identity() == before
    (tmp_path / file).write_text("after")
    assert environment.describe_other_code(before, environment.read_code_identity())
