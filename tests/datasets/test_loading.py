"""Only the genuine files are read: any other file is refused in one line that says what it is."""

import gzip
import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fmbench.datasets import loading
from fmbench.datasets.locate import locate_dataset
from fmbench.datasets.specs import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from fmbench.errors import UserError
from tests.helpers.small_datasets import (
    DIGITS,
    FASHION,
    JAPANESE,
    encode_idx,
    pack,
    write_packed,
    write_unpacked,
)


def test_a_truncated_genuine_file_is_refused(published, tmp_path):
    for name in FILES:
        shutil.copy(published.folder / f"{name}.gz", tmp_path)
    path = tmp_path / f"{TRAIN_LABELS}.gz"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz is truncated or damaged"):
        loading.load_dataset(replace(published, folder=tmp_path))


def test_packed_and_unpacked_files_give_the_same_arrays(spec, tmp_path):
    packed, unpacked = (
        loading.load_dataset(locate_dataset(spec, folder))
        for folder in (
            write_packed(FASHION, tmp_path / "packed"),
            write_unpacked(FASHION, tmp_path / "unpacked"),
        )
    )
    assert packed.X_train.shape == (6, 28, 28)
    for name in ("X_train", "y_train", "X_test", "y_test"):
        assert np.array_equal(getattr(packed, name), getattr(unpacked, name))
    assert encode_idx(packed.y_test) == FASHION[TEST_LABELS]


def test_files_may_have_names_of_their_own(spec, tmp_path):
    spec = replace(spec, file_names={name: f"clothes-{name}" for name in FILES})
    files = {f"clothes-{name}": content for name, content in FASHION.items()}
    dataset = loading.load_dataset(locate_dataset(spec, write_packed(files, tmp_path)))
    assert encode_idx(dataset.X_test) == FASHION[TEST_IMAGES]


def test_a_file_that_is_cut_off_anywhere_is_refused_in_one_line(spec, tmp_path, refusal):
    write_packed(FASHION, tmp_path)
    path = tmp_path / f"{TEST_LABELS}.gz"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        message = refusal(lambda: loading.verify_files(spec, tmp_path))
        assert message.startswith(str(path))
        assert "delete it and fetch it again" in message


def test_a_file_with_any_byte_changed_is_refused(spec, tmp_path, refusal):
    write_packed(FASHION, tmp_path)
    plain = tmp_path / TEST_LABELS
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    for position in range(len(FASHION[TEST_LABELS])):
        content = bytearray(FASHION[TEST_LABELS])
        content[position] ^= 1
        plain.write_bytes(content)
        assert "not the genuine Fashion-MNIST file" in refusal(
            lambda: loading.read_verified_file(spec, tmp_path, TEST_LABELS)
        )


def test_an_empty_file_is_refused(spec, tmp_path, refusal):
    write_packed(FASHION, tmp_path)
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(b"")
    assert f"{TRAIN_IMAGES}.gz is empty, not the genuine" in refusal(
        lambda: loading.verify_files(spec, tmp_path)
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<html>Please log in</html>", "a web page"),
        (b"\n<!DOCTYPE html><p>404", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"PK\x03\x04...", "a ZIP archive"),
        (b"\x80\x02}q\x00.", "a pickle, which fmbench does not read"),
        (encode_idx(np.zeros((3, 28, 28), np.uint8)), "an IDX file of 3 x 28 x 28 bytes"),
    ],
)
def test_a_file_that_is_something_else_is_refused_with_what_it_is(
    spec, tmp_path, refusal, content, what
):
    for name, stored in ((f"{TRAIN_IMAGES}.gz", content), (TRAIN_IMAGES, gzip.compress(content))):
        folder = tmp_path / name
        write_packed({k: v for k, v in FASHION.items() if k != TRAIN_IMAGES}, folder)
        (folder / name).write_bytes(stored)
        message = refusal(lambda folder=folder: loading.verify_files(spec, folder))
        assert message.startswith(f"{folder / name} is {what}")
        assert "not the genuine Fashion-MNIST file" in message


