"""Folders are searched in a fixed order, and a wrong folder that the user names is an error."""

import pytest

from fmbench.datasets import download, locate
from fmbench.datasets.locate import find_other_datasets, locate_dataset
from fmbench.datasets.specs import TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from fmbench.errors import UserError
from tests.helpers.small_datasets import DIGITS, FASHION, JAPANESE, write_packed, write_unpacked


@pytest.fixture
def no_fetch(monkeypatch):
    """Make the test fail if it fetches anything."""

    def fetch(spec, folder):
        raise AssertionError("nothing was to be fetched")

    monkeypatch.setattr(download, "fetch", fetch)


@pytest.fixture
def unreachable(monkeypatch):
    """Make every download fail, as without a network."""

    def fetch(spec, folder):
        raise UserError(f"{spec.title} could not be fetched")

    monkeypatch.setattr(download, "fetch", fetch)


@pytest.fixture
def messages(monkeypatch):
    """The lines that are logged for the user."""
    lines = []
    monkeypatch.setattr(locate.logger, "warning", lambda text, *parts: lines.append(text % parts))
    return lines


def test_folders_are_searched_in_order_and_the_first_with_all_files_is_used(
    spec, tmp_path, monkeypatch
):
    monkeypatch.setattr(download, "fetch", lambda spec, folder: f"fetched to {folder}")
    given, in_environment = tmp_path / "given", tmp_path / "environment"
    cache, debian = locate.cache_folder(spec), spec.debian_folder
    for folder in (given, in_environment, cache, debian):
        write_packed(FASHION, folder)
    monkeypatch.setenv("FMBENCH_DATA", str(in_environment))
    assert locate_dataset(spec, given, fetch=True).folder == given
    assert locate_dataset(spec, fetch=True).folder == in_environment
    monkeypatch.setenv("FMBENCH_DATA", "")
    assert locate_dataset(spec, fetch=True).folder == cache
    (cache / f"{TEST_LABELS}.gz").unlink()
    assert locate_dataset(spec, fetch=True).folder == debian
    (debian / f"{TEST_LABELS}.gz").unlink()
    fetched = locate_dataset(spec, fetch=True)
    assert (fetched.folder, fetched.origin) == (cache, f"fetched to {cache}")


@pytest.mark.parametrize("option", ["--data DIR", "$FMBENCH_DATA"])
def test_a_wrong_folder_is_an_error_even_if_the_cache_has_the_data(
    spec, tmp_path, monkeypatch, refusal, no_fetch, option
):
    write_packed(FASHION, locate.cache_folder(spec))

    def locate_in(folder):
        if option == "--data DIR":
            return locate_dataset(spec, folder, fetch=True)
        monkeypatch.setenv("FMBENCH_DATA", str(folder))
        return locate_dataset(spec, fetch=True)

    (tmp_path / "file").touch()
    for folder in (tmp_path / "nowhere", tmp_path / "file"):
        message = refusal(lambda folder=folder: locate_in(folder))
        assert message.startswith(f"{option}: {folder} is not a folder")
    assert message.endswith(f"but a file: name its folder, {tmp_path}")
    incomplete = write_packed({TRAIN_IMAGES: FASHION[TRAIN_IMAGES]}, tmp_path / "incomplete")
    message = refusal(lambda: locate_in(incomplete))
    named = "$FMBENCH_DATA: " if option == "$FMBENCH_DATA" else ""
    told = f"{named}{incomplete} holds no {TRAIN_LABELS}.gz: install the package"
    assert message.startswith(told)


def test_if_no_folder_has_the_data_the_message_names_the_command_to_run(spec, kmnist, refusal):
    message = refusal(lambda: locate_dataset(spec))
    assert "run `fmbench data` to fetch one" in message
    assert "--data DIR" in message
    message = refusal(lambda: locate_dataset(kmnist))
    assert "run `fmbench data kmnist` to fetch one" in message
    assert "--data kmnist=DIR" in message


def test_the_digits_are_not_searched_in_the_folders_of_fashion_mnist(
    digits, tmp_path, monkeypatch, refusal
):
    monkeypatch.setenv("FMBENCH_DATA", str(write_packed(FASHION, tmp_path / "debian")))
    assert "this machine has no copy" in refusal(lambda: locate_dataset(digits))


def test_an_unpacked_file_in_the_cache_is_ignored_if_it_cannot_be_checked(kmnist, refusal):
    write_unpacked(JAPANESE, locate.cache_folder(kmnist))
    assert "this machine has no copy" in refusal(lambda: locate_dataset(kmnist))


# ------------------------------------ the data sets besides the default one


def test_data_sets_that_are_needed_or_named_by_the_user_are_found(spec, tmp_path, no_fetch):
    write_packed(DIGITS, tmp_path / "cache" / "mnist")
    named = write_packed(JAPANESE, tmp_path / "japanese")
    found = find_other_datasets(["fashion-mnist", "mnist"], {"kmnist": named}, fetch=True)
    assert {name: located.folder for name, located in found.items()} == {
        "kmnist": named, "mnist": tmp_path / "cache" / "mnist",
    }  # fmt: skip


def test_data_sets_that_are_not_needed_are_not_searched(spec, no_fetch):
    assert find_other_datasets(["fashion-mnist"], {}, fetch=True) == {}


@pytest.mark.parametrize("fetch", [True, False])
def test_a_needed_data_set_that_is_not_found_is_left_out_with_one_line(
    spec, unreachable, messages, fetch
):
    assert find_other_datasets(["mnist"], {}, fetch=fetch) == {}
    [message] = messages
    reason = "could not be fetched" if fetch else "this machine has no copy"
    assert message.startswith("left out what needs the MNIST handwritten digits, because ")
    assert reason in message


def test_a_needed_data_set_that_is_not_genuine_is_left_out(spec, tmp_path, messages):
    write_packed(FASHION, tmp_path / "cache" / "mnist")
    assert find_other_datasets(["mnist"], {}, fetch=False, consequence="no labels of") == {}
    [message] = messages
    assert message.startswith("no labels of the MNIST handwritten digits, because ")
    assert "holds Fashion-MNIST" in message


def test_a_wrong_folder_that_the_user_names_is_an_error(spec, tmp_path, refusal):
    write_packed(DIGITS, tmp_path / "cache" / "mnist")
    wrong = write_packed(FASHION, tmp_path / "clothes")
    message = refusal(lambda: find_other_datasets([], {"mnist": wrong}, fetch=False))
    assert "holds Fashion-MNIST, not the MNIST handwritten digits" in message
    message = refusal(lambda: find_other_datasets([], {"mnist": tmp_path / "no"}, fetch=False))
    assert message == f"--data mnist=DIR: {tmp_path / 'no'} is not a folder"
    message = refusal(lambda: locate.check_folders({"mnist": tmp_path / "no"}))
    assert message == f"--data mnist=DIR: {tmp_path / 'no'} is not a folder"


@pytest.mark.parametrize("error", [RuntimeError("no home"), PermissionError(13, "not theirs")])
def test_a_home_folder_that_is_missing_or_hidden_has_no_files_of_keras(
    spec, no_fetch, monkeypatch, error
):
    def fail():
        raise error

    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr(locate.Path, "home", fail)
    with pytest.raises(UserError, match="this machine has no copy of Fashion-MNIST"):
        locate_dataset(spec)
