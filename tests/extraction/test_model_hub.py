"""Results of a model hub are read digit by digit, and only those on Fashion-MNIST's test images."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.model_hub import MAX_LENGTH, looks_like_model_hub, read_model_hub
from fmbench.extraction.read import read_input

# The form documented at https://huggingface.co/docs/hub/eval-results.
EVAL_RESULTS = """\
- dataset:
    id: zalando-datasets/fashion_mnist  # Required
    task_id: default
    revision: 5503434ddd753f426f4b38109466949a1217c2bb
  value: 91.20
  verifyToken: abc
  date: "2026-01-15"
  source:
    url: https://huggingface.co/someone/lenet5
    name: Model Card
    user: someone
  notes: "mean of 5 runs"
- dataset:
    id: ylecun/mnist
    task_id: default
  value: 0.991
"""
# The form documented at https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
MODEL_CARD = """\
---
license: mit
tags: [image-classification]
model-index:
- name: resnet18-fashion
  results:
  - task:
      type: image-classification
    dataset:
      type: fashion_mnist
      name: Fashion MNIST
      split: test
    metrics:
    - type: accuracy
      value: 0.9310
      name: Accuracy
      verified: true
    - type: f1
      value: 0.93
      name: Macro F1
    - type: f1
      value: 0.93
    - type: loss
      value: 0.31
    - type: accuracy
      name: Validation accuracy
      value: 0.95
  - dataset:
      type: fashion_mnist
      name: Fashion MNIST
      split: train
    metrics:
    - type: accuracy
      value: 0.99
---
# ResNet-18
"""


def test_an_entry_of_eval_results_is_an_accuracy_with_its_decimals() -> None:
    assert looks_like_model_hub(EVAL_RESULTS)
    extraction = read_model_hub(EVAL_RESULTS, "fashion.yaml")
    (claim,) = extraction.claims
    assert (claim.label, claim.metric, claim.figure.value) == ("", "accuracy", "91.20")
    assert (claim.mean_of, claim.where, claim.source) == (5, "entry 1", "model hub")
    assert "names no metric" in claim.remark
    assert "https://huggingface.co/someone/lenet5" in claim.remark
    assert extraction.notes == ("entry 2: not taken (of ylecun/mnist): ylecun/mnist, value, 0.991",)


def test_a_model_card_gives_its_metrics_on_the_test_split() -> None:
    assert looks_like_model_hub(MODEL_CARD)
    extraction = read_model_hub(MODEL_CARD, "README.md")
    assert [(c.label, c.metric, c.average, c.figure.value) for c in extraction.claims] == [
        ("resnet18-fashion", "accuracy", None, "0.9310"),
        ("resnet18-fashion", "f1", "macro", "0.93"),
    ]
    reasons = [note.partition("(")[2].partition(")")[0] for note in extraction.notes]
    assert reasons == [
        "f1 without its average", "loss is not judged", "of training or validation images",
        "of the split train",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "# A README", "| a | b |\n|---|---|", "- LeNet-5: 98.8", "---\ntitle: x\n---\n98.8 %",
     "dataset: x", "- name: x\n  value: 1"],
)  # fmt: skip
def test_other_texts_do_not_look_like_a_model_hub(text: str) -> None:
    assert not looks_like_model_hub(text)


@given(
    units=st.integers(0, 10**6),
    decimals=st.integers(0, 6),
    quote=st.sampled_from(["", "'", '"']),
    name=st.sampled_from(["fashion_mnist", "zalando-datasets/fashion_mnist", "Fashion-MNIST"]),
)
@settings(max_examples=50)
def test_every_printed_decimal_survives_yaml(
    units: int, decimals: int, quote: str, name: str
) -> None:
    number = f"{units / 10**6 * (1 if decimals else 100):.{decimals}f}"
    text = f"- dataset:\n    id: {name}\n    task_id: x\n  value: {quote}{number}{quote}\n"
    (claim,) = read_model_hub(text, "x.yaml").claims
    assert claim.figure.value == number


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- dataset: {id: fashion_mnist}\n  value: 191", "entry 1: accuracy 191 is outside"),
        ("- dataset: {id: fashion_mnist}", "entry 1: dataset.id and value are required"),
        ("- dataset: fashion_mnist\n  value: 1", "entry 1, dataset: must be a mapping"),
        ("- a\n- b", "entry 1: must be a mapping"), ("a: 1", "neither a list of results nor"),
        ("- [", "not valid YAML"), ("- &a [*a, *a]", "aliases"), ("[" * 5000, "not valid YAML"),
        ("model-index: 5", "model-index: must be a list"),
        ("model-index:\n- name: x\n  results:\n  - dataset: {name: x}\n    metrics: [{type: a}]",
         "a metric has no value"),
        ("x" * (MAX_LENGTH + 1), "more than"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        read_model_hub(text, "bad.yaml")
    assert str(error.value).startswith("bad.yaml")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_yaml_tags_build_no_objects() -> None:
    text = "- dataset: {id: fashion_mnist}\n  value: !!python/object/apply:os.getcwd []\n"
    assert not read_model_hub(text, "x.yaml").claims
    assert yaml.safe_load(EVAL_RESULTS)[0]["value"] == 91.2  # the decimal that it would lose


@pytest.mark.parametrize(
    ("split", "n_claims"), [("evaluation", 1), ("device", 1), ("val", 0), ("dev", 0), ("train", 0)]
)
def test_only_whole_words_name_a_split_of_other_images(split: str, n_claims: int) -> None:
    text = f"- dataset:\n    id: fashion_mnist\n    split: {split}\n  value: 91.2\n"
    assert len(read_model_hub(text, "x.yaml").claims) == n_claims


def test_the_text_of_a_card_does_not_turn_a_figure_of_the_validation_into_one_of_the_test() -> None:
    card = (
        "---\nmodel-index:\n- name: vit\n  results:\n  - dataset:\n      name: fashion_mnist\n"
        "      split: {split}\n    metrics:\n    - type: accuracy\n      value: 0.9475\n---\n"
        "It achieves the following results on the evaluation set:\n- Accuracy: 0.9475\n"
        "\nThe test accuracy is 94.1 %.\n"
    )
    found = read_input(card.replace("{split}", "validation"))
    assert [claim.figure.value for claim in found.claims] == ["94.1%"]
    assert any("the model-index says that 0.9475" in note for note in found.notes)
    assert len(read_input(card.replace("{split}", "test")).claims) > 1
