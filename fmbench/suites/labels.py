"""Takes the name of a model apart into words and parameters, however people write it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# From what people write (lower case, words in the singular) to one word. Longer ones come first.
_PHRASES: tuple[tuple[str, str], ...] = (
    ("extremely randomi[sz]ed trees|extra trees", "extratrees"),
    ("extremely randomi[sz]ed tree|extra tree", "extratree"),
    ("hist(?:ogram)? (?:based )?gradient boosting", "histgradientboosting"),
    ("gradient boost(?:ing|ed)(?: decision)?(?: (?:tree|machine))?|gbm|gbdt|gbt|gbc",
     "gradientboosting"),
    ("(?:random )?(?:decision )?forest|rf|rfc", "randomforest"),
    ("decision tree|dt|dtc|cart", "decisiontree"),
    ("(?:softmax|multinomial logistic|multinomial|maximum entropy) (?:logistic )?regression",
     "softmaxregression"),
    ("logistic regression|logreg|log reg|logit|lr", "logisticregression"),
    ("gaussian (?:naive baye|nb)|gnb", "gaussiannb"),
    ("naive baye|nb", "naivebayes"),
    ("stochastic gradient descent|sgd", "sgd"),
    ("histogram of (?:the )?oriented gradient(?: feature)?|hog(?: feature)?", "hog"),
    ("(?:multi ?class )?support vector (?:machine|classification|classifier)|(?:multi ?class )?svm",
     "svm"),
    ("k ?(?:nearest )?(?:neighbor|nn)|nearest neighbor|knn", "knn"),
    ("le ?net", "lenet"),
    ("mlp classifier", "mlpclassifier"),
    ("multi ?layer(?:ed)? perceptron|mlp", "mlp"),
    ("convolution(?:al)? (?:neural )?network|convolution(?:al)? neural net|conv ?net|cnn", "cnn"),
    ("(?:deep|artificial|feed ?forward|fully connected|dense)? ?neural net(?:work)?|dnn|ann|fcnn"
     "|fully connected network|dense network|deep network", "nn"),
    ("batch ?norm(?:ali[sz]ation|ali[sz]ed)?|bn", "bn"),
    ("(?:residual )?(?:skip|shortcut)(?: connection)?|residual(?: connection)?", "skip"),
    ("long short term memory|lstm", "lstm"),
    ("evolutionary deep learning(?: framework)?|eden", "eden"),
    ("res ?ne ?xt", "resnext"), ("(?:wide )?res ?net|wrn|residual network", "resnet"),
    ("dense ?net", "densenet"), ("alex ?net", "alexnet"),
    ("goog ?le ?net|google ?net", "googlenet"),
    ("mobile ?net", "mobilenet"), ("efficient ?net", "efficientnet"),
    ("squeeze ?net", "squeezenet"), ("shuffle ?net", "shufflenet"),
    ("caps(?:ule)? ?net(?:work)?", "capsnet"), ("xg ?boost|xgb", "xgboost"),
    ("light ?gbm|lgbm", "lightgbm"), ("cat ?boost", "catboost"), ("ada ?boost", "adaboost"),
    ("vision transformer|vit", "transformer"),
    ("proposed(?: (?:model|method|approach|architecture|framework))?", "proposed"),
    ("our (?:model|method|approach|architecture|framework)", "ours"), ("k ?mean", "kmeans"),
)  # fmt: skip
_SPELLINGS = [(re.compile(rf"\b(?:{pattern})\b"), word) for pattern, word in _PHRASES]

# Models that no runner is, and names that say nothing about the model.
_OTHER_MODELS = frozenset(
    {
        "resnet", "resnext", "densenet", "alexnet", "googlenet", "inception", "xception",
        "mobilenet", "efficientnet", "squeezenet", "shufflenet", "capsnet", "vgg", "transformer",
        "xgboost", "lightgbm", "catboost", "adaboost", "bagging", "gru", "rnn", "autoencoder",
        "gan", "bert", "automl", "denser", "ensemble", "human",
        "spinalnet", "darts", "nasnet", "unet", "qda", "lda", "kmeans",
    }
)  # fmt: skip
# What authors call a model of their own. Beside the name of a model it says that it was changed.
OWN_MODELS = frozenset({"ours", "proposed"})
# Words without which a label means the same.
_FILLERS = frozenset(
    {
        "classifier", "classification", "model", "algorithm", "method", "approach", "architecture",
        "framework", "network", "layer", "activation", "function", "kernel", "feature", "the", "a",
        "an", "and", "with", "using", "of", "for", "on", "in", "by", "based", "our", "own", "this",
        "work", "paper", "et", "al", "original", "vanilla", "standard", "basic", "baseline",
        "plain", "unmodified", "sklearn", "scikit", "learn", "max", "maximum",
    }
)  # fmt: skip

# How labels name a parameter, and its name in the recipes.
_PARAMETER_NAMES = {
    "k": "n_neighbors", "neighbors": "n_neighbors", "neighbours": "n_neighbors", "c": "C",
    "trees": "n_estimators", "estimators": "n_estimators", "depth": "max_depth",
    "lr": "learning_rate", "batch": "batch_size", "hidden": "hidden_layer_sizes",
    "metric": "p", "distance": "p", "regularization": "penalty", "optimiser": "optimizer",
}  # fmt: skip
_KNOWN_PARAMETERS = {
    *_PARAMETER_NAMES, "n_neighbors", "weights", "p", "kernel", "gamma", "n_estimators",
    "criterion", "max_depth", "splitter", "penalty", "loss", "hidden_layer_sizes", "activation",
    "optimizer", "epochs", "batch_size", "learning_rate", "max_iter", "multi_class", "priors",
}  # fmt: skip
# Values that name their parameter themselves.
_VALUES: tuple[tuple[str, str, Any], ...] = (
    (r"manhattan(?: distance)?|city ?block|l1 distance", "p", 1),
    (r"euclid(?:ean|ian)(?: distance)?|l2 distance", "p", 2),
    (r"cosine(?: distance| similarity)?", "metric", "cosine"),
    (r"(?:weighted by|weighted with) distance|distance weight(?:ed|s)", "weights", "distance"),
    (r"uniform weights|unweighted|not weighted", "weights", "uniform"),
    (r"rbf(?: kernel)?|radial basis(?: function)?(?: kernel)?|gaussian kernel", "kernel", "rbf"),
    (r"poly(?:nomial)?(?: kernel)?", "kernel", "poly"),
    (r"linear kernel|kernel linear", "kernel", "linear"),
    (r"sigmoid kernel", "kernel", "sigmoid"),
    (r"elastic ?net", "penalty", "elasticnet"),
    (r"l1(?: penalty| regulari[sz]ation)?|lasso", "penalty", "l1"),
    (r"l2(?: penalty| regulari[sz]ation)?|ridge", "penalty", "l2"),
    (r"entropy", "criterion", "entropy"),
    (r"gini", "criterion", "gini"),
)
_COUNTS: tuple[tuple[str, str], ...] = (
    (r"(\d+) (?:decision )?(?:trees|estimators)", "n_estimators"),
    (r"(\d+) epochs?", "epochs"),
    (r"(\d+) (?:hidden )?(?:units|neurons|hidden nodes)", "hidden_layer_sizes"),
    (r"(?:max(?:imum)? )?depth (?:of )?(\d+)", "max_depth"),
    (r"(\d+) neighbou?rs", "n_neighbors"),
)
_VALUE_WORDS = {
    "adam": "optimizer", "rmsprop": "optimizer", "adamax": "optimizer", "sgd": "optimizer",
    "relu": "activation", "tanh": "activation", "sigmoid": "activation", "elu": "activation",
    "linear": "kernel",
}  # fmt: skip
# "LeNet-5++", "SVC+" and "LeNet-5'" are variants; "HOG+SVM", "authors' SVM" and "'SVC'" are not.
_PLUS = re.compile(r"(?<=[\w)])(?:\+{2,3}|\+(?=\s*(?:$|[)\],;:])))")
_PRIME = re.compile(r"(?<=[^\W_s])(?:['’′]{1,3})(?=\s*(?:$|[(\[)\],;:+]))")
_OPENING_QUOTE = re.compile(r"(?<!\w)['‘’]\w")
# "LeNet-5 (ours)": the authors' own run of the model.
_OWN_RUN = re.compile(r"[(\[]\s*ours?\s*[)\]]\s*$", re.IGNORECASE)
_PAIR = re.compile(
    r"[\"']?\b([a-z][a-z0-9_]*)[\"']?\s*([=:])\s*(\[[^\]]*\]|\([^)]*\)|[\"'][^\"']*[\"']|[\w.+-]+)"
)


@dataclass(frozen=True)
class ParsedLabel:
    """The words of a label, in its order, and the parameters that it states.

    The mark of a variant, such as ``++``, is the last of the words.
    ``other_model`` is the word that names a model which no runner is; empty if there is none.
    """

    words: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    other_model: str = ""

    def explain(self, rest: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """Return the stated parameters, with those words of ``rest`` that are values.

        The second part is what remains.
        """
        stated, unexplained = dict(self.parameters), []
        for word in rest:
            if word.isdigit() and "knn" in self.words:
                stated["n_neighbors"] = int(word)
            elif word.isdigit() and "randomforest" in self.words:
                stated["n_estimators"] = int(word)
            elif word.isdigit() and {"mlp", "mlpclassifier"} & set(self.words):
                sizes = stated.get("hidden_layer_sizes", [])
                stated["hidden_layer_sizes"] = [*sizes, int(word)]
            elif word in _VALUE_WORDS:
                stated[_VALUE_WORDS[word]] = word
            else:
                unexplained.append(word)
        return stated, unexplained


def simplify(label: str) -> str:
    """Return a label in lower case without blanks, accents and punctuation, to compare it.

    The mark of a variant stays: ``LeNet-5'`` is another model than ``LeNet-5``.
    """
    simple = re.sub(r"[^\w+=]+|_", "", _fold(label))
    mark = find_variant_mark(label)
    return simple if "+" in mark else f"{simple}{mark}"


def find_variant_mark(label: str) -> str:
    """Find the mark behind a name that means a changed model: ``++``, ``+`` or ``'``; or none."""
    text = _drop_citation(unicodedata.normalize("NFKC", label))
    if match := _PLUS.search(text):
        return match.group()
    match = _PRIME.search(text)
    if match is None or _OPENING_QUOTE.search(text[: match.start()]):
        return ""
    return "'" * len(match.group())


