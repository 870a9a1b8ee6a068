"""The options that name folders of data sets, and `fmbench data`."""

import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest

from fmbench.cli import options
from fmbench.cli.main import main
from fmbench.datasets import loading, locate, specs
from fmbench.datasets.specs import DATASETS
from tests.helpers.layout import VERY_WIDE
from tests.helpers.small_datasets import FASHION, JAPANESE, compute_checksums, pack, write_packed


@pytest.fixture
def parse():
    """``parse(*arguments)``: the folders that a command with these arguments gets."""

    @click.command()
    @options.data
    def command(data):
        return data

    return lambda *arguments: command.main(list(arguments), standalone_mode=False)


@pytest.fixture
def run(capsys):
    """``run(*arguments)``: exit status, stdout and stderr of a command of fmbench."""

    def run_command(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return stop.value.code, *capsys.readouterr()

    return run_command


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Fashion-MNIST and KMNIST with a few images, and a folder of the files of each."""
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FMBENCH_DATA", raising=False)
    for spec in (
        replace(specs.FASHION_MNIST, sha256=compute_checksums(FASHION), debian_folder=None),
        replace(specs.KMNIST, sha256_gz=compute_checksums(pack(JAPANESE))),
    ):
        monkeypatch.setitem(DATASETS, spec.name, spec)
    return (
        write_packed(FASHION, tmp_path / "clothes"),
        write_packed(JAPANESE, tmp_path / "characters"),
    )


def test_a_folder_without_a_name_is_that_of_the_default_data_set(parse):
    assert parse() == {}
    assert parse("--data", "some/folder") == {"fashion-mnist": Path("some/folder")}


def test_a_name_says_which_data_set_a_folder_is_of(parse):
    assert parse("--data", "clothes", "--data", "kmnist=japanese", "--data", "mnist=d") == {
        "fashion-mnist": Path("clothes"), "kmnist": Path("japanese"), "mnist": Path("d"),
    }  # fmt: skip
    assert parse("--data", "fashion-mnist=x=y") == {"fashion-mnist": Path("x=y")}


def test_digits_is_another_way_to_name_the_folder_of_mnist(parse):
    assert parse("--digits", "d") == parse("--data", "mnist=d") == {"mnist": Path("d")}


def test_a_folder_whose_name_contains_an_equals_sign_is_a_folder(parse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mnist=old", "size=28"):
        Path(name).mkdir()
        assert parse("--data", name) == {"fashion-mnist": Path(name)}
    assert parse("--data", "./size=29") == {"fashion-mnist": Path("size=29")}


def test_a_home_folder_is_found_behind_a_name(parse, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert parse("--data", "mnist=~/digits") == {"mnist": Path("/home/somebody/digits")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "kmnits=folder"], "unknown data set 'kmnits': did you mean kmnist"),
        (["--data", "flowers=folder"], "Known names: fashion-mnist, mnist, kmnist"),
        (["--data", ""], "the path is empty"),
        (["--data", "mnist="], "the path is empty"),
        (["--digits", " "], "the path is empty"),
        (["--data", "a", "--data", "b"], "--data: two folders of fashion-mnist, a and b"),
        (["--data", "mnist=a", "--digits", "b"], "--data: two folders of mnist, a and b"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_data_options_are_refused_in_one_line(run, arguments, message):
    status, out, err = run("data", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("fmbench: error: ") and err.count("\n") == 1


def test_data_describes_the_data_set_that_is_named(run, small, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(VERY_WIDE))  # the name of a folder may be long
    clothes, characters = small
    status, out, _ = run("data", "--data", clothes)
    assert status == 0
    printed = " ".join(out.split())
    assert printed.startswith(f"Fashion-MNIST: {clothes} found in: the folder given by --data DIR")
    assert "- train: X uint8 (6, 28, 28), y uint8 (6,)" in printed
    for arguments in (["kmnist"], []):
        where = ("--data", f"kmnist={characters}", "--format", "json")
        status, out, _ = run("data", *arguments, *where)
        described = json.loads(out)
        assert (status, described["title"]) == (0, "Kuzushiji-MNIST")
        assert described["folder"] == str(characters)
        assert described["files"][3] == {
            "file": "t10k-labels-idx1-ubyte.gz", "state": "genuine", "path": None,
            "sha256": DATASETS["kmnist"].sha256_gz[specs.TEST_LABELS],
        }  # fmt: skip
        assert described["test"]["X"] == {"dtype": "uint8", "shape": [4, 28, 28]}
        assert "tsu" in [entry["class"] for entry in described["classes"]]


def test_data_describes_an_archive_that_was_converted(run, small, monkeypatch, tmp_path):
    spec = replace(DATASETS["fashion-mnist"], n_train=6, n_per_class=(1,) * 4 + (0,) * 6)
    monkeypatch.setitem(DATASETS, spec.name, spec)
    arrays = loading.load_dataset(specs.LocatedDataset(spec, small[0], ""))
    names = ("X_train", "y_train", "X_test", "y_test")
    path = tmp_path / "fashion.npz"
    np.savez(path, **{name.lower(): getattr(arrays, name) for name in names})
    status, out, _ = run("data", "--data", path, "--format", "json")
    assert status == 0
    described = json.loads(out)
    assert described["folder"].startswith(f"{tmp_path / 'cache' / 'converted'}/fashion-mnist-")
    assert described["origin"] == (
        f"a NumPy archive given by --data DIR, {path}; converted to IDX files"
    )
    assert [file["state"] for file in described["files"]] == ["genuine"] * 4


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_files_and_counts_and_a_checksum_only_where_it_fits(
    view, small, width, monkeypatch
):
    monkeypatch.chdir(small[0])
    # The folder of the tests may have a name that is longer than a line.
    here = specs.LocatedDataset(DATASETS["fashion-mnist"], Path(), "the folder given by --data DIR")
    monkeypatch.setattr(locate, "locate_dataset", lambda *_, **__: here)
    lines = view(width, "data", "--data", ".")
    assert sum("genuine" in line.split() for line in lines) == 4
    sha256 = DATASETS["fashion-mnist"].sha256[specs.TEST_LABELS]
    assert (sha256 in " ".join(lines)) == (width >= 120)
    assert lines[-1] == "4 files, all genuine; 6 training and 4 test images of 10 classes"


def test_data_refuses_the_folder_of_another_data_set(run, small):
    status, out, err = run("data", "kmnist", "--data", small[0])
    assert (status, out) == (2, "")
    assert "looks only for Kuzushiji-MNIST here: name its folder with --data kmnist=DIR" in err
    _, _, err = run("data", "--data", f"kmnist={small[0]}", "--data", f"mnist={small[0]}")
    assert err.endswith("name its folder with --data kmnist=DIR, and no other folder\n")


def test_the_help_of_data_lists_every_data_set(run):
    _, out, _ = run("data", "--help")
    assert all(name in out for name in DATASETS)
