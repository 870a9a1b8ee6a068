"""The data are the genuine ones, whatever folder, cache, package or server they come from."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmbench.datasets import download, loading, locate, specs
from fmbench.datasets.specs import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from fmbench.errors import UserError

# ---------------------------------------------------------------- the genuine data


def test_shapes_and_types_are_those_of_fashion_mnist(dataset):
    assert dataset.X_train.shape == (60_000, 28, 28)
    assert dataset.X_test.shape == (10_000, 28, 28)
    assert dataset.y_train.shape == (60_000,)
    assert dataset.y_test.shape == (10_000,)
    arrays = (dataset.X_train, dataset.y_train, dataset.X_test, dataset.y_test)
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}


def test_every_class_has_6000_training_and_1000_test_images(dataset):
    assert np.bincount(dataset.y_train).tolist() == [6_000] * 10
    assert np.bincount(dataset.y_test).tolist() == [1_000] * 10
    assert len(dataset.source.spec.classes) == 10


def test_pixel_mean_and_sd_are_those_that_the_networks_scale_by(dataset):
    from fmbench.models.nn.layers import PIXEL_MEAN, PIXEL_SD

    counts = np.bincount(dataset.X_train.ravel(), minlength=256)
    pixels = np.arange(256) / 255
    mean = np.average(pixels, weights=counts)
    sd = np.sqrt(np.average((pixels - mean) ** 2, weights=counts))
    assert (round(mean, 5), round(sd, 5)) == (PIXEL_MEAN, PIXEL_SD)


def test_a_truncated_genuine_file_is_refused(source, tmp_path):
    for name in FILES:
        shutil.copy(source.folder / f"{name}.gz", tmp_path)
    path = tmp_path / f"{TRAIN_LABELS}.gz"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz is truncated or damaged"):
        loading.load(replace(source, folder=tmp_path))


# ---------------------------------------------------------------- the gate, with tiny files


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def tiny_files(seed: int) -> dict[str, bytes]:
    generator = np.random.default_rng(seed)
    sizes = {TRAIN_IMAGES: (6, 28, 28), TRAIN_LABELS: (6,), TEST_IMAGES: (4, 28, 28),
             TEST_LABELS: (4,)}  # fmt: skip
    return {
        name: idx(generator.integers(0, 10, size, dtype=np.uint8)) for name, size in sizes.items()
    }


def write(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    return folder


FASHION, DIGITS = tiny_files(0), tiny_files(1)


@pytest.fixture
def spec(monkeypatch, tmp_path) -> specs.DatasetSpec:
    """Fashion-MNIST and the digits, each of ten images; no source on this machine has them."""

    def small(spec, files):
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        return replace(spec, sha256=hashes)

    fashion, digits = small(specs.FASHION_MNIST, FASHION), small(specs.MNIST_DIGITS, DIGITS)
    for module in (specs, locate, download):
        monkeypatch.setattr(module, "FASHION_MNIST", fashion)
    monkeypatch.setattr(specs, "MNIST_DIGITS", digits)
    for module in (specs, loading):
        monkeypatch.setattr(module, "SPECS", {s.name: s for s in (fashion, digits)})
    monkeypatch.setattr(locate, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.delenv("FMBENCH_DATA", raising=False)
    return fashion


def refusal(call: Callable[[], object]) -> str:
    """The message of the UserError that ``call`` raises, which is one line."""
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_gzipped_and_plain_files_are_read_alike(spec, tmp_path):
    write(FASHION, tmp_path / "zipped")
    for name, content in FASHION.items():
        (tmp_path / name).write_bytes(content)
    plain, zipped = (
        loading.load(locate.locate(spec, folder)) for folder in (tmp_path, tmp_path / "zipped")
    )
    assert plain.X_train.shape == (6, 28, 28)
    for name in ("X_train", "y_train", "X_test", "y_test"):
        assert np.array_equal(getattr(plain, name), getattr(zipped, name))
    assert idx(plain.y_test) == FASHION[TEST_LABELS]


def test_a_file_cut_off_anywhere_is_refused_in_one_line(spec, tmp_path):
    write(FASHION, tmp_path)
    path = tmp_path / f"{TEST_LABELS}.gz"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        message = refusal(lambda: loading.verify(spec, tmp_path))
        assert message.startswith(str(path))
        assert "delete it and fetch it again" in message


def test_a_file_with_any_byte_changed_is_refused(spec, tmp_path):
    write(FASHION, tmp_path)
    plain = tmp_path / TEST_LABELS
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    for position in range(len(FASHION[TEST_LABELS])):
        content = bytearray(FASHION[TEST_LABELS])
        content[position] ^= 1
        plain.write_bytes(content)
        assert "not the genuine Fashion-MNIST file" in refusal(
            lambda: loading.checked_content(spec, tmp_path, TEST_LABELS)
        )


def test_an_empty_file_is_refused(spec, tmp_path):
    write(FASHION, tmp_path)
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(b"")
    assert f"{TRAIN_IMAGES}.gz is not the genuine" in refusal(
        lambda: loading.verify(spec, tmp_path)
    )


def test_a_file_that_is_not_gzip_is_refused(spec, tmp_path):
    write(FASHION, tmp_path)
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_text("<html>Please log in</html>")
    assert "damaged" in refusal(lambda: loading.verify(spec, tmp_path))


def test_wrong_content_is_refused_with_both_checksums(spec, tmp_path):
    write({**FASHION, TEST_IMAGES: b"something else"}, tmp_path)
    message = refusal(lambda: loading.verify(spec, tmp_path))
    assert hashlib.sha256(b"something else").hexdigest()[:12] in message
    assert spec.sha256[TEST_IMAGES][:12] in message


def test_a_renamed_file_is_recognised(spec, tmp_path):
    write({**FASHION, TRAIN_LABELS: FASHION[TEST_LABELS]}, tmp_path)
    message = refusal(lambda: loading.verify(spec, tmp_path))
    assert "holds another file of Fashion-MNIST: it was renamed" in message


@pytest.mark.parametrize("name", FILES)
def test_mnist_digits_are_refused_by_name(spec, tmp_path, name):
    write({**FASHION, name: DIGITS[name]}, tmp_path)
    message = refusal(lambda: loading.load(locate.locate(spec, tmp_path)))
    assert "holds the MNIST handwritten digits, not Fashion-MNIST" in message
    assert name in message


def test_fashion_mnist_is_refused_where_the_digits_are_wanted(spec, tmp_path):
    write(FASHION, tmp_path)
    message = refusal(lambda: loading.verify(specs.MNIST_DIGITS, tmp_path))
    assert "holds Fashion-MNIST, not the MNIST handwritten digits" in message


def test_reading_for_a_model_does_not_open_the_test_labels(spec, tmp_path):
    write(FASHION, tmp_path)
    source = locate.locate(spec, tmp_path)
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    assert loading.load_train(source)[0].shape == (6, 28, 28)
    assert loading.load_test_images(source).shape == (4, 28, 28)


def test_the_fingerprint_changes_with_any_of_the_four_files():
    spec = specs.FASHION_MNIST
    changed = {replace(spec, sha256={**spec.sha256, name: "0" * 64}).fingerprint for name in FILES}
    assert len(changed | {spec.fingerprint}) == 5


# ---------------------------------------------------------------- the order of sources


def never(spec, folder):
    raise AssertionError("nothing was to be fetched")


def test_sources_are_taken_in_their_order(spec, tmp_path, monkeypatch):
    named, in_environment = tmp_path / "named", tmp_path / "environment"
    cache, debian = locate.cache_folder(spec), tmp_path / "debian"
    for folder in (named, in_environment, cache, debian):
        write(FASHION, folder)
    monkeypatch.setenv("FMBENCH_DATA", str(in_environment))
    assert locate.locate(spec, named, never).folder == named
    assert locate.locate(spec, None, never).folder == in_environment
    monkeypatch.setenv("FMBENCH_DATA", "")
    assert locate.locate(spec, None, never).folder == cache
    (cache / f"{TEST_LABELS}.gz").unlink()
    assert locate.locate(spec, None, never).folder == debian
    (debian / f"{TEST_LABELS}.gz").unlink()
    fetched = locate.locate(spec, None, lambda spec, folder: f"fetched to {folder}")
    assert (fetched.folder, fetched.origin) == (cache, f"fetched to {cache}")


@pytest.mark.parametrize("way", ["--data", "$FMBENCH_DATA"])
def test_a_wrong_folder_is_an_error_even_if_the_cache_has_the_data(
    spec, tmp_path, monkeypatch, way
):
    write(FASHION, locate.cache_folder(spec))

    def located(folder):
        if way == "--data":
            return locate.locate(spec, folder, never)
        monkeypatch.setenv("FMBENCH_DATA", str(folder))
        return locate.locate(spec, None, never)

    (tmp_path / "file").touch()
    for folder in (tmp_path / "nowhere", tmp_path / "file"):
        assert refusal(lambda folder=folder: located(folder)) == f"{way}: {folder} is not a folder"
    incomplete = write({TRAIN_IMAGES: FASHION[TRAIN_IMAGES]}, tmp_path / "incomplete")
    message = refusal(lambda: located(incomplete))
    assert message.startswith(f"{incomplete} holds no {TRAIN_LABELS}.gz: install the package")


def test_without_a_source_the_user_is_told_what_to_run(spec):
    message = refusal(lambda: locate.locate(spec))
    assert "run `fmbench data`" in message
    assert "--data" in message


def test_fashion_mnists_own_sources_are_not_taken_for_the_digits(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("FMBENCH_DATA", str(write(FASHION, tmp_path / "debian")))
    refusal(lambda: locate.locate(specs.MNIST_DIGITS))


# ---------------------------------------------------------------- fetching


def serving(files: dict[str, bytes], origin: str):
    def source(spec, folder):
        write(files, folder)
        return origin

    return source


def test_fetched_files_are_checked_and_nothing_else_is_left(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_official", serving(FASHION, "a server"))
    monkeypatch.setattr(download, "_debian_package", never)
    found = locate.locate(spec, None, download.fetch)
    assert found.origin == "a server"
    loading.verify(spec, found.folder)
    assert [path.name for path in found.folder.parent.iterdir()] == [spec.name]
    assert sorted(path.name for path in found.folder.iterdir()) == sorted(f"{n}.gz" for n in FILES)


def test_a_source_that_serves_something_else_is_passed_over(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_official", serving(DIGITS, "a log-in page"))
    monkeypatch.setattr(download, "_debian_package", serving(FASHION, "a package"))
    assert download.fetch(spec, tmp_path / "cache") == "a package"
    loading.verify(spec, tmp_path / "cache")


def test_data_that_are_genuine_nowhere_are_not_kept(spec, tmp_path, monkeypatch):
    for source in ("_official", "_debian_package"):
        monkeypatch.setattr(download, source, serving(DIGITS, source))
    message = refusal(lambda: download.fetch(spec, tmp_path / "parent" / "cache"))
    assert "_official: not the genuine files; _debian_package: not the genuine files" in message
    assert list((tmp_path / "parent").iterdir()) == []


def test_an_interrupted_fetch_leaves_nothing(spec, tmp_path, monkeypatch):
    def interrupted(spec, folder):
        write(dict(list(FASHION.items())[:2]), folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_official", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.fetch(spec, tmp_path / "parent" / "cache")
    assert list((tmp_path / "parent").iterdir()) == []


def test_where_no_source_is_reachable_one_line_says_why_and_what_to_do(spec, tmp_path, monkeypatch):
    import pooch
    import requests

    def unreachable(*arguments, **keywords):
        raise requests.ConnectionError("Failed to resolve the name")

    monkeypatch.setattr(pooch, "retrieve", unreachable)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = refusal(lambda: locate.locate(spec, None, download.fetch))
    assert "official files: ConnectionError (no network?)" in message
    assert "Debian package: this machine has no apt-get" in message
    assert "install the package dataset-fashion-mnist" in message
    assert "--data" in message


def test_where_the_mirror_does_not_answer_apts_own_words_are_given(spec, tmp_path, monkeypatch):
    def apt(command, **keywords):
        error = "W: Some index files were ignored\nE: Unable to locate package\n"
        return subprocess.CompletedProcess(command, 100, "", error)

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", apt)
    monkeypatch.setattr(download, "_apt", lambda *arguments, **keywords: None)
    with pytest.raises(download._Unreachable, match=r"^Debian package: Unable to locate package$"):
        download._debian_package(spec, tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error_of_one_line(spec, tmp_path):
    (tmp_path / "file").touch()
    message = refusal(lambda: download.fetch(spec, tmp_path / "file" / "fmbench" / "data"))
    assert "cannot be written" in message


@pytest.mark.skipif(not shutil.which("apt-get"), reason="this machine has no apt-get")
def test_debians_package_is_unpacked_without_root_and_genuine(tmp_path):
    try:
        origin = download._debian_package(specs.FASHION_MNIST, tmp_path)
    except download._Unreachable as error:
        pytest.skip(str(error))
    loading.verify(specs.FASHION_MNIST, tmp_path)
    assert origin.startswith("Debian's package dataset-fashion-mnist_")
