"""What an installed fmbench contains; pinned versions and make targets agree with the files."""

import csv
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from itertools import chain
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUITES = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.toml")} - {"ladder"})
MEASURED = ("summary.json", "confusion.json")  # of each suite, in the reference


def build(target, folder):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A virtual environment with the wheel; the other libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build("wheel", folder)
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment, "--isolated", "install", "--quiet",
         "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    [site] = environment.glob("lib/python*/site-packages")
    # A path file adds a folder, but not what the path files in that folder add: no checkout.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


@pytest.fixture(scope="module")
def site(installation):
    """The folder in which an installation has put the package."""
    return next(installation.glob("lib/python*/site-packages"))


def run_installed(installation, folder, program, *arguments):
    """Run a program of an installation in ``folder``, which is empty and far from a checkout."""
    return subprocess.run(
        [installation / "bin" / program, *arguments], cwd=folder, capture_output=True, text=True,
        env={"PATH": "", "HOME": str(folder), "COLUMNS": "120"},
    )  # fmt: skip


COMMANDS = {
    "table": ["table", "--format", "csv"],
    "another table": ["table", "--suite", "xiao2017", "--format", "csv"],
    "list": ["list"],
    "check": ["check"],
    "show": ["show", "lenet5"],
    "suites": ["suite", "list"],
    "judge": ["judge", "LeNet-5 98.80 %"],
    "report": ["report", "-o", "page.html"],
    "figures": ["figures", "-o", "figures"],
}
ALL_COMMANDS = """
import contextlib, io, json, sys
from fmbench.cli.main import main

answers = {}
for name, arguments in json.loads(sys.argv[1]).items():
    output, messages, status = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(messages):
        try:
            main(arguments)
        except SystemExit as end:
            status = end.code or 0
        except Exception as error:
            status = repr(error)
    answers[name] = status, output.getvalue(), messages.getvalue()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(installation, tmp_path_factory):
    """What the commands answer, one after the other: status, output and messages."""
    folder = tmp_path_factory.mktemp("empty")
    result = run_installed(installation, folder, "python", "-c", ALL_COMMANDS, json.dumps(COMMANDS))
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout)


@pytest.mark.slow
def test_the_command_of_an_installation_runs_in_an_empty_folder(installation, tmp_path):
    result = run_installed(installation, tmp_path, "fmbench", "list", "--format", "csv")
    assert (result.returncode, result.stderr) == (0, "")
    assert "lenet5" in result.stdout


@pytest.mark.slow
def test_an_installation_answers_without_a_checkout(answers):
    folder, of_commands = answers
    statuses = {name: status for name, (status, _, _) in of_commands.items()}
    speaks_against = {"check", "judge"}  # of the paper, and of its claim
    assert statuses == {name: int(name in speaks_against) for name in COMMANDS}, of_commands
    for name, (_, output, messages) in of_commands.items():
        assert str(ROOT) not in output + messages, name
        assert "Traceback" not in messages, name
    for name, word in {
        "list": "lenet5", "check": "Table 3", "show": "Adamax", "judge": "not reproduced",
        "suites": "xiao2017",
    }.items():  # fmt: skip
        assert word in of_commands[name][1], name
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert (folder / "figures" / "dot-plot.svg").is_file()
    assert "</html>" in page and "prefers-color-scheme" in page and '"use strict"' in page


@pytest.mark.slow
def test_an_installation_has_the_verdicts_of_the_committed_run(answers):
    for name, least in (("table", 20), ("another table", 5)):
        rows = list(csv.DictReader(answers[1][name][1].splitlines()))
        assert len(rows) >= least
        assert {row["measured_by"] for row in rows if row["mean"]} == {"fmbench"}
    rows = csv.DictReader(answers[1]["table"][1].splitlines())
    [lenet5] = [row for row in rows if row["runner"] == "lenet5"]
    assert lenet5["mean"] == lenet5["reference"] != ""
    assert lenet5["verdict"].startswith("not reproduced, claim higher")


@pytest.mark.slow
def test_the_wheel_holds_the_package_with_its_data_files_and_nothing_else(site):
    added = {"libraries.pth", "__pycache__"}
    assert {path.name for path in site.iterdir()} - added == {
        "fmbench",
        f"fmbench-{PROJECT['version']}.dist-info",
    }
    package = ROOT / "fmbench"
    data_files = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    bundled = {f"_bundled/{name}.toml" for name in (*SUITES, "ladder")}
    bundled |= {f"_bundled/reference/{suite}/{file}" for suite in SUITES for file in MEASURED}
    assert {"py.typed", "suites/template.toml", "report/html/templates/report.css"} <= data_files
    folder = site / "fmbench"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert data_files | bundled <= found


@pytest.mark.slow
def test_the_source_distribution_holds_whatever_a_checkout_needs(tmp_path):
    build("sdist", tmp_path)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {str(PurePosixPath(*PurePosixPath(n).parts[1:])) for n in archive.getnames()}
    bundled = {f"results/reference/{suite}/{file}" for suite in SUITES for file in MEASURED}
    bundled |= {f"benchmarks/{name}.toml" for name in (*SUITES, "ladder")}
    documents = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE"}
    assert bundled | documents | {"Makefile", "constraints.txt", "fmbench/py.typed"} <= names
    assert {"tests/conftest.py", "fmbench/README.md", "benchmarks/README.md"} <= names
    assert not any(name.startswith("results/local") for name in names)


def test_every_suite_and_what_was_measured_for_it_are_declared_as_part_of_the_wheel():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    included = tool["hatch"]["build"]["targets"]["wheel"]["force-include"]
    names = {Path(path).stem for path in included if path.startswith("benchmarks/")}
    assert names == {*SUITES, "ladder"}
    for suite in SUITES:
        assert {f"results/reference/{suite}/{file}" for file in MEASURED} <= set(included)
    assert all((ROOT / path).is_file() for path in included)


def test_every_dependency_is_pinned_to_a_tested_version_in_its_range():
    from packaging.requirements import Requirement

    extras = PROJECT["optional-dependencies"].values()
    requirements = [Requirement(r) for r in chain(PROJECT["dependencies"], *extras)]
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.M))
    assert pins["torch"] == "2.13.0"
    for requirement in requirements:
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_changelog_and_citation_name_the_version_of_the_package():
    version = PROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([^]]+)\]", changelog, re.M)
    assert newest is not None and newest[1] == version
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.M)[1] == version


def test_the_readme_names_only_make_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", readme, re.M))
    assert named
    assert {word for pair in named for word in pair if word} <= targets


def test_make_alone_prints_what_every_target_is_for():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    result = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    printed = re.findall(r"^make (\w+) +\S", result.stdout, re.M)
    assert printed == re.findall(r"^([a-z]+):", makefile, re.M)


GUIDES = [
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "benchmarks").rglob("*.md")),
        *sorted((ROOT / "fmbench").rglob("*.md")),
        ROOT / "results" / "reference" / "README.md",
    )
]


@pytest.mark.parametrize("guide", GUIDES)
def test_guides_name_only_files_functions_and_classes_that_exist(guide):
    path = ROOT / guide
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    paths = re.findall(r"`((?:fmbench|tests|benchmarks|results/reference|\.ci)/[\w./-]*)`", text)
    for name in links:
        assert (path.parent / name).exists(), f"{guide} links to {name}"
    for name in paths:
        if "NAME" not in name:
            assert (ROOT / name).exists(), f"{guide} names {name}"
    for word, name in re.findall(r"`(\w+)`\s+in\s+`(fmbench/[\w./]+\.py)`", text):
        code = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {word}\b|^{word}\b.* = ", code, re.M), f"{guide}: {word}"