def test_wrong_content_is_refused_with_both_checksums(spec, tmp_path, refusal):
    write_packed({**FASHION, TEST_IMAGES: b"something else"}, tmp_path)
    message = refusal(lambda: loading.verify_files(spec, tmp_path))
    assert hashlib.sha256(b"something else").hexdigest()[:12] in message
    assert spec.sha256[TEST_IMAGES][:12] in message


def test_a_renamed_file_is_recognised(spec, tmp_path, refusal):
    write_packed({**FASHION, TRAIN_LABELS: FASHION[TEST_LABELS]}, tmp_path)
    message = refusal(lambda: loading.verify_files(spec, tmp_path))
    assert "holds another file of Fashion-MNIST: it was renamed" in message


@pytest.mark.parametrize("name", FILES)
def test_another_data_set_is_refused_by_name(spec, tmp_path, refusal, name):
    write_packed({**FASHION, name: DIGITS[name]}, tmp_path)
    message = refusal(lambda: loading.load_dataset(locate_dataset(spec, tmp_path)))
    assert "holds the MNIST handwritten digits, not Fashion-MNIST" in message
    assert name in message
    assert "give the folder of Fashion-MNIST with --data DIR" in message


def test_fashion_mnist_is_refused_where_another_data_set_is_wanted(
    digits, kmnist, tmp_path, refusal
):
    write_packed(FASHION, tmp_path)
    message = refusal(lambda: loading.verify_files(digits, tmp_path))
    assert "holds Fashion-MNIST, not the MNIST handwritten digits" in message
    assert "--data mnist=DIR" in message
    message = refusal(lambda: loading.verify_files(kmnist, tmp_path))
    assert "holds Fashion-MNIST, not Kuzushiji-MNIST" in message


def test_a_process_that_runs_a_model_does_not_open_the_test_labels(spec, tmp_path):
    write_packed(FASHION, tmp_path)
    source = locate_dataset(spec, tmp_path)
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    assert loading.load_train(source)[0].shape == (6, 28, 28)
    assert loading.load_test_images(source).shape == (4, 28, 28)


def test_preloaded_files_are_not_read_again(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_preloaded", {})
    source = locate_dataset(spec, write_packed(FASHION, tmp_path))
    loading.preload_files(source, [TEST_IMAGES])
    (tmp_path / f"{TEST_IMAGES}.gz").unlink()
    images = loading.load_test_images(source)
    assert encode_idx(images) == FASHION[TEST_IMAGES]
    assert not images.flags.writeable


# ------------------------------------ only the checksums of the .gz files are known


def test_packed_files_can_be_checked_by_their_own_checksums(kmnist, tmp_path):
    source = locate_dataset(kmnist, write_packed(JAPANESE, tmp_path))
    assert encode_idx(loading.load_dataset(source).X_test) == JAPANESE[TEST_IMAGES]


def test_an_unpacked_file_that_cannot_be_checked_is_refused(kmnist, tmp_path, refusal):
    write_unpacked(JAPANESE, tmp_path)
    for call in (
        lambda: locate_dataset(kmnist, tmp_path),
        lambda: loading.verify_files(kmnist, tmp_path),
    ):
        message = refusal(call)
        assert f"{TRAIN_IMAGES} is unpacked and cannot be checked" in message
        assert "or run `fmbench data kmnist` to fetch it" in message


def test_a_file_that_was_packed_again_is_refused(kmnist, tmp_path, refusal):
    write_packed(JAPANESE, tmp_path)
    packed_again = gzip.compress(JAPANESE[TEST_LABELS], 9, mtime=1)
    assert packed_again != pack(JAPANESE)[TEST_LABELS]
    (tmp_path / f"{TEST_LABELS}.gz").write_bytes(packed_again)
    message = refusal(lambda: loading.verify_files(kmnist, tmp_path))
    assert f"{TEST_LABELS}.gz is not the genuine Kuzushiji-MNIST file" in message
    assert "it must be the published .gz file, not packed again" in message


def test_a_renamed_packed_file_is_recognised(kmnist, tmp_path, refusal):
    write_packed({**JAPANESE, TRAIN_LABELS: JAPANESE[TEST_LABELS]}, tmp_path)
    message = refusal(lambda: loading.verify_files(kmnist, tmp_path))
    assert "holds another file of Kuzushiji-MNIST: it was renamed" in message
