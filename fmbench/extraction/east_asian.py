"""Writes the words for results in Chinese and Japanese texts in English, so that they are read.

Such texts have no blanks between words, which all other readers expect. Only words about results
are replaced; names and all other words stay as they are. No line is added or taken away.
"""

from __future__ import annotations

import re

_LETTER = r"[\u3040-\u30ff\u3400-\u9fff]"
_WORDS = {
    "准确率": "accuracy", "正确率": "accuracy", "正解率": "accuracy", "准确度": "accuracy",
    "精度": "accuracy", "错误率": "error rate", "誤り率": "error rate", "精确率": "precision",
    "精准率": "precision", "查准率": "precision", "適合率": "precision", "召回率": "recall",
    "查全率": "recall", "再現率": "recall", "损失": "loss", "損失": "loss",
    "测试数据集": "test set", "测试集": "test set", "测试数据": "test data",
    "テストセット": "test set", "テストデータ": "test data", "测试": "test", "テスト": "test",
    "训练数据集": "training set", "训练集": "training set", "训练数据": "training data",
    "訓練セット": "training set", "訓練データ": "training data", "训练": "training",
    "訓練": "training", "相比": "compared with", "相较于": "compared with",
    "验证集": "validation set", "验证": "validation", "検証データ": "validation data",
    "检验集": "validation set", "数据集": "dataset", "データセット": "dataset",
    "学习率": "learning rate", "轮": "epochs", "误差": "difference",
    "最终": "final", "最高": "best", "最佳": "best", "最好": "best", "平均": "mean",
    "总体": "overall", "整体": "overall", "分类": "classification", "大约": "about",
    "大概": "about", "左右": "",
    "达到了": "reaches", "达到": "reaches", "取得了": "achieves", "取得": "achieves",
    "获得了": "achieves", "获得": "achieves", "得到": "achieves", "実現": "achieves",
    "达成": "achieves", "能够": "can", "可以": "can",
    "提升了": "improved by", "提升": "improved by", "提高了": "improved by", "提高": "improved by",
    "下降了": "decreased by", "下降": "decreased by", "减少了": "decreased by",
    "减少": "decreased by", "降低了": "decreased by", "降低": "decreased by",
    "增加了": "increased by", "增加": "increased by", "方案": "method", "实验结果": "results",
    "实验": "experiment",
    "不可避免": "inevitably", "不可能": "cannot", "不可以": "cannot", "不可": "cannot",
    "不能": "cannot", "无法": "cannot", "不要": "do not", "其中一些": "some of them",
    "其中有些": "some of them", "以上": "or more", "目标": "target",
    "官方": "official", "基线": "baseline", "预期": "expected", "期望": "expected",
    "卷积神经网络": "convolutional neural network", "支持向量机": "support vector machine",
    "多层感知机": "multilayer perceptron", "随机森林": "random forest", "决策树": "decision tree",
    "逻辑回归": "logistic regression", "算法": "method", "模型": "model", "モデル": "model",
    "分类器": "classifier", "分類器": "classifier",
}  # fmt: skip
_WORD = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)))
_SIGNS = str.maketrans(
    {
        "\uff0c": ", ", "\u3001": ", ", "\u3002": ". ", "\uff1a": ": ", "\uff1b": "; ",
        "\uff08": " (", "\uff09": ") ", "\uff05": "%", "\uff01": "! ", "\uff1f": "? ",
        "\u3010": "[", "\u3011": "]", "\u200b": "", "\u3000": " ",
    }
)  # fmt: skip
_REFERENCES = re.compile(
    r"^(?P<mark>[\s#*]*)(?:\u53c2\u8003|\u53c2\u8003\u6587\u732e|\u53c2\u8003\u8d44\u6599"
    r"|\u53c2\u8003\u94fe\u63a5|\u5f15\u7528)(?P<end>[\s*:\uff1a]*)$",
    re.MULTILINE,
)
_GAP = "\0"  # a blank that is added
_BORDER = re.compile(
    rf"(?<=[\w%)])(?<!{_LETTER})(?={_LETTER})|(?<={_LETTER})(?=[\w(+-])(?!{_LETTER})"
)
# Short words between what is English by now: "is", and those that need no word in English.
_IS = re.compile(r"(?<=[A-Za-z(])[ \0]*(?:\u4e3a|\u662f|\u306f)[ \0]*(?=[A-Za-z0-9])")
_PARTICLE = re.compile(
    r"(?<=[A-Za-z%])[ \0]+(?:\u7684|\u4e0a\u7684|\u4e0a|\u4e2d|\u4e86|\u5728|\u306e)[ \0]+(?=[\w%])"
)
_ABOUT = re.compile(r"\u7ea6(?=[ \0]*[`*]{0,3}[0-9])")
_BITS = re.compile(
    r"(?P<n>[0-9]+) ?\u4f4d(?:\u5bbd|\u5143)?\u7cbe\u5ea6(?:\u4e0b)?"
)  # 8-bit precision
_THAN = re.compile(r", ?\u6bd4(?!\u4f8b|\u8f83|\u8d5b)")  # not in words for share, compare, contest


_MAX_NAME = 8  # letters of such a script in the name of a model


def is_clause(text: str) -> bool:
    """Whether a text is Chinese or Japanese, and too long for the name of a model."""
    return len(re.findall(_LETTER, text)) > _MAX_NAME


def translate(text: str) -> str:
    """Return a text with the words for results in English; one without such letters is unchanged.

    ``LeNet-5\u7684\u51c6\u786e\u7387\u4e3a90.6%`` becomes ``LeNet-5 accuracy is 90.6%``.
    """
    if not re.search(_LETTER, text):
        return text
    text = _REFERENCES.sub(r"\g<mark>References\g<end>", text).translate(_SIGNS)
    text = _ABOUT.sub(f"{_GAP}about{_GAP}", _THAN.sub(f", compared with{_GAP}", text))
    text = _BITS.sub(rf"{_GAP}at \g<n> bits{_GAP}", text)
    text = _WORD.sub(lambda match: f"{_GAP}{_WORDS[match[0]]}{_GAP}", text)
    text = _BORDER.sub(_GAP, text)
    text = _PARTICLE.sub(_GAP, _IS.sub(f"{_GAP}is{_GAP}", text))
    text = re.sub(rf"^{_GAP}+|{_GAP}+(?=[.,:;!?%)]|$)", "", text, flags=re.MULTILINE)
    return re.sub(rf"(?: ?{_GAP}+)+ ?", " ", text)
