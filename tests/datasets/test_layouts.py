"""The genuine files are found in every layout that people have, and nothing odd stops it."""

import gzip
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench.cli.main import main
from fmbench.datasets import loading, locate, search
from fmbench.datasets.locate import locate_dataset
from fmbench.datasets.specs import (
    DATASETS,
    FASHION_MNIST,
    FILES,
    FIRST_RELEASE,
    OLD_LABELS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from tests.helpers.small_datasets import (
    DIGITS,
    FASHION,
    compute_checksums,
    make_files,
    pack,
    write_packed,
    write_unpacked,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(source) -> Path:
    """A folder with the four genuine files, unpacked."""
    return source.folder


def link(target, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


# Each arranges links to the genuine files below `root`, as their name says.


def torchvision(root, packed, unpacked):
    write_packed(DIGITS, root / "MNIST" / "raw")
    for file in FILES:
        link(packed / f"{file}.gz", root / "FashionMNIST" / "raw" / f"{file}.gz")
        link(unpacked / file, root / "FashionMNIST" / "raw" / file)


def torchvision_without_packed_files(root, packed, unpacked):
    for file in FILES:
        link(unpacked / file, root / "FashionMNIST" / "raw" / file)


def keras_cache(root, packed, unpacked):
    for file in FILES:
        link(packed / f"{file}.gz", root / "fashion-mnist" / f"{file}.gz")
    (root / "mnist.npz").write_bytes(b"not read")


def names_with_a_dot(root, packed, unpacked):
    for file in FILES:
        link(unpacked / file, root / file.replace("-idx", ".idx"))


def unpacked_files_named_gz(root, packed, unpacked):
    for file in FILES:
        link(unpacked / file, root / f"{file}.gz")


def packed_files_without_an_ending(root, packed, unpacked):
    for file in FILES:
        link(packed / f"{file}.gz", root / file)


def a_folder_for_each_file(root, packed, unpacked):
    for file in FILES:
        link(unpacked / file, root / file / file)


def a_clone_of_the_repository(root, packed, unpacked):
    for file in FILES:
        link(packed / f"{file}.gz", root / "data" / "fashion" / f"{file}.gz")
        link(packed / f"{TRAIN_LABELS}.gz", root / "data" / "mnist" / f"{file}.gz")


def good_files_beside_broken_ones(root, packed, unpacked):
    for file in FILES:
        link(unpacked / file, root / file)
        (root / f"{file}.gz").write_bytes((packed / f"{file}.gz").read_bytes()[:1000])


def links_to_blobs(root, packed, unpacked):
    for number, file in enumerate(FILES):
        link(packed / f"{file}.gz", root / "blobs" / str(number))
        link(Path("..") / "blobs" / str(number), root / "snapshots" / f"{file}.gz")


LAYOUTS = [
    torchvision, torchvision_without_packed_files, keras_cache, names_with_a_dot,
    unpacked_files_named_gz, packed_files_without_an_ending, a_folder_for_each_file,
    a_clone_of_the_repository, good_files_beside_broken_ones, links_to_blobs,
]  # fmt: skip


@pytest.mark.parametrize("arrange", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_genuine_files_are_found_and_checked(arrange, published, unpacked, tmp_path):
    arrange(tmp_path, published.folder, unpacked)
    found = locate_dataset(FASHION_MNIST, tmp_path)
    for file in FILES:
        content = loading.read_verified_file(FASHION_MNIST, found.folder, file)
        assert content == (unpacked / file).read_bytes()


def test_data_says_where_each_file_is(published, unpacked, tmp_path, capsys):
    torchvision(tmp_path, published.folder, unpacked)
    with pytest.raises(SystemExit) as stop:
        main(["data", "--data", str(tmp_path), "--format", "json"])
    files = json.loads(capsys.readouterr().out)["files"]
    assert stop.value.code == 0
    checksum = FASHION_MNIST.sha256[TEST_LABELS]
    where = f"FashionMNIST/raw/{TEST_LABELS}.gz"
    assert {"file": TEST_LABELS, "state": "genuine", "path": where, "sha256": checksum} in files


def test_only_a_broken_file_is_refused_with_its_own_reason(spec, tmp_path, refusal):
    write_packed({**FASHION, TEST_LABELS: DIGITS[TEST_LABELS]}, tmp_path)
    (tmp_path / TEST_LABELS).write_bytes(b"")
    message = refusal(lambda: loading.verify_files(spec, tmp_path))
    assert message.startswith(f"{tmp_path / TEST_LABELS}.gz holds the MNIST handwritten digits")
    assert message.endswith(" (2 files of this kind were tried)")


def test_the_cache_of_keras_is_used_if_it_is_genuine(spec, tmp_path, monkeypatch, caplog):
    keras = write_packed(FASHION, tmp_path / "keras" / "datasets" / "fashion-mnist")
    found = locate_dataset(spec)
    assert (found.folder, found.origin) == (keras, f"Keras's cache, {keras}")
    write_packed(FASHION, locate.cache_folder(spec))
    assert locate_dataset(spec).origin == "the user's cache"


def test_a_cache_of_keras_that_is_not_genuine_is_named_and_not_used(
    spec, tmp_path, monkeypatch, refusal
):
    lines = []
    monkeypatch.setattr(locate.logger, "warning", lambda text, *parts: lines.append(text % parts))
    write_packed(DIGITS, tmp_path / "keras" / "datasets" / "fashion-mnist")
    assert "this machine has no copy" in refusal(lambda: locate_dataset(spec))
    [line] = lines
    assert line.startswith("Keras's cache is not used: ") and "holds the MNIST handwritten" in line


# ------------------------------------ older releases of Fashion-MNIST


def test_every_label_file_of_the_old_releases_is_known():
    # The checksums of the unpacked files, from the repository of the data set's authors.
    known = {key[:8]: text for key, text in OLD_LABELS.items()}
    for start in ("c7673bb3", "0106d6df"):
        assert "the first release of Fashion-MNIST (before 31 August 2017)" in known[start]
    for start in ("fd6af481", "ebe12bc8"):
        assert "first day (25 August 2017, sorted by class)" in known[start]
    assert not OLD_LABELS.keys() & set(FASHION_MNIST.sha256.values())


def test_files_of_an_old_release_are_named(spec, tmp_path, monkeypatch, refusal):
    old = make_files(7)
    checksum = compute_checksums(old)[TRAIN_LABELS]
    monkeypatch.setitem(OLD_LABELS, checksum, "the labels of its first day")
    write_packed(old, tmp_path / "all")
    message = refusal(lambda: loading.verify_files(spec, tmp_path / "all"))
    assert f"{TRAIN_IMAGES}.gz is an IDX file of 6 x 28 x 28 bytes, not the genuine" in message
    beside = f"; {TRAIN_LABELS}.gz beside it holds the labels of its first day, not Fashion-MNIST"
    assert beside in message
    write_packed({**FASHION, TRAIN_LABELS: old[TRAIN_LABELS]}, tmp_path / "one")
    message = refusal(lambda: loading.verify_files(spec, tmp_path / "one"))
    assert (
        f"{TRAIN_LABELS}.gz holds the labels of its first day, not Fashion-MNIST: give" in message
    )


def test_the_published_files_of_the_first_release_are_a_data_set_of_their_own(
    spec, tmp_path, monkeypatch, refusal
):
    old = make_files(7)
    first = replace(FIRST_RELEASE, sha256_gz=compute_checksums(pack(old)))
    monkeypatch.setitem(DATASETS, first.name, first)
    found = locate_dataset(first, write_packed(old, tmp_path / "old"))
    assert loading.load_dataset(found).X_train.shape == (6, 28, 28)
    message = refusal(lambda: loading.verify_files(spec, tmp_path / "old"))
    assert "holds the first release of Fashion-MNIST, not Fashion-MNIST (" in message
    write_unpacked(old, tmp_path / "unpacked")
    message = refusal(lambda: locate_dataset(first, tmp_path / "unpacked"))
    assert "only the SHA-256 of the packed file is known" in message
    assert "or run `fmbench data fashion-mnist-first-release` to fetch it" in message


# ------------------------------------ odd and hostile folders


def test_links_in_a_circle_end(spec, tmp_path, refusal):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / f"{TRAIN_IMAGES}.gz").symlink_to(tmp_path / f"{TRAIN_IMAGES}.gz")
    assert f"holds no {TRAIN_IMAGES}.gz" in refusal(lambda: locate_dataset(spec, tmp_path))


def test_a_search_ends_in_a_folder_of_many_folders(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "MAX_ENTRIES", 20)
    for number in range(50):
        (tmp_path / f"{number:02}").mkdir()
    assert len(search.list_folders(spec, tmp_path)) <= 21
    deep = tmp_path / "deep"
    (deep / "1" / "2" / "3" / "4" / "5").mkdir(parents=True)
    assert len(search.list_folders(spec, deep)) == 1 + search.MAX_DEPTH


def test_hidden_folders_below_the_named_one_are_not_searched(spec, tmp_path, refusal):
    write_packed(FASHION, tmp_path / ".trash")
    assert "holds no" in refusal(lambda: locate_dataset(spec, tmp_path))
    assert locate_dataset(spec, tmp_path / ".trash").folder == tmp_path / ".trash"


@pytest.mark.parametrize("odd", ["a pipe", "/dev/zero", "a folder"])
def test_a_name_that_is_no_regular_file_is_passed_over(spec, tmp_path, odd):
    path = tmp_path / f"{TEST_LABELS}.gz"
    if odd == "a pipe":
        os.mkfifo(path)
    elif odd == "a folder":
        path.mkdir()
    else:
        path.symlink_to(odd)
    write_packed({k: v for k, v in FASHION.items() if k != TEST_LABELS}, tmp_path)
    (tmp_path / TEST_LABELS).write_bytes(FASHION[TEST_LABELS])
    loading.verify_files(spec, locate_dataset(spec, tmp_path).folder)


def test_a_pipe_that_appears_after_the_search_is_not_waited_for(tmp_path, refusal):
    os.mkfifo(tmp_path / "pipe")
    message = refusal(lambda: search.read_file(tmp_path / "pipe", 1000))
    assert message.endswith("pipe is not a regular file")


def test_a_huge_file_is_refused_without_reading_it(spec, tmp_path, refusal):
    write_packed(FASHION, tmp_path)
    with (tmp_path / f"{TRAIN_IMAGES}.gz").open("wb") as file:
        file.truncate(2**40)
    message = refusal(lambda: loading.verify_files(spec, tmp_path))
    assert "is larger than " in message and "no file of a known data set" in message


def test_a_packed_file_that_unpacks_without_end_is_refused(spec, tmp_path, refusal, monkeypatch):
    small = {name: replace(other, n_train=6, n_per_class=(1,) * 4, classes=("",) * 4)
             for name, other in DATASETS.items()}  # fmt: skip
    monkeypatch.setattr(loading, "DATASETS", small)
    write_packed(FASHION, tmp_path)
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(bytes(10**6)))
    message = refusal(lambda: loading.verify_files(small["fashion-mnist"], tmp_path))
    assert "unpacks to more than 4,720 bytes" in message


def test_a_file_that_cannot_be_opened_is_an_error_of_one_line(spec, tmp_path, refusal):
    assert "cannot be read: No such file" in refusal(lambda: search.read_file(tmp_path / "no", 9))


def test_a_folder_without_data_says_what_it_holds_that_is_not_read(spec, tmp_path, refusal):
    (tmp_path / "archive.zip").touch()
    message = refusal(lambda: locate_dataset(spec, tmp_path))
    assert message.endswith(" (archive.zip is not read: unpack it first)")
    shutil.rmtree(tmp_path)
    (tmp_path / "processed").mkdir(parents=True)
    (tmp_path / "processed" / "training.pt").touch()
    message = refusal(lambda: locate_dataset(spec, tmp_path))
    assert "(processed/training.pt is not read: it is a pickle" in message
    assert f"holds no {TRAIN_IMAGES}.gz" in message and TEST_IMAGES not in message
