"""The options that commands share: `--format`, `-o`, `--results`, and completion in a shell."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from fmbench.cli.main import cli
from fmbench.report.commands import build_commands
from fmbench.suites.reader import read_suite
from fmbench.utils.environment import CHECKOUT
from tests.helpers.commands import call_fmbench

REPORTS = {"figures", "report"}  # they write pictures and a page
WITHOUT_OUTPUT = {*REPORTS, "watch", "suite", "new", "results"}


def options_of(command):
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("name", sorted(set(cli.commands) - WITHOUT_OUTPUT))
def test_every_command_that_prints_a_result_has_the_same_formats(name):
    command = cli.commands[name]
    assert {"--format", "-o", "--output"} <= options_of(command)
    [format_] = [parameter for parameter in command.params if "--format" in parameter.opts]
    assert {"text", "md", "csv", "json", "tex", "html"} <= set(format_.type.choices)


# `judge` without --results takes fmbench's own measurements.
@pytest.mark.parametrize("name", sorted(set(cli.commands) - {"judge"}))
def test_every_results_folder_has_the_default_of_the_environment(name):
    commands = [cli.commands[name]]
    commands += getattr(commands[0], "commands", {}).values()
    for command in commands:
        for parameter in command.params:
            if "--results" in parameter.opts:
                assert parameter.envvar == "FMBENCH_RESULTS"
                assert "FMBENCH_RESULTS" in command.get_help(click.Context(command))


def test_the_variable_names_the_results_folder_and_is_named_in_an_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FMBENCH_RESULTS", str(tmp_path / "file"))
    done = call_fmbench("list", "lenet5")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--results" in done.stderr and "FMBENCH_RESULTS" in done.stderr
    monkeypatch.setenv("FMBENCH_RESULTS", str(tmp_path / "none"))
    done = call_fmbench("verify")
    assert (done.returncode, f"no results folder {tmp_path / 'none'}" in done.stderr) == (2, True)
    assert call_fmbench("list", "lenet5", "--results", tmp_path).returncode == 0


def test_commands_in_messages_name_the_folder_that_is_not_the_default(monkeypatch, tmp_path):
    suite, folder = read_suite(), tmp_path / "mine"
    monkeypatch.delenv("FMBENCH_RESULTS", raising=False)
    assert build_commands(folder, suite).run("--all").endswith(f"--results {folder}")
    monkeypatch.setenv("FMBENCH_RESULTS", str(folder))
    assert build_commands(folder, suite).run("--all") == "fmbench run --all"


def test_the_ending_of_the_file_says_the_format(tmp_path):
    for ending, begins in (("json", "["), ("csv", "name,"), ("md", "# "), ("html", "<!doctype")):
        file = tmp_path / f"suites.{ending}"
        assert call_fmbench("suite", "list", "-o", file).returncode == 0
        assert file.read_text(encoding="utf-8").startswith(begins)
    done = call_fmbench("suite", "list", "-o", tmp_path / "no" / "file.md")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_json_and_its_short_flag_are_the_same(tmp_path):
    (tmp_path / "records").mkdir()
    common = ("verify", "--results", tmp_path)
    first, second = (call_fmbench(*common, *flag) for flag in (["--json"], ["--format", "json"]))
    assert first.stdout == second.stdout
    assert json.loads(first.stdout) == {"records": [], "tables": []}
    done = call_fmbench(*common, "--json", "--format", "md")
    assert (done.returncode, "give --json or --format md, not both" in done.stderr) == (2, True)


# ---------------------------------------------------------------- completion


def complete(*words):
    """What a shell offers for the last of these words."""
    *before, last = words
    found = ShellComplete(cli, {}, "fmbench", "_FMBENCH_COMPLETE").get_completions(before, last)
    return [item.value if item.type == "plain" else item.type for item in found]


@pytest.mark.parametrize(
    "command", ["run", "show", "list", "table", "compare", "verify", "check-runner", "forensics"]
)
def test_names_of_runners_are_completed(command):
    assert complete(command, "lenet") == ["lenet5", "lenet5-section3", "lenet5-section4"]
    assert complete(command, "K") == ["KNeighborsClassifier"]
    assert complete(command, "./my_mod") == ["file"]


def test_suites_data_sets_and_commands_are_completed():
    assert complete("run", "--suite", "xi") == ["xiao2017", "file"]
    assert complete("data", "fa") == ["fashion-mnist", "fashion-mnist-first-release"]
    assert complete("suite", "") == ["import", "list", "new"]
    assert complete("chec") == ["check", "check-runner"]
    assert complete("list", "--format", "m") == ["md"]


def test_no_completion_has_a_space():
    assert not any(" " in word for word in complete("run", ""))


@pytest.mark.slow
def test_bash_completes_the_name_of_a_runner():
    script = (
        f'PATH={Path(sys.executable).parent}:$PATH; eval "$(_FMBENCH_COMPLETE=bash_source fmbench)"'
        "; COMP_WORDS=(fmbench show lenet5-); COMP_CWORD=2; _fmbench_completion fmbench"
        '; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("lenet5-section3 lenet5-section4\n", "")


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("group", [(), ("suite",), ("results",)])
def test_the_list_of_commands_describes_each_in_one_whole_line(group, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    commands = cli.commands[group[0]].commands if group else cli.commands
    shown = call_fmbench(*group, "--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in shown.splitlines()] == sorted(commands)
    assert all(line.endswith((".", "?")) and "..." not in line for line in shown.splitlines())


# ---------------------------------------------------------------- examples


def list_examples():
    """Every command line that a help text shows as an example."""
    for command in [cli, *cli.commands.values()]:
        for each in [command, *getattr(command, "commands", {}).values()]:
            _, _, examples = (each.epilog or "").partition(": ")
            yield from (example.rpartition("| ")[2] for example in examples.split("; "))


@pytest.mark.parametrize("line", sorted(set(list_examples()) - {""}))
def test_every_example_of_a_help_text_can_be_typed_as_it_stands(line, monkeypatch):
    monkeypatch.chdir(CHECKOUT)  # one names results/gpu
    _, *words = shlex.split(line.partition(" > ")[0])
    with cli.make_context("fmbench", words) as context:
        command, rest = cli, words
        while isinstance(command, click.Group) and rest:
            _, command, rest = command.resolve_command(context, rest)
        command.make_context(command.name, rest)  # refuses unknown options and bad values
