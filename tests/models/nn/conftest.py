"""Images that the tests of networks train on."""

import pytest


@pytest.fixture(scope="session")
def small(dataset):
    return dataset.X_train[:1500], dataset.y_train[:1500], dataset.X_train[1500:2000]
