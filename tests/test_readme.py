"""The README: short enough to read, and its notebook cell runs."""

import contextlib
import io
import re

import pytest

from fmbench.utils.environment import CHECKOUT

pytestmark = pytest.mark.slow

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_the_notebook_cell_of_the_readme_runs(monkeypatch):
    [cell] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(CHECKOUT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(cell, "README.md", "exec"), {})
    assert "claimed" in printed.getvalue()
    assert "contradictions in the paper's own figures" in printed.getvalue()


GUIDES = sorted(
    [
        *CHECKOUT.glob("*.md"),
        *(
            p
            for f in ("fmbench", "benchmarks", "results/reference")
            for p in (CHECKOUT / f).rglob("*.md")
        ),
    ]
)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_link_to_a_file_leads_to_one(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target


def test_every_command_that_the_readme_shows_exists():
    from fmbench.cli.main import cli

    shown = set(re.findall(r"^(?:\.venv/bin/)?fmbench ([a-z-]+)", README, re.M))
    assert shown and shown <= set(cli.commands)
