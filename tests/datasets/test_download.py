"""Fetched files are checked before they are kept, and a failure says why and what to do."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench.datasets import download, loading
from fmbench.datasets.locate import locate_dataset
from fmbench.datasets.specs import FASHION_MNIST, FILES
from tests.helpers.small_datasets import DIGITS, FASHION, JAPANESE, pack, write_packed


@pytest.fixture
def web(monkeypatch):
    """``web[url]``: what a server gives for it; other addresses cannot be reached."""
    import pooch
    import requests

    contents = {}

    def retrieve(url, known_hash, name, folder, downloader):
        if url not in contents:
            raise requests.ConnectionError("Failed to resolve the name")
        (Path(folder) / name).write_bytes(contents[url])

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return contents


@pytest.fixture
def apt(monkeypatch):
    """``apt["files"]``: what the Debian package holds; without it, no mirror answers."""
    contents = {}

    def download_package(spec, folder):
        if "files" not in contents:
            raise download._UnreachableError("Debian package: no mirror")
        write_packed(contents["files"], folder)
        return "a package"

    monkeypatch.setattr(download, "_download_debian_package", download_package)
    return contents


def serve(web, url, files):
    web |= {f"{url}{name}.gz": content for name, content in pack(files).items()}


def test_fetched_files_are_checked_and_nothing_else_is_left(spec, web, apt):
    serve(web, spec.urls[0], FASHION)
    found = locate_dataset(spec, fetch=True)
    assert found.origin == f"the published files, {spec.urls[0]}"
    loading.verify_files(spec, found.folder)
    assert [path.name for path in found.folder.parent.iterdir()] == [spec.name]
    assert sorted(path.name for path in found.folder.iterdir()) == sorted(f"{n}.gz" for n in FILES)


def test_the_urls_are_tried_in_order_until_one_gives_the_genuine_files(spec, web, apt, tmp_path):
    serve(web, spec.urls[0], DIGITS)
    serve(web, spec.urls[1], FASHION)
    assert download.fetch(spec, tmp_path / "cache") == f"the published files, {spec.urls[1]}"
    loading.verify_files(spec, tmp_path / "cache")


def test_a_server_with_a_wrong_file_is_named(spec, web, apt, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(download.logger, "warning", lambda text, *parts: lines.append(text % parts))
    serve(web, spec.urls[0], DIGITS)
    serve(web, spec.urls[1], {**FASHION, FILES[0]: DIGITS[FILES[0]]})
    serve(web, spec.urls[2], FASHION)
    assert download.fetch(spec, tmp_path / "cache") == f"the published files, {spec.urls[2]}"
    assert lines == [
        f"{spec.urls[0]}{FILES[-1]}.gz: not the genuine file; it is not used",
        f"{spec.urls[1]}{FILES[0]}.gz: not the genuine file; it is not used",
    ]


def test_a_download_without_end_is_stopped(spec, apt, tmp_path, monkeypatch, refusal):
    import pooch

    def retrieve(url, known_hash, name, folder, downloader):
        while True:
            downloader.progressbar.update(2**20)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    message = refusal(lambda: download.fetch(spec, tmp_path / "parent" / "cache"))
    assert f"{spec.urls[0]}{FILES[-1]}.gz: larger than the genuine file" in message
    assert list((tmp_path / "parent").iterdir()) == []


def test_a_server_with_only_some_of_the_files_is_skipped(spec, web, apt, tmp_path):
    serve(web, spec.urls[0], dict(list(DIGITS.items())[:3]))
    apt["files"] = FASHION
    assert download.fetch(spec, tmp_path / "cache") == "a package"
    loading.verify_files(spec, tmp_path / "cache")


def test_files_whose_packed_checksums_are_known_are_fetched_as_well(kmnist, web, tmp_path):
    serve(web, kmnist.urls[0], JAPANESE)
    download.fetch(kmnist, tmp_path / "cache")
    loading.verify_files(kmnist, tmp_path / "cache")


def test_files_with_names_of_their_own_are_fetched(spec, web, tmp_path):
    names = {name: f"clothes-{name}" for name in FILES}
    spec = replace(spec, file_names=names)
    serve(web, spec.urls[0], {names[name]: content for name, content in FASHION.items()})
    download.fetch(spec, tmp_path / "cache")
    loading.verify_files(spec, tmp_path / "cache")


def test_if_no_server_has_the_genuine_files_nothing_is_kept(spec, web, apt, tmp_path, refusal):
    serve(web, spec.urls[0], DIGITS)
    apt["files"] = DIGITS
    message = refusal(lambda: download.fetch(spec, tmp_path / "parent" / "cache"))
    assert f"{spec.urls[0]}{FILES[-1]}.gz: not the genuine file" in message
    assert "a package: not the genuine files" in message
    assert list((tmp_path / "parent").iterdir()) == []


def test_an_interrupted_fetch_leaves_nothing(spec, tmp_path, monkeypatch):
    def interrupted(spec, url, folder):
        write_packed(dict(list(FASHION.items())[:2]), folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_download_files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.fetch(spec, tmp_path / "parent" / "cache")
    assert list((tmp_path / "parent").iterdir()) == []


def test_if_no_server_answers_one_line_says_why_and_what_to_do(
    spec, kmnist, web, monkeypatch, refusal
):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = refusal(lambda: locate_dataset(spec, fetch=True))
    for url in spec.urls:
        assert f"{url}: ConnectionError (no network?)" in message
    assert "Debian package: this machine has no apt-get" in message
    assert "install the package dataset-fashion-mnist" in message
    assert "name it with --data DIR" in message
    message = refusal(lambda: locate_dataset(kmnist, fetch=True))
    assert "Debian" not in message and "install" not in message
    assert "name it with --data kmnist=DIR" in message


def test_the_message_says_that_no_server_is_known_for_a_data_set(kmnist, tmp_path, refusal):
    message = refusal(lambda: download.fetch(replace(kmnist, urls=()), tmp_path / "cache"))
    assert message.startswith("Kuzushiji-MNIST could not be fetched (no server is known)")


def test_if_no_debian_mirror_answers_the_message_repeats_the_reason_of_apt(
    spec, tmp_path, monkeypatch
):
    def run(command, **keywords):
        error = "W: Some index files were ignored\nE: Unable to locate package\n"
        return subprocess.CompletedProcess(command, 100, "", error)

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(download, "_run_apt", lambda *arguments, **keywords: None)
    reason = r"^Debian package: Unable to locate package$"
    with pytest.raises(download._UnreachableError, match=reason):
        download._download_debian_package(spec, tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error_of_one_line(spec, tmp_path, refusal):
    (tmp_path / "file").touch()
    message = refusal(lambda: download.fetch(spec, tmp_path / "file" / "fmbench" / "data"))
    assert "cannot be written" in message


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("apt-get"), reason="this machine has no apt-get")
def test_the_debian_package_is_unpacked_without_root_and_genuine(tmp_path):
    try:
        origin = download._download_debian_package(FASHION_MNIST, tmp_path)
    except download._UnreachableError as error:
        pytest.skip(str(error))
    loading.verify_files(FASHION_MNIST, tmp_path)
    assert origin.startswith("Debian's package dataset-fashion-mnist_")


def test_without_a_terminal_one_line_says_what_is_fetched(capsys):
    title = "the first release of a data set with a long name: train-images-idx3-ubyte.gz"
    with download._show_progress(title):
        pass
    assert capsys.readouterr().err == f"fmbench: fetching {title}\n"
