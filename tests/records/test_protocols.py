"""Tests of the protocols' titles."""

from __future__ import annotations

import pytest

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.records.protocols import FULL, MISTAKES, PROTOCOLS, QUICK


@pytest.mark.parametrize("protocol", [FULL, QUICK, *MISTAKES], ids=lambda protocol: protocol.name)
def test_the_numbers_in_a_title_are_those_of_the_fields(protocol):
    held_out = protocol.held_out_per_class * FASHION_MNIST.n_classes
    n_train = FASHION_MNIST.n_train - held_out
    if protocol.train_per_class is not None:
        n_train = protocol.train_per_class * FASHION_MNIST.n_classes
    assert f"{n_train:,} training" in protocol.title
    if held_out:
        assert f"the other {held_out:,}" in protocol.title
    if protocol.n_test is not None or "10,000 test" in protocol.title:
        assert f"{protocol.n_test or FASHION_MNIST.n_test:,} test" in protocol.title


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda protocol: protocol.name)
def test_the_title_of_a_quick_protocol_says_that_it_uses_fewer_images(mistake):
    title = PROTOCOLS[f"quick{mistake.name}"].title
    assert title == f"fewer images and epochs than: {mistake.title}"
