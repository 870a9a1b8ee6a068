"""The code of a plug-in is found and identified without running it."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from fmbench import runners
from fmbench.cli.main import cli
from fmbench.errors import UserError
from fmbench.plugins import code
from fmbench.plugins.model_spec import ModelSpec, parse_model_spec
from tests.plugins.conftest import MODEL


@pytest.mark.slow
def test_an_entry_point_is_a_runner_by_its_name(tmp_path, monkeypatch, runner_of):
    (tmp_path / "their_models.py").write_text(MODEL)
    info = tmp_path / "their_models-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.5\n")
    (info / "RECORD").write_text("their_models.py,,\n")
    (info / "entry_points.txt").write_text(
        "[fmbench.runners]\ntheir-tree = their_models:make_model\nlenet5 = their_models:raises\n"
        "../up = their_models:raises\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    code.find_entry_points.cache_clear()
    try:
        assert set(code.find_entry_points()) == {"their-tree"}
        runner = runner_of("their-tree")
        assert (runner.name, runner.source) == ("their-tree", "their-models 1.5")
        listed = CliRunner().invoke(cli, ["list", "their-tree"])
        assert "installed: their_models:make_model" in listed.stdout
        assert runner_of("lenet5") is runners.get_runner("lenet5")
    finally:
        code.find_entry_points.cache_clear()


def test_two_files_with_the_same_text_each_register_their_own_runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(MODEL)
        found = code.find_code(ModelSpec(f"./{name}:registered"))
        runner = found.find_registered_runner(found.load())
        assert (runner.name, runner.title) == ("theirs", "Theirs")


def test_files_of_one_name_in_two_folders_are_two_runners_and_two_modules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, modules = [], []
    for folder in (".", "one", "two", str(tmp_path.parent)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "model.py").write_text("class Model: pass\n")
        found = code.find_code(parse_model_spec(f"{folder}/model.py:Model"))
        names.append(found.name)
        modules.append(found.load().__module__)
        assert sys.modules[modules[-1]].Model is found.load()
    assert names[0] == "model.py-Model" and len(set(names)) == 4
    assert len(set(modules)) == 4
    same = code.find_code(parse_model_spec(f"{tmp_path}/one/../one/model.py:Model"))
    assert same.name == names[1]  # however the user writes the folder


def test_a_file_that_does_not_load_leaves_no_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("raise ValueError('never')\n")
    before = set(sys.modules)
    with pytest.raises(UserError, match="never"):
        code.find_code(ModelSpec("./broken.py:f")).load()
    assert set(sys.modules) == before


def test_finding_the_code_of_a_file_does_not_run_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ruins.py").write_text("raise SystemExit('this code was run')\n")
    found = code.find_code(ModelSpec("./ruins.py:make"))
    assert found.local_source == found.source
    with pytest.raises(UserError, match=r"SystemExit: this code was run \(line 1\)"):
        found.load()
