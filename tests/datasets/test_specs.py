"""Each data set is declared once, and the declaration agrees with the genuine files."""

from dataclasses import replace

import numpy as np
import pytest

from fmbench.datasets import loading, locate
from fmbench.datasets.specs import (
    DATASETS,
    DEFAULT_DATASET,
    FASHION_MNIST,
    FILES,
    KMNIST,
    MNIST_DIGITS,
    get_dataset,
    records_have_labels,
)
from fmbench.errors import UserError


@pytest.mark.slow
@pytest.mark.parametrize("name", DATASETS)
def test_a_declaration_agrees_with_the_genuine_files(name):
    spec = DATASETS[name]
    try:
        dataset = loading.load_dataset(locate.locate_dataset(spec))
    except UserError as error:
        pytest.skip(str(error))
    assert dataset.X_train.shape == (spec.n_train, 28, 28)
    assert dataset.X_test.shape == (spec.n_test, 28, 28)
    assert dataset.y_train.shape == (spec.n_train,)
    assert dataset.y_test.shape == (spec.n_test,)
    arrays = (dataset.X_train, dataset.y_train, dataset.X_test, dataset.y_test)
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}
    assert set(np.unique(dataset.y_train)) == set(range(spec.n_classes))
    assert tuple(np.bincount(dataset.y_test)) == spec.n_per_class
    if spec.pixel_mean is not None:
        counts = np.bincount(dataset.X_train.ravel(), minlength=256)
        pixels = np.arange(256) / 255
        mean = np.average(pixels, weights=counts)
        sd = np.sqrt(np.average((pixels - mean) ** 2, weights=counts))
        assert (round(mean, 5), round(sd, 5)) == spec.pixel_statistics


@pytest.mark.parametrize("spec", DATASETS.values(), ids=lambda spec: spec.name)
def test_secure_servers_are_asked_first(spec):
    secure = [url.startswith("https://") for url in spec.urls]
    assert secure == sorted(secure, reverse=True) and secure[0]
    assert all(url.endswith("/") for url in spec.urls)
    assert len(set(spec.urls)) == len(spec.urls)


def test_fashion_mnist_is_the_default_and_has_classes_of_equal_size(dataset):
    assert dataset.source.spec is DEFAULT_DATASET is FASHION_MNIST
    assert np.bincount(dataset.y_train).tolist() == [6_000] * 10
    assert np.bincount(dataset.y_test).tolist() == [1_000] * 10


def test_fingerprints_stay_because_they_are_part_of_the_keys_of_stored_records():
    assert FASHION_MNIST.fingerprint.startswith("d1fd84a877f3b78f")
    assert MNIST_DIGITS.fingerprint.startswith("c65580678af93f1e")


def test_the_fingerprint_changes_with_any_of_the_four_files():
    for spec, field in ((FASHION_MNIST, "sha256"), (KMNIST, "sha256_gz")):
        changed = {
            replace(spec, **{field: {**spec.checksums, file: "0" * 64}}).fingerprint
            for file in FILES
        }
        assert len(changed | {spec.fingerprint}) == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": {}}, "give the four files' sha256, or their sha256_gz"),
        ({"sha256_gz": FASHION_MNIST.sha256}, "give the four files' sha256, or their sha256_gz"),
        ({"sha256": {FILES[0]: "0" * 64}}, "give the four files' sha256"),
        ({"classes": ("one",)}, "one number in n_per_class for each class"),
        ({"name": "Fashion/MNIST"}, "small letters, digits and hyphens"),
    ],
    ids=["no checksum", "two kinds of checksums", "three files missing", "one class", "bad name"],
)
def test_a_declaration_that_contradicts_itself_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(FASHION_MNIST, **changes)


def test_pixel_statistics_that_are_not_declared_are_not_guessed():
    with pytest.raises(ValueError, match="kmnist declares no pixel_mean"):
        _ = KMNIST.pixel_statistics


def test_only_records_of_fashion_mnist_lack_the_labels():
    assert {name: records_have_labels(name) for name in [*DATASETS, "a name of the future"]} == {
        "fashion-mnist": False, "mnist": True, "kmnist": True,
        "fashion-mnist-first-release": True, "a name of the future": True,
    }  # fmt: skip


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        UserError, match=r"'mnits': did you mean mnist.* Known names: fashion-mnist"
    ):
        get_dataset("mnits")


def test_only_the_default_data_set_needs_no_name_on_the_command_line():
    assert FASHION_MNIST.option == "--data DIR"
    assert KMNIST.option == "--data kmnist=DIR"
