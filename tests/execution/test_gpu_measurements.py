"""`make gpu`: its budgets, archives and resuming, and a rehearsal of all its steps on the CPU."""

import importlib
import importlib.util
import io
import json
import subprocess
import sys
import tarfile
import zipfile

import pytest

from fmbench.utils.environment import CHECKOUT

SCRIPT = CHECKOUT / "benchmarks" / "gpu" / "measure.py"
SETTINGS = {"device": "cpu", "quick": True}


@pytest.fixture(scope="module")
def measure():
    spec = importlib.util.spec_from_file_location("gpu_measure", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def run_python(measure, tmp_path, code, limit=1000):
    """Run a step that is the Python ``code``, with the path of its result as its argument."""
    log, result = io.StringIO(), tmp_path / "result.json"
    found = measure.run_step([sys.executable, "-c", code, str(result)], limit, result, log)
    return *found, log.getvalue()


def test_a_version_is_compared_by_its_numbers(measure, monkeypatch):
    monkeypatch.setattr(measure.importlib.metadata, "version", lambda name: "2.11.0+cu130")
    assert measure.is_met("torch>=2.6")
    assert measure.is_met("torch>=2.11")
    assert not measure.is_met("torch>=2.12")


def test_this_environment_lacks_nothing_that_the_measurements_need(measure):
    missing = measure.find_missing_packages()
    assert [r for r in missing if measure.get_name(r) not in measure.OPTIONAL] == []


@pytest.mark.slow
def test_a_wheel_that_brings_its_own_folder_of_packages_can_be_imported(
    measure, tmp_path, monkeypatch
):
    """Those of scikit-learn-intelex are such; `pip install --target` leaves that folder out."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "odd-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"odd-1.0.data/data/lib/{python}/site-packages/odd_module.py", "found = 1")
        info = {
            "METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        for name, text in info.items():
            wheel.writestr(f"odd-1.0.dist-info/{name}", text)
    monkeypatch.setattr(measure, "FETCHED", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(
        measure, "find_missing_packages", lambda: [] if measure.is_met("odd>=1.0") else ["odd>=1.0"]
    )
    measure.add_packages(tmp_path / "site")
    assert importlib.import_module("odd_module").found == 1
    del sys.modules["odd_module"]


def test_a_missing_package_without_a_wheel_is_named_in_one_line(measure, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "FETCHED", tmp_path)
    monkeypatch.setattr(measure, "find_missing_packages", lambda: ["pooch>=1.8"])
    with pytest.raises(SystemExit) as ended:
        measure.add_packages(tmp_path / "site")
    assert "lacks pooch>=1.8" in ended.value.code and "make gpu-wheels" in ended.value.code


def test_a_step_that_fails_is_recorded_with_its_last_line(measure, tmp_path):
    status, why, log = run_python(measure, tmp_path, "print('a line'); raise ValueError('too bad')")
    assert (status, why) == ("failed", "ValueError: too bad")
    assert "a line" in log


def test_a_step_without_a_result_has_failed(measure, tmp_path):
    assert run_python(measure, tmp_path, "pass")[:2] == ("failed", "it ended without a result")


def test_a_step_can_say_that_a_part_of_it_failed(measure, tmp_path):
    code = 'import sys; open(sys.argv[1], \'w\').write(\'{"result": {}, "why": "no cnn"}\')'
    assert run_python(measure, tmp_path, code)[:2] == ("incomplete", "no cnn")


def test_a_step_that_never_ends_is_interrupted_at_its_limit(measure, tmp_path):
    code = "import time\nwhile True: time.sleep(60)"
    status, why, _ = run_python(measure, tmp_path, code, limit=0)
    assert (status, why) == ("out of time", "its 0 s were over")


@pytest.mark.parametrize(
    ("status", "done"), [("finished", True), ("failed", False), ("out of time", False)]
)
def test_only_a_finished_step_is_not_run_again(measure, tmp_path, status, done):
    journal = measure.Journal(tmp_path / "results.jsonl", SETTINGS)
    journal.add({"step": "cnn", "status": status, "why": "", "seconds": 2.0, "result": None})
    again = measure.Journal(tmp_path / "results.jsonl", SETTINGS)
    assert again.is_done("cnn") is done
    assert not again.is_done("run")


def test_results_of_other_settings_are_not_mixed(measure, tmp_path):
    journal = measure.Journal(tmp_path / "results.jsonl", SETTINGS)
    journal.add({"step": "cnn", "status": "finished", "why": "", "seconds": 2.0, "result": None})
    with pytest.raises(SystemExit) as ended:
        measure.Journal(tmp_path / "results.jsonl", {"device": "cuda", "quick": False})
    assert "choose another folder with --out" in ended.value.code


def test_the_table_says_what_was_measured_and_what_is_missing(measure, tmp_path):
    journal = measure.Journal(tmp_path / "results.jsonl", SETTINGS)
    fine = {"why": "", "seconds": 2.0, "result": {"lines": ["first", "second"]}}
    for status, why in (("out of time", "its 9 s were over"), ("finished", "")):
        journal.add({**fine, "step": "run", "status": status, "why": why})
    journal.add({**fine, "step": "cnn", "status": "failed", "why": "no memory", "result": None})
    table = measure.format_table(journal, ["run", "cnn", "repeat"])
    assert "run        finished          4.0  first in 2 parts\n" in table
    assert table.endswith("missing:\n  cnn: failed: no memory\n  repeat: not begun\n")


def test_records_are_packed_into_archives_that_unpack_to_the_same_paths(
    measure, tmp_path, monkeypatch
):
    monkeypatch.setattr(measure, "ARCHIVE_BYTES", 100_000)
    out, back = tmp_path / "out", tmp_path / "back"
    for number in range(12):
        path = out / "run" / "records" / f"row{number}" / "a.npz"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([number]) * 20_000)
    for left_out in ("run/locks/a.json", "run/unfinished/a.json", "log.txt"):
        (out / left_out).parent.mkdir(parents=True, exist_ok=True)
        (out / left_out).write_text("{}")
    archives = measure.pack(out, out / "archives")
    assert len(archives) > 2
    assert all(archive.stat().st_size <= 100_000 for archive in archives)
    assert measure.pack(out, out / "archives") == archives  # never an archive in an archive
    back.mkdir(exist_ok=True)
    for archive in archives:  # as benchmarks/gpu/README.md says
        subprocess.run(["tar", "-xf", archive, "-C", back], check=True)
    files = sorted(path.relative_to(back) for path in back.rglob("*") if path.is_file())
    assert len(files) == 12
    assert all((back / file).read_bytes() == (out / file).read_bytes() for file in files)
    assert (out / "archives" / "log.txt").exists()


def test_without_a_gpu_one_line_says_so(measure, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        measure.check_device("cuda")
    assert ended.value.code.startswith("PyTorch finds no CUDA device here")
    measure.check_device("cpu")


@pytest.mark.slow
def test_a_rehearsal_on_the_cpu_does_every_step_and_then_nothing_more(source, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "fashion-mnist").symlink_to(source.folder)
    command = [
        sys.executable, str(SCRIPT), "--device", "cpu", "--quick", "--out", str(tmp_path / "out"),
        "--data", str(data), "--patience", "20",
    ]  # fmt: skip
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "missing: nothing" in first.stdout
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    entries = {entry["step"]: entry for entry in map(json.loads, lines)}
    assert list(entries) == [
        "machine", "tests", "lenet5", "cnn", "run", "forensics", "repeat", "summary"
    ]  # fmt: skip
    assert all(entry["status"] == "finished" for entry in entries.values())
    assert entries["lenet5"]["result"]["trials"] == 2
    assert entries["repeat"]["result"]["differing"] == {"three-layer-nn": [0, 0]}
    with tarfile.open(tmp_path / "out" / "archives" / "records-1.tar") as tar:
        assert any("/three-layer-nn/" in name for name in tar.getnames())
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0
    assert second.stdout.count("finished already") == 8
