"""`make gpu`: its packages, budgets, archives and resuming, and a rehearsal of it on the CPU."""

import contextlib
import importlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from types import SimpleNamespace

import pytest

from fmbench.datasets import locate
from fmbench.datasets.specs import FIRST_RELEASE, MNIST_DIGITS
from fmbench.errors import UserError
from fmbench.utils.environment import CHECKOUT
from tests.helpers.runs import WAIT_SECONDS, wait_until

SCRIPT = CHECKOUT / "benchmarks" / "gpu" / "measure.py"
SETTINGS = {"device": "cpu", "quick": True}
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
TOO_LITTLE = "raise ImportError('libtbb.so.12: cannot open shared object file')"


@pytest.fixture(scope="module")
def measure():
    spec = importlib.util.spec_from_file_location("gpu_measure", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path.insert(0, str(SCRIPT.parent))  # as for any script
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    for name in ("packages", "machine_watch"):
        del sys.modules[name]


def run_python(measure, tmp_path, code, limit=1000):
    """Run a step that is the Python ``code``, with the path of its result as its argument."""
    log, result = io.StringIO(), tmp_path / "result.json"
    command = [sys.executable, "-c", code, str(result)]
    found = measure.run_step(command, limit, result, log, save=lambda: None)
    return *found, log.getvalue()


def test_a_version_is_compared_by_its_numbers(measure, monkeypatch):
    monkeypatch.setattr(measure.packages.importlib.metadata, "version", lambda name: "2.11.0+cu130")
    assert measure.packages.is_met("torch>=2.6")
    assert measure.packages.is_met("torch>=2.11")
    assert not measure.packages.is_met("torch>=2.12")


@pytest.fixture
def odd(measure, tmp_path, monkeypatch):
    """Packages that the test makes: no others are looked for, and no path of Python stays changed.

    ``odd.group(...)`` is the one group that is looked for: of the package odd, with odd_module.
    """
    monkeypatch.setattr(measure.packages, "FETCHED", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    wheels = tmp_path / "wheels"
    wheels.mkdir()

    def group(wheels=("odd",), **facts):
        found = measure.packages.Group("odd", ("odd>=1.0",), ("odd_module",), wheels, **facts)
        monkeypatch.setattr(measure.packages, "list_groups", lambda known: [found])

    yield SimpleNamespace(
        site=tmp_path / "site", wheels=wheels, group=group,
        folder=tmp_path / "site" / "odd" / "lib" / PYTHON / "site-packages",
    )  # fmt: skip
    sys.modules.pop("odd_module", None)


def install(folder, code):
    """Put the package odd into a folder; ``code`` is that of its module."""
    info = folder / "odd-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (folder / "odd_module.py").write_text(code)


def is_searched(folder):
    return str(folder) in sys.path or str(folder) in os.environ["PYTHONPATH"].split(os.pathsep)


def test_this_environment_has_what_the_measurements_require(measure):
    packages = measure.packages
    required = [g for g in packages.list_groups({}) if g.name in ("needed", "tests")]
    assert len(required) == 2
    assert [r for g in required for r in g.requirements if not packages.is_met(r)] == []


@pytest.mark.slow
def test_everything_that_is_tried_can_be_imported_where_it_is_installed(measure, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    packages = measure.packages
    installed = [g for g in packages.list_groups({}) if all(map(packages.is_met, g.requirements))]
    problems = [packages.try_imports(group.modules) for group in installed]
    assert problems == [""] * len(installed)


@pytest.mark.slow
def test_a_wheel_that_brings_its_own_folder_of_packages_can_be_imported(measure, odd):
    """Those of scikit-learn-intelex are such; `pip install --target` leaves that folder out."""
    with zipfile.ZipFile(odd.wheels / "odd-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"odd-1.0.data/data/lib/{PYTHON}/site-packages/odd_module.py", "found = 1")
        info = {
            "METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        for name, text in info.items():
            wheel.writestr(f"odd-1.0.dist-info/{name}", text)
    odd.group()
    measure.packages.add_packages(odd.site)
    assert importlib.import_module("odd_module").found == 1


@pytest.mark.slow
def test_pip_says_on_one_line_why_it_installs_nothing(measure, odd, capsys):
    (odd.wheels / "odd-1.0-py3-none-any.whl").write_text("no wheel")
    odd.group()
    with pytest.raises(SystemExit) as ended:
        measure.packages.add_packages(odd.site)
    assert ended.value.code.startswith("this Python lacks odd>=1.0: ")
    assert "pip has not installed them: " in capsys.readouterr().out.splitlines()[-1]


def test_a_missing_package_without_a_wheel_is_named_in_one_line(measure, odd):
    odd.group()
    with pytest.raises(SystemExit) as ended:
        measure.packages.add_packages(odd.site)
    assert ended.value.code.startswith("this Python lacks odd>=1.0: ")
    assert "make install" in ended.value.code and "make gpu-wheels" in ended.value.code


def test_without_an_optional_package_one_line_says_what_is_slow(measure, odd, capsys):
    odd.group(without="without it the SVC rows are slow")
    measure.packages.add_packages(odd.site)
    assert capsys.readouterr().out == (
        "this Python lacks odd>=1.0: without it the SVC rows are slow\n"
    )


def test_an_optional_package_that_is_installed_but_cannot_be_imported_is_left_out(
    measure, odd, capsys
):
    install(odd.folder, TOO_LITTLE)
    odd.group(without="without it the SVC rows are slow")
    measure.packages.add_packages(odd.site)
    assert capsys.readouterr().out == (
        "odd_module cannot be imported (ImportError: libtbb.so.12: cannot open shared object "
        "file): without it the SVC rows are slow\n"
    )
    assert not is_searched(odd.folder)


def test_a_package_that_can_be_imported_is_found_by_this_process_and_by_the_steps(
    measure, odd, capsys
):
    install(odd.folder, "found = 1")
    odd.group(without="without it the SVC rows are slow")
    measure.packages.add_packages(odd.site)
    assert capsys.readouterr().out == ""
    assert str(odd.folder) in sys.path
    assert str(odd.folder) in os.environ["PYTHONPATH"].split(os.pathsep)


def test_a_required_package_that_cannot_be_imported_ends_the_program_with_one_line(measure, odd):
    install(odd.folder, TOO_LITTLE)
    odd.group()
    with pytest.raises(SystemExit) as ended:
        measure.packages.add_packages(odd.site)
    assert ended.value.code.startswith(
        "odd_module cannot be imported (ImportError: libtbb.so.12: cannot open shared object "
        "file): install it "
    )


def test_a_broken_package_of_this_python_that_fmbench_would_use_ends_the_program(
    measure, odd, tmp_path, monkeypatch
):
    """No folder can be left out that keeps fmbench from it."""
    own = tmp_path / "own"
    install(own, TOO_LITTLE)
    monkeypatch.setenv("PYTHONPATH", str(own))
    sys.path.insert(0, str(own))
    odd.group(without="without it the SVC rows are slow", blocks="odd_module")
    with pytest.raises(SystemExit) as ended:
        measure.packages.add_packages(odd.site)
    assert ended.value.code.startswith("odd_module cannot be imported (ImportError: ")
    assert "uninstall odd" in ended.value.code


def test_an_import_that_ends_python_is_a_reason_too(measure, odd):
    install(odd.folder, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    odd.group()
    with pytest.raises(SystemExit) as ended:
        measure.packages.add_packages(odd.site)
    assert "the import of odd_module ends Python with status -9" in ended.value.code


def test_if_what_a_package_needs_is_too_old_all_wheels_are_installed(measure, odd, monkeypatch):
    for name in ("odd", "helper"):
        (odd.wheels / f"{name}-1.0-py3-none-any.whl").touch()
    (odd.folder / "helper-0.1.dist-info").mkdir(parents=True)
    (odd.folder / "helper-0.1.dist-info" / "METADATA").write_text("Name: helper\nVersion: 0.1\n")
    calls = []

    def install_wheels(wheels, prefix):
        calls.append([path.name.partition("-")[0] for path in wheels])
        install(odd.folder, "found = 1" if len(calls) == 2 else TOO_LITTLE)

    monkeypatch.setattr(measure.packages, "install_wheels", install_wheels)
    odd.group(wheels=("helper", "odd"))
    measure.packages.add_packages(odd.site)
    assert calls == [["odd"], ["helper", "odd"]]


def test_without_the_packages_of_the_tests_all_other_steps_are_still_done(
    measure, odd, monkeypatch, capsys
):
    [tests] = [group for group in measure.packages.list_groups({}) if group.name == "tests"]
    monkeypatch.setattr(measure.packages, "list_groups", lambda wheels: [tests])
    monkeypatch.setattr(measure.packages, "is_met", lambda requirement: False)
    measure.packages.add_packages(odd.site)
    printed = capsys.readouterr().out
    assert printed.startswith("this Python lacks pytest>=") and printed.count("\n") == 1
    assert "make check" in printed and "make gpu-wheels" in printed


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


def test_a_step_that_ran_out_of_time_also_says_what_it_has_not_measured(
    measure, tmp_path, monkeypatch
):
    result = tmp_path / "result.json"

    def wait_for_end(process, seconds, save):
        wait_until(result.exists, process=process)
        return False

    monkeypatch.setattr(measure, "wait_for_end", wait_for_end)
    code = (
        "import os, sys, time; new = sys.argv[1] + '.part'\n"
        'open(new, "w").write(\'{"result": {}, "why": "no cnn"}\')\n'
        "os.replace(new, sys.argv[1])\n"
        "while True: time.sleep(60)"
    )
    status, why, _ = run_python(measure, tmp_path, code, limit=9)
    assert (status, why) == ("out of time", "its 9 s were over; no cnn")


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


@pytest.mark.parametrize("broken", ['{"step": "run", "sta', "", "7", '{"step": "run"}'])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_damaged_line_of_the_journal_is_left_out_with_a_warning(
    measure, tmp_path, capsys, broken, position
):
    path = tmp_path / "results.jsonl"
    fine = {"status": "finished", "why": "", "seconds": 2.0, "settings": SETTINGS, "result": None}
    lines = [json.dumps({"step": step, **fine}) for step in ("cnn", "tests")]
    lines.insert(position, broken)
    path.write_text("\n".join(lines) + ("" if position == 2 and broken else "\n"))
    journal = measure.Journal(path, SETTINGS)
    assert [entry["step"] for entry in journal.entries] == ["cnn", "tests"]
    [warning] = capsys.readouterr().out.splitlines()
    assert warning.startswith(f"{path}: line {position + 1} is damaged")
    journal.add({"step": "lenet5", **fine})
    assert len(measure.Journal(path, SETTINGS).entries) == 3
    assert capsys.readouterr().out == "", "the file is whole again"


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


def test_archives_stay_as_they_are_while_a_new_one_cannot_be_completed(
    measure, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.json").write_text("{}")
    [archive] = measure.pack(out, out / "archives")
    before = archive.read_bytes()
    (out / "b.json").write_text("{}")
    add = tarfile.TarFile.add

    def add_until_renamed(tar, name, *arguments):
        if name == out / "b.json":
            raise FileNotFoundError(name)
        add(tar, name, *arguments)

    monkeypatch.setattr(tarfile.TarFile, "add", add_until_renamed)
    with pytest.raises(FileNotFoundError):
        measure.pack(out, out / "archives")
    assert archive.read_bytes() == before


def test_a_running_step_is_packed_only_if_it_has_left_something_new(measure, tmp_path, monkeypatch):
    packed = []
    monkeypatch.setattr(measure, "pack", lambda out, archives: packed.append(out))
    output = measure.Output(tmp_path, tmp_path / "archives", SETTINGS, ["run"])
    output.journal.add({"step": "run", "status": "not ended", "why": "", "seconds": 1.0})
    output.save_if_new()
    (tmp_path / "log.txt").write_text("a line")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "a.json").write_text("{}")
    output.save_if_new()
    assert len(packed) == 0
    for n, name in enumerate(("a.npz", "cnn.result.json"), 1):
        (tmp_path / name).write_text("{}")
        for _ in range(2):
            output.save_if_new()
        assert len(packed) == n


# A step that measures a part, and ends when the archive has it.
WAITING_STEP = """
import json, pathlib, sys, tarfile, time
result, archive = map(pathlib.Path, sys.argv[1:])
(result.parent / "record.json").write_text("{}")
result.write_text(json.dumps({"result": {"lines": ["one row"]}, "why": "two rows are left"}))
while not archive.exists():
    time.sleep(0.02)
with tarfile.open(archive) as tar:
    assert tar.getnames() == ["record.json", "results.jsonl"], tar.getnames()
    journal = tar.extractfile("results.jsonl").read().decode()
result.write_text(json.dumps({"result": {"lines": [journal]}, "why": ""}))
"""


@pytest.fixture
def measure_step(measure, tmp_path, monkeypatch):
    """Calls ``measure_step`` of a step that is a Python program; returns its line in the journal.

    The program gets the path of its result file and that of the first archive.
    """
    output = measure.Output(
        tmp_path / "out", tmp_path / "archives", SETTINGS, list(measure.BUDGETS)
    )

    def call(step, code, again=()):
        result = tmp_path / "out" / f"{step}.result.json"
        command = [sys.executable, "-c", code, result, tmp_path / "archives" / "records-1.tar"]
        monkeypatch.setattr(measure, "make_command", lambda *arguments: list(map(str, command)))
        options = SimpleNamespace(again=list(again))
        measure.measure_step(step, options, output, None, 1000, io.StringIO())
        return output.journal.last(step)

    call.output = output
    return call


def test_what_a_step_has_measured_so_far_is_in_the_archives_while_it_runs(
    measure, measure_step, monkeypatch
):
    """So a call that is killed keeps it."""
    monkeypatch.setattr(measure, "SAVE_SECONDS", 0.05)
    entry = measure_step("cnn", WAITING_STEP)
    assert entry["status"] == "finished", entry
    [line] = entry["result"]["lines"]
    so_far = json.loads(line)
    assert (so_far["step"], so_far["status"]) == ("cnn", "not ended")
    assert so_far["result"] == {"lines": ["one row"]}
    assert [e["status"] for e in measure_step.output.journal.entries] == ["finished"]


def test_a_step_goes_on_if_what_it_has_so_far_cannot_be_saved(
    measure, measure_step, monkeypatch, tmp_path, capsys
):
    told = tmp_path / "told"

    def fail():
        told.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(measure, "SAVE_SECONDS", 0.05)
    monkeypatch.setattr(measure_step.output, "save_if_new", fail)
    code = (
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(told)!r}).exists(): time.sleep(0.02)\n"
        'pathlib.Path(sys.argv[1]).write_text(\'{"result": {}, "why": ""}\')'
    )
    assert measure_step("run", code)["status"] == "finished"
    assert "cannot be saved now: [Errno 28] No space left on device" in capsys.readouterr().out


# Fails after it has said which result it was given.
FAILING_STEP = """
import pathlib, sys
result = pathlib.Path(sys.argv[1])
print("given:", result.read_text() if result.exists() else "nothing")
sys.exit(1)
"""


@pytest.mark.parametrize(
    ("step", "again", "left", "given"),
    [
        ("cnn", False, None, {"rows": 1}),
        ("cnn", False, {"rows": 2}, {"rows": 2}),  # a killed call has left it
        ("cnn", True, {"rows": 2}, None),
        ("run", False, {"rows": 2}, None),
    ],
)
def test_a_step_that_resumes_gets_the_newest_result_before_it(
    measure_step, step, again, left, given
):
    journal, folder = measure_step.output.journal, measure_step.output.folder
    before = {"step": step, "status": "out of time", "why": "", "seconds": 2.0}
    journal.add({**before, "result": {"rows": 1}})
    if left:
        (folder / f"{step}.result.json").write_text(json.dumps({"result": left, "why": "more"}))
    entry = measure_step(step, FAILING_STEP, again=[step] if again else [])
    text = "nothing" if given is None else json.dumps({"result": given})
    assert (entry["status"], entry["why"]) == ("failed", f"given: {text}")
    assert entry["result"] == given, "what was measured before is not lost"
    assert not (folder / f"{step}.result.json").exists()


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Makes a program of this name that is a shell script."""

    def make(script):
        path = tmp_path / "bin" / "nvidia-smi"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return make


def test_the_watch_asks_for_the_card_in_use_and_reads_memory_without_a_load(
    measure, nvidia_smi, tmp_path
):
    """A card that is divided (MIG) has no load."""
    nvidia_smi(
        f'echo "$@" > {tmp_path}/asked\necho "700, [N/A]"\necho "900, [N/A]"\nexec sleep 900'
    )
    with measure.machine_watch.watch_machine("00000000:65:00.0") as watch:
        wait_until(lambda: watch.peak_card_mib == 900)
    assert (tmp_path / "asked").read_text().startswith("-i 00000000:65:00.0 --query-gpu=")
    assert watch.facts()["peak_card_mib"] == 900
    assert "mean_card_load_percent" not in watch.facts()


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        (["100, 50", "300, 25", "200, 0"], {"peak_card_mib": 300, "mean_card_load_percent": 25.0}),
        (["[N/A], 40"], {"mean_card_load_percent": 40.0}),
        (["No devices were found"], {}),
    ],
)
def test_memory_and_load_of_the_card_are_read_apart(measure, lines, facts):
    watch = measure.machine_watch.MachineWatch()
    for line in lines:
        watch.note_card(line)
    assert watch.facts() == {"min_host_available_mib": None, **facts}


def test_no_card_is_watched_where_none_is_used(measure, nvidia_smi, tmp_path):
    nvidia_smi(f"touch {tmp_path}/asked")
    with measure.machine_watch.watch_machine(None) as watch:
        pass
    assert not (tmp_path / "asked").exists()
    assert "peak_card_mib" not in watch.facts()


def test_the_end_of_a_step_does_not_wait_for_an_nvidia_smi_that_hangs(
    measure, nvidia_smi, tmp_path, monkeypatch
):
    """A process of it keeps the pipe open, so that reading it does not end."""
    new, told = tmp_path / "pid.new", tmp_path / "pid"
    nvidia_smi(f"sleep {WAIT_SECONDS} &\necho $! > {new}\nmv {new} {told}\nwait")
    monkeypatch.setattr(measure.machine_watch, "WATCH_END_SECONDS", 0.05)
    n_threads = threading.active_count()
    with measure.machine_watch.watch_machine("0"):
        wait_until(told.exists)
    assert threading.active_count() == n_threads + 1, "it still reads"
    os.kill(int(told.read_text()), signal.SIGKILL)
    wait_until(lambda: threading.active_count() == n_threads)


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ("pci_domain_id, pci_bus_id, pci_device_id = 0, 0x65, 1", "00000000:65:01.0"),
        ("uuid = '8f93'", "GPU-8f93"),  # PyTorch before 2.8
    ],
)
def test_the_card_is_named_by_the_properties_that_pytorch_gives(
    measure, tmp_path, monkeypatch, facts, name
):
    (tmp_path / "torch.py").write_text(
        f"class Card:\n    {facts}\nclass cuda:\n    get_device_properties = lambda index: Card\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert measure.machine_watch.find_card() == name


def test_a_card_that_pytorch_does_not_name_is_not_watched(measure, tmp_path, monkeypatch, capsys):
    (tmp_path / "torch.py").write_text("raise RuntimeError('no driver')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert measure.machine_watch.find_card() is None
    assert "(RuntimeError: no driver)" in capsys.readouterr().out


def test_without_a_gpu_one_line_says_so(measure, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        measure.check_device("cuda")
    assert ended.value.code.startswith("PyTorch finds no CUDA device here")
    measure.check_device("cpu")


def can_be_had(spec):
    with contextlib.suppress(UserError):
        locate.locate_dataset(spec, fetch=True)
        return True
    return False


def test_all_stacks_are_timed_before_one_is_profiled_and_each_part_is_handed_over(
    measure, monkeypatch
):
    """A profiler slows down what comes after it; and a step that is ended early keeps its parts."""
    stacks = importlib.import_module("stacks")
    monkeypatch.delitem(sys.modules, "stacks")
    monkeypatch.delenv("FMBENCH_GPU_KERNELS", raising=False)
    done = []

    def note(what):
        done.append((os.environ["FMBENCH_GPU_KERNELS"], what))

    def train(n_networks, *_):
        note(n_networks)
        return [0.3], [1.0] * n_networks

    monkeypatch.setattr(stacks, "train_stack", train)
    monkeypatch.setattr(stacks, "profile_stack", lambda *_: note("profile"))
    parts = [
        (len(found["rows"]), len(found["profiles"]), len(found["lines"]))
        for found in stacks.measure_stacks("cuda", None, quick=False)
    ]
    assert parts == [*((n, 0, n) for n in range(1, 7)), (6, 1, 6), (6, 2, 6)]
    timed = [(switch, n) for switch in "10" for n in (1, 10, 20)]
    assert done == [*timed, ("1", "profile"), ("0", "profile")]
    assert "FMBENCH_GPU_KERNELS" not in os.environ


@pytest.mark.slow
def test_a_rehearsal_on_the_cpu_does_every_step_and_then_nothing_more(source, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "fashion-mnist").symlink_to(source.folder)
    command = [
        sys.executable, str(SCRIPT), "--device", "cpu", "--quick", "--out", str(tmp_path / "out"),
        "--data", str(data), "--patience", "20",
    ]  # fmt: skip
    absent = [spec for spec in (MNIST_DIGITS, FIRST_RELEASE) if not can_be_had(spec)]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == bool(absent), first.stdout + first.stderr
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    entries = {entry["step"]: entry for entry in map(json.loads, lines)}
    assert list(entries) == [
        "machine", "tests", "stacks", "lenet5", "cnn", "run", "forensics", "repeat", "summary"
    ]  # fmt: skip
    statuses = {step: entry["status"] for step, entry in entries.items()}
    expected = dict.fromkeys(entries, "finished")
    if absent:  # a cell for each
        expected["forensics"] = "incomplete"
        assert f"{len(absent)} cells were not measured: " in first.stdout
    else:
        assert "missing: nothing" in first.stdout
    assert statuses == expected
    assert entries["lenet5"]["result"]["trials"] == 2
    assert entries["run"]["result"]["n_cells"] == 3
    assert entries["repeat"]["result"]["differing"] == {"three-layer-nn": [0, 0]}
    with tarfile.open(tmp_path / "out" / "archives" / "records-1.tar") as tar:
        assert any("/three-layer-nn/" in name for name in tar.getnames())
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == bool(absent)
    assert second.stdout.count("finished already") == len(entries) - bool(absent)
