"""What an installed fmbench contains; pinned versions and make targets agree with the files."""

import csv
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
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
def installed(tmp_path_factory):
    """A folder with the unpacked wheel, as an installation creates it."""
    folder = tmp_path_factory.mktemp("wheel")
    build("wheel", folder)
    site = folder / "site"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def run_installed(code, installed, folder):
    """Run ``code`` in ``folder`` with the installed package, outside any checkout."""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
        env={"PYTHONPATH": str(installed), "PATH": "", "HOME": str(folder)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.slow
def test_an_installed_fmbench_finds_its_suite_and_the_reference_results(installed, tmp_path):
    code = (
        "import sys, fmbench\n"
        "from fmbench.cli.main import main\n"
        "print(fmbench.load_suite().path, file=sys.stderr)\n"
        "main(['table', '--format', 'csv'])\n"
    )
    result = run_installed(code, installed, tmp_path)
    assert str(installed) in result.stderr
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert len(rows) >= 20
    assert {row["measured_by"] for row in rows if row["mean"]} == {"fmbench"}
    [lenet5] = [row for row in rows if row["runner"] == "lenet5"]
    assert lenet5["mean"] == lenet5["reference"] != ""
    assert lenet5["verdict"].startswith("not reproduced, claim higher")


@pytest.mark.slow
def test_an_installed_fmbench_can_write_the_page_and_the_figures(installed, tmp_path):
    code = (
        "from fmbench.cli.main import cli\n"
        "for arguments in (['report', '-o', 'page.html'], ['figures', '-o', 'figures']):\n"
        "    try:\n"
        "        cli.main(arguments, standalone_mode=False)\n"
        "    except SystemExit as end:\n"
        "        assert not end.code\n"
    )
    result = run_installed(code, installed, tmp_path)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["dot-plot.svg"]
    assert "run `fmbench run lenet5`" in result.stderr
    assert "</html>" in page and "prefers-color-scheme" in page and '"use strict"' in page


@pytest.mark.slow
def test_the_wheel_holds_the_package_with_its_data_files_and_nothing_else(installed):
    assert {path.name for path in installed.iterdir()} == {
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
    folder = installed / "fmbench"
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
