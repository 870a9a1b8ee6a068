import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's content in a folder of its own, as an installation would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    site = folder / "site"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def test_an_installed_fmbench_finds_its_suite_and_the_reference_results(installed, tmp_path):
    code = (
        "import sys; from fmbench import suites, summary, cli\n"
        "print(suites.find(), len(suites.read().rows), sorted(summary.reference().rows))\n"
        "cli.main(['table', '--format', 'csv'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(installed), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout
    assert done.stdout.count("not run") >= 15


def test_an_installed_fmbench_has_what_the_report_is_made_of(installed, tmp_path):
    code = (
        "from fmbench.cli.main import cli\n"
        "for arguments in (['report', '-o', 'page.html'], ['figures', '-o', 'figures']):\n"
        "    try:\n"
        "        cli.main(arguments, standalone_mode=False)\n"
        "    except SystemExit as end:\n"
        "        assert not end.code\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(installed), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["dot-plot.svg"]
    assert "left out figure-5: no record: run `fmbench run lenet5`" in done.stderr
    assert "</html>" in page and "prefers-color-scheme" in page and '"use strict"' in page


def test_the_wheel_holds_the_package_and_nothing_else(installed):
    tops = {path.name for path in installed.iterdir()}
    assert tops == {"fmbench", f"fmbench-{version()}.dist-info"}


def version():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_every_dependency_is_pinned_to_a_tested_version_in_its_range():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [Requirement(r) for r in chain(project["dependencies"], *extras)]
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / "constraints.txt").read_text(), re.M))
    assert pins["torch"] == "2.13.0"
    for requirement in wanted:
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_the_readme_shows_the_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    shown = set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.M))
    assert shown == {"reproduce", "test", "quick"} <= targets
