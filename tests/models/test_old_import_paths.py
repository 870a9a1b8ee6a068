"""Users' files that import fmbench.registry or fmbench.features still work, with a warning."""

import importlib
import sys

import pytest

from fmbench.models import features, registry


def import_again(monkeypatch, name):
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("old_name", "module", "names"),
    [
        ("fmbench.registry", registry,
         {"BEST_EPOCH", "Hyperparameter", "Runner", "from_source", "our_choice", "register",
          "stated"}),
        ("fmbench.features", features, {"Flatten", "Hog", "standardised"}),
    ],
)  # fmt: skip
def test_an_old_import_path_warns_and_gives_the_same_objects(monkeypatch, old_name, module, names):
    with pytest.warns(DeprecationWarning, match="from fmbench import") as caught:
        old = import_again(monkeypatch, old_name)
    assert len(caught) == 1
    assert module.__name__ in str(caught[0].message)
    assert caught[0].filename == __file__ or "importlib" in caught[0].filename
    assert set(old.__all__) == names
    for name in names:
        assert getattr(old, name) is getattr(module, name)


def test_the_second_import_of_an_old_path_does_not_warn(monkeypatch):
    with pytest.warns(DeprecationWarning):
        import_again(monkeypatch, "fmbench.features")
    importlib.import_module("fmbench.features")  # pytest turns any warning into an error


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from fmbench.registry import register", "fmbench.registry"),
        ("from fmbench.features import standardised", "fmbench.features"),
    ],
)
def test_the_warning_points_at_the_user_s_own_line(monkeypatch, tmp_path, line, name):
    monkeypatch.delitem(sys.modules, name, raising=False)
    path = tmp_path / "my_model.py"
    path.write_text(f"\n\n{line}\n")
    with pytest.warns(DeprecationWarning) as caught:
        exec(compile(path.read_text(), str(path), "exec"), {})
    assert (caught[0].filename, caught[0].lineno) == (str(path), 3)
