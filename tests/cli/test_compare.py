"""`fmbench compare --against`: the same rows in two results folders, from the committed records."""

import json

import pytest
from click.testing import CliRunner

from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.utils.environment import CHECKOUT

REFERENCE, GPU = (CHECKOUT / "results" / name for name in ("reference", "gpu"))


def run(*arguments):
    words = ["compare", "--results", str(REFERENCE), *map(str, arguments)]
    return CliRunner().invoke(cli, words)


def test_rows_on_two_machines_are_compared(source):
    done = run("--against", GPU, "lenet5", "eden", "--format", "json", "--data", source.folder)
    assert done.exit_code == 0, done.output
    rows = {row["runner"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"lenet5", "eden"}
    for row in rows.values():
        assert row["inside"] == "yes"
        assert row["low"] <= row["against"] <= row["high"]
        assert row["against_fit_seconds"] < row["fit_seconds"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gaussian-nb", "--against", GPU), "gaussian-nb is not measured in both"),
        (("--all", "--against", GPU), "--against compares rows with themselves"),
        (("lenet5", "--against", GPU / "nowhere"), "does not exist"),
        (("lenet5", "--against", GPU, "--quick"), "lenet5 is not measured in both"),
    ],
)
def test_what_cannot_be_compared_is_one_line(source, arguments, told):
    done = run(*arguments, "--data", source.folder)
    assert isinstance(done.exception, UserError | SystemExit)  # both become one line and status 2
    assert told in f"{done.output} {done.exception}"
