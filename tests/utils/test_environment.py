"""A result names the software and the machine that it was made with."""

import re
import shutil

import pytest

from fmbench.utils import environment


@pytest.mark.skipif(
    shutil.which("git") is None or not (environment.CHECKOUT / ".git").exists(),
    reason="needs git and a checkout",
)
def test_in_a_checkout_a_result_names_its_commit_and_whether_the_code_differs():
    facts = environment.describe_package()
    assert re.fullmatch("[0-9a-f]{40}", facts["commit"])
    assert isinstance(facts["dirty"], bool)


def test_versions_name_python_and_the_libraries_that_can_change_a_result():
    assert {"python", "numpy", "scikit-learn", "torch"} <= environment.collect_versions().keys()
