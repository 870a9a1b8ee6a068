from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fmbench.datasets import locate, specs
from fmbench.datasets.specs import DATASETS, DatasetSpec
from fmbench.errors import UserError
from tests.helpers.small_datasets import DIGITS, FASHION, JAPANESE, compute_checksums, pack


@pytest.fixture
def spec(monkeypatch, tmp_path) -> DatasetSpec:
    """Replace each data set by a small one that is not on this machine; return Fashion-MNIST."""
    small = (
        replace(
            specs.FASHION_MNIST,
            sha256=compute_checksums(FASHION),
            debian_folder=tmp_path / "debian",
        ),
        replace(specs.MNIST_DIGITS, sha256=compute_checksums(DIGITS)),
        replace(specs.KMNIST, sha256_gz=compute_checksums(pack(JAPANESE))),
    )
    for declared in small:
        monkeypatch.setitem(DATASETS, declared.name, declared)
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FMBENCH_DATA", raising=False)
    return small[0]


@pytest.fixture
def digits(spec) -> DatasetSpec:
    return DATASETS["mnist"]


@pytest.fixture
def kmnist(spec) -> DatasetSpec:
    """A data set that declares only the checksums of its ``.gz`` files."""
    return DATASETS["kmnist"]


@pytest.fixture
def refusal() -> Callable[[Callable[[], object]], str]:
    """``refusal(call)``: the message of the UserError that ``call`` raises, which is one line."""

    def message_of(call: Callable[[], object]) -> str:
        with pytest.raises(UserError) as caught:
            call()
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        return message

    return message_of
