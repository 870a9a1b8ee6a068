"""Style, types, allowed imports, and a folder of tests for each package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LONGEST_FILES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fmbench"
BIN = Path(sys.executable).parent


@pytest.mark.slow  # `make check` runs the same tools itself
@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_ruff_and_mypy_find_nothing(command):
    result = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow  # `make check` runs it itself
def test_imports_keep_to_the_contracts_in_pyproject_toml():
    result = subprocess.run(
        [BIN / "lint-imports", "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


RUN_COMMAND = """
from fmbench.cli.main import main
try:
    main({arguments!r})
except SystemExit:
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["report", "--help"]])
def test_nothing_heavy_is_imported_to_list_or_help(arguments):
    heavy = {
        "numpy", "torch", "sklearn", "pandas", "scipy", "skimage", "joblib", "matplotlib", "jinja2",
        "numba", "llvmlite",
    }  # fmt: skip
    assert heavy & modules_loaded_by(RUN_COMMAND.format(arguments=arguments)) == set()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["table"], ["judge", "LeNet-5 reaches 98.80 %"]])
def test_commands_that_measure_nothing_load_no_library_that_trains(arguments):
    loaded = modules_loaded_by(RUN_COMMAND.format(arguments=arguments))
    assert "numpy" in loaded
    assert {"torch", "sklearn", "numba", "llvmlite"} & loaded == set()


@pytest.mark.slow
def test_import_fmbench_loads_no_library():
    loaded = modules_loaded_by("import fmbench")
    assert "fmbench" in loaded
    assert {"numpy", "torch", "pandas", "click", "sklearn", "scipy"} & loaded == set()


@pytest.mark.slow
def test_every_public_name_can_be_imported_from_fmbench():
    code = "import fmbench\nfor name in fmbench.__all__:\n    getattr(fmbench, name)\n"
    assert "fmbench.api" in modules_loaded_by(code)


def modules_loaded_by(code):
    """The names of all modules that a fresh Python has loaded after running ``code``."""
    code += "\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stderr.splitlines()[-1].split())


# The folders of fmbench that hold code of their own.
PACKAGES = sorted(
    {
        path.parent.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.glob("*/**/*.py")
        if path.name != "__init__.py"
    }
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_tests_in_the_folder_of_the_same_path(package):
    folder = ROOT / "tests" / package
    assert list(folder.glob("test_*.py")), f"{folder.relative_to(ROOT)} holds no test file"


def test_the_files_whose_tests_take_longest_are_there():
    assert [name for name in LONGEST_FILES if not (ROOT / "tests" / name).is_file()] == []


def test_package_files_hold_no_code_so_that_an_import_loads_one_module():
    for path in sorted(PACKAGE.rglob("__init__.py")):
        if path.parent.name in ("fmbench", "runners"):
            continue  # the public API, which loads lazily, and the search for recipes
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert [type(node) for node in body] in ([], [ast.Expr]), path.relative_to(ROOT)


def test_every_module_begins_with_a_docstring_that_says_what_it_does():
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text:
            docstring = ast.get_docstring(ast.parse(text)) or ""
            assert docstring and "TODO" not in docstring, path.relative_to(ROOT)
