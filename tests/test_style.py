import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command", ["ruff check .", "ruff format --check .", "mypy"], ids=lambda c: c.split()[0]
)
def test_style_and_types(command):
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imports_of(path):
    """Modules of fmbench that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "fmbench":
                found |= {alias.name for alias in node.names}
            elif node.module.startswith("fmbench."):
                found.add(node.module.split(".")[1])
    return found


def test_modules_import_each_other_in_one_direction_only():
    modules = {p.stem: imports_of(p) for p in (ROOT / "fmbench").glob("*.py")}
    modules["cli"] = set().union(*map(imports_of, (ROOT / "fmbench" / "cli").glob("*.py"))) - {
        "cli"
    }
    order = []
    while modules:
        free = sorted(name for name, wanted in modules.items() if not wanted & set(modules))
        assert free, f"circular imports among {sorted(modules)}"
        order += free
        for name in free:
            del modules[name]
    assert order[-1] == "__main__"


def test_the_measuring_half_never_sees_a_claim():
    measuring = ("datasets", "registry", "cells", "features", "networks", "training", "harness")
    judging = {"suites", "summary", "tables", "results", "metrics"}
    files = [ROOT / "fmbench" / f"{name}.py" for name in (*measuring, "records", "execution")]
    for path in [*files, *(ROOT / "fmbench" / "runners").glob("*.py")]:
        assert not imports_of(path) & judging, path.name


def test_no_runner_reaches_the_data():
    for path in (ROOT / "fmbench" / "runners").glob("*.py"):
        assert not imports_of(path) & {"datasets", "downloads", "harness", "records"}, path.name


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["report", "--help"]])
def test_nothing_heavy_is_imported_to_list_or_help(arguments):
    code = (
        "import sys\n"
        "from fmbench.cli.main import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    heavy = {'numpy', 'torch', 'sklearn', 'pandas', 'scipy', 'skimage', 'joblib',\n"
        "             'matplotlib', 'jinja2'}\n"
        "    print(heavy & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
