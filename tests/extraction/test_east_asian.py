"""Tests that results in Chinese and Japanese texts are read."""

from __future__ import annotations

import pytest

from fmbench.errors import UserError
from fmbench.extraction.east_asian import translate
from fmbench.extraction.read import read_input


def show(text):
    """Return (label, figure) of each claim of a text."""
    return [(claim.label, claim.figure.printed) for claim in read_input(text).claims]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("最终模型在测试集上取得约 90.53% 的分类准确率。", [("", "about 90.53%")]),
        ("LeNet-5的准确率为90.6%。", [("LeNet-5", "90.6%")]),
        ("- 训练脚本：完整运行，测试集准确率约 `0.8802`", [("", "about 0.8802")]),
        ("卷积神经网络的准确率最高为94.15%。", [("convolutional neural network", "94.15%")]),
        ("测试集准确率：83.76％", [("", "83.76%")]),
        ("最终loss：0.3897，准确率：84.22%", [("", "84.22%")]),
        ("SVC准确率86.0%，CNN准确率减少13.3%。", [("SVC", "86.0%")]),
        ("测试准确率90.6%。不能写准确率95%。", [("", "90.6%")]),
        ("其中一些可以达到95%以上的准确率。CNN的准确率为90.6%。", [("CNN", "90.6%")]),
    ],
)
def test_accuracies_in_sentences_are_read(text, expected):
    assert show(f"# Fashion-MNIST 分类\n\n这是一个数据集的介绍。\n\n{text}\n") == expected


@pytest.mark.parametrize(
    "heads",
    [
        "| 算法 | Fashion测试集准确率 | 经典MNIST测试集准确率 |",
        "| 分類器 | Fashion テスト精度 | MNIST テスト精度 |",
        "| 方案 | Fashion测试集准确率 | MNIST 测试集准确率 |",
    ],
)
def test_heads_of_tables_are_read(heads):
    table = f"{heads}\n|-|-|-|\n| SVC | 0.897 | 0.98 |\n| CNN | 0.916 | 0.99 |\n"
    assert show(table) == [("SVC", "0.897"), ("CNN", "0.916")]


@pytest.mark.parametrize(
    "text",
    [
        "训练集准确率：99.1%",
        "验证集准确率为93.2%。",
        "M=2、4、6 的准确率如下：",
        "准确率提升了1.2%。",
        "MNIST太简单了，准确率已经达到99.6%。",
        "# 参考\n- [Fashion MNIST 94% accuracy](https://a.b/c)",
    ],
)
def test_what_is_no_test_accuracy_is_not_taken(text):
    found = read_input(f"介绍。\n\n{text}\n\nSVC的准确率为89.7%。\n" if "#" not in text
                       else f"SVC的准确率为89.7%。\n\n{text}\n")  # fmt: skip
    assert [claim.figure.printed for claim in found.claims] == ["89.7%"]


def test_other_texts_stay_as_they_are_and_lines_stay_in_their_places():
    text = "LeNet-5 reaches 90.6 %.\n\n  über — “quoted”\n"
    assert translate(text) == text
    text = "# 结果\n\n准确率：90%\n\n  训练\n"
    assert translate(text).count("\n") == text.count("\n")


def test_a_sentence_without_a_metric_is_no_label():
    text = "判断一个方法能否实际使用的标准其实很简单：85%已经不能用了。"
    assert show(text + "\nSVC: 89.7%\n") == [("SVC", "89.7%")]
    assert show("新模型: 85.5%\nSVC: 89.7%\n") == [("新", "85.5%"), ("SVC", "89.7%")]


def test_a_scheme_is_the_name_beside_a_column_of_other_words():
    table = "| 阶段 | 方案 | Fashion-MNIST 准确率 |\n|-|-|-|\n| 早期 | CNN | 91.1% |\n"
    assert show(table) == [("CNN", "91.1%")]


def test_low_precision_and_bounds_for_some_models_are_not_taken():
    with pytest.raises(UserError, match="quantised"):
        read_input("Fashion-MNIST\n8位精度下CNN准确率78.6%。\n")
    text = "一些模型，其中一些可以达到95%以上的准确率。\n\nCNN的准确率为90.6%。"
    assert show(f"Fashion-MNIST\n{text}\n") == [("CNN", "90.6%")]