def is_same_value(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are the same: 10 and 10.0, (100,) and [100]."""
    if isinstance(a, list) or isinstance(b, list):
        a, b = (list(x) if isinstance(x, list | tuple) else [x] for x in (a, b))
        return len(a) == len(b) and all(map(is_same_value, a, b))
    if isinstance(a, str) or isinstance(b, str):
        return str(a).casefold() == str(b).casefold()
    return a == b


@lru_cache(maxsize=4096)
def parse_label(label: str) -> ParsedLabel:
    """Take a label apart."""
    text = _OWN_RUN.sub("", _drop_citation(unicodedata.normalize("NFKC", label)))
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=[a-z]{2})(?=[A-Z]{2})",
                  " ", text)  # fmt: skip
    text = _fold(text)
    text = re.sub(r"\b(\d{1,9})[- ]?(?:nn|nearest[- ]neighbou?rs?)\b", r"knn k=\1", text)
    parameters: dict[str, Any] = {}
    text = re.sub(r"(?<![a-z])lr[ _]+(?=0?\.\d|\d+e)", "lr=", text)  # no logistic regression
    text = _take_pairs(text, parameters)
    text = _take_values(text.replace("-", " "), parameters)
    words = [*_split_words(text), *filter(None, [find_variant_mark(label)])]
    other = next((word for word in words if word in _OTHER_MODELS), "")
    return ParsedLabel(tuple(words), parameters, other)


def _drop_citation(text: str) -> str:
    return re.sub(r"\[\d+(?:\s*[,–-]\s*\d+)*\]$", "", text.strip()).strip()


def _fold(text: str) -> str:
    """Return lower case without accents, with plain hyphens."""
    text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(c for c in text if not unicodedata.combining(c))
    return re.sub(r"[‐-―−]", "-", text)


def _take_pairs(text: str, parameters: dict[str, Any]) -> str:
    """Remove ``name=value`` from the text and add it to the parameters."""

    def take(match: re.Match[str]) -> str:
        name, sign, printed = match.groups()
        if sign == ":" and name not in _KNOWN_PARAMETERS:
            return match.group()
        name = _PARAMETER_NAMES.get(name, name)
        value = _parse_value(printed.strip("\"'"))
        if name == "p" and isinstance(value, str):
            value = {"euclidean": 2, "manhattan": 1, "cityblock": 1}.get(value, value)
        if name == "hidden_layer_sizes" and not isinstance(value, list):
            value = [value]
        parameters[name] = value
        return " "

    return _PAIR.sub(take, text)


def _parse_value(text: str) -> Any:
    if text[:1] in "[(":
        items = [item.strip() for item in text[1:-1].split(",")]
        return [_parse_value(item.strip("\"'")) for item in items if item]
    if re.fullmatch(r"[+-]?\d{1,9}", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d{1,9}\.\d{0,9}|\.\d{1,9}|\d{1,9})(e[+-]?\d{1,2})?", text):
        return float(text)
    return text


def _take_values(text: str, parameters: dict[str, Any]) -> str:
    """Remove values that name their parameter, such as ``Euclidean`` or ``100 trees``."""
    for pattern, name in _COUNTS:
        if match := re.search(rf"\b{pattern}\b", text):
            value = int(match.group(1)[:9])
            parameters.setdefault(name, [value] if name == "hidden_layer_sizes" else value)
            text = f"{text[: match.start()]} {text[match.end() :]}"
    for pattern, name, value in _VALUES:
        if match := re.search(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])", text):
            parameters.setdefault(name, value)
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return text


def _split_words(text: str) -> list[str]:
    """Split into words: letters or digits, one word for what people write in several ways."""
    text = re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", " ", text)
    words = re.findall(r"[a-z]+|\d+", text)
    if "extra" not in words and "randomized" not in words and "randomised" not in words:
        words = [_make_singular(word) for word in words]
    joined = " ".join(word.replace("neighbour", "neighbor") for word in words)
    for pattern, word in _SPELLINGS:
        joined = pattern.sub(word, joined)
    return [word for word in joined.split() if word not in _FILLERS]


def _make_singular(word: str) -> str:
    if word in OWN_MODELS or word in _OTHER_MODELS:  # "ours" and "darts" are no plurals
        return word
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
