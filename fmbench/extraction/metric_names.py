"""Finds the metric that a column head, a row label or a phrase names, as people write it.

``Acc.``, ``top-1``, ``error rate``, ``TPR``, ``macro-F1``, ``Cohen's κ`` and ``Genauigkeit`` are
names of metrics. Names of figures that cannot be judged (``top-5 accuracy``, ``AUC``, a loss, an
accuracy gained) are recognised too, so that they are not taken for the accuracy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from fmbench.extraction.found import Average
from fmbench.utils.printable import write_on_one_line

MAX_LENGTH = 500  # of a head or a phrase, in characters


@dataclass(frozen=True)
class MetricName:
    """A metric as a document names it.

    ``metric`` is a name in :data:`fmbench.metrics.registry.METRICS`. ``average`` is the average
    over the classes, if the text says it. ``per_class``: the text says that each figure is of one
    class. ``is_error_rate``: the figures are 1 - metric. ``percent``: whether the text says that
    the figures are percentages (``None``: it does not say). ``remark`` is for people.
    """

    metric: str
    average: Average | None = None
    per_class: bool = False
    is_error_rate: bool = False
    percent: bool | None = None
    remark: str = ""


@dataclass(frozen=True)
class MetricMention:
    """A metric's name inside a text, from ``start`` to ``end``.

    ``name`` is ``None`` if figures of this kind are not judged: a top-5 accuracy, a loss, a gain.
    ``is_training``: it is of training or validation images.
    """

    start: int
    end: int
    text: str
    name: MetricName | None
    is_training: bool = False


_CLASS_RECALL = MetricName(
    "recall", per_class=True, remark="the accuracy within one class is the recall of the class"
)
_MEAN_CLASS_RECALL = MetricName(
    "balanced accuracy",
    remark="the mean of the classes' accuracies is the balanced accuracy (macro recall)",
)
_ACCURACY = MetricName("accuracy")
_ERROR = MetricName("accuracy", is_error_rate=True)
_TOP_1 = MetricName("accuracy", remark="top-1 accuracy is the accuracy")
_PRECISION_AT_1 = MetricName("accuracy", remark="'precision at 1' is the top-1 accuracy")

# Also misspelt: accuray, acurracy, accurrancy.
_ACC = r"(?:accurac(?:y|ies)|a(?:cc?ur|ccurr)(?:ra|a)(?:cy|y|ncy)|acc(?:ur)?(?:s\b)?\.?)"
_ERR = r"(?:errors?(?: rates?)?|err\.?)"
_AVERAGED = r"(?:(?:macro|weighted|micro)(?:[ -]?(?:averaged?|avg\.?|mean))?|unweighted)"
_PER_CLASS = (
    r"(?:per[ -]class|class[ -]?wise|category[ -]wise|per[ -]category|(?:each|every) class)"
)

# The first pattern that matches at a place counts, so longer names stand before shorter ones.
_PATTERNS: tuple[tuple[str, MetricName | None], ...] = (
    # Not judged, although the names contain those of other metrics.
    (rf"top[ -]?@?(?:[3-9]|[1-9][0-9]+|k|n)\b[ -]?(?:{_ACC}|{_ERR}|classification)?", None),
    (rf"(?:{_ACC}|{_ERR}|precision|prec|p|recall|r) ?@ ?(?:[2-9]|[1-9][0-9]+|k)", None),
    (r"(?:r\.?m\.?s\.?e|root[ -]mean[ -]squared?[ -](?:errors?|deviations?))", None),
    (r"(?:roc[ -]?auc|auc(?:[ -]?roc)?|auroc|area under (?:the )?(?:roc )?curves?)", None),
    (
        r"(?:mean average precision|(?-i:mAP)"
        r"|(?<!macro[ -])(?<!micro[ -])(?<!weighted[ -])(?:average|avg\.?) precision)",
        None,
    ),
    (r"(?:npv|negative predictive value)", None),
    (r"(?:(?:quadratic(?:ally)? |linear(?:ly)? )?weighted kappa|qwk|fleiss'? kappa)", None),
    (rf"(?:robust|adversarial|certified|attacked?|pgd|fgsm)[ -]{_ACC}", None),
    (rf"{_ACC} (?:under|against|after) (?:an? )?(?:\w+ )?(?:attack|noise|perturbation)s?", None),
    (
        rf"(?:{_ACC}|{_ERR}) (?:gains?|drops?|loss(?:es)?|differen(?:ces?|t)|diff\b"
        r"|improvements?|increases?|decreases?|gaps?|reductions?|degradations?|curves?|bars?|messages?)"
        r"(?! (?:from|to|by)\b)",
        None,
    ),
    (
        rf"(?:gains?|drops?|differences?|improvements?|increases?|decreases?|gaps?|reductions?"
        rf"|losses|loss|degradations?|change) (?:in|of) (?:the |test |overall )*(?:{_ACC}|{_ERR})",
        None,
    ),
    (rf"(?:delta|[δ∆]) ?(?:{_ACC}|{_ERR})", None),
    (
        r"(?:standard|percentage|absolute|relative|reconstruction|quantization|approximation"
        r"|measurement|regression|rounding|estimation|numerical|type[ -](?:i+|[12])) errors?",
        None,
    ),
    (
        rf"(?:std\.?(?:[ -]?dev\.?)?|stdev|stddev|standard[ -]deviation|variance)(?: in| of)?"
        rf"(?: the)?(?: test)? (?:{_ACC}|{_ERR})"
        rf"|(?:{_ACC}|{_ERR}) (?:std\b|stdev|stddev|standard deviation)",
        None,
    ),
    # How far a network's own numbers are off, and labels that a model gives to images without any.
    (
        r"(?:pixel(?:[ -]?wise)?|weights?|quant(?:i[sz](?:ed|ation))?|logits?|latent|features?"
        r"|recon(?:structions?)?)[ -]m\.?[sa]\.?e"
        r"|m\.?[sa]\.?e[ -](?:(?:of|de|der|du|della?) )?(?:the |la )?r[e\u00e9]?[ck]onstru\w+",
        None,
    ),
    # How far the probabilities are off, not the classes.
    (rf"(?:expected |max(?:imum)? )?cal(?:ib(?:r(?:ation)?)?)?\b\.?[ -]{_ERR}|(?-i:ECE|MCE)", None),
    (rf"(?:pseudo[ -]?)?label(?:l?ing)[ -]{_ACC}|pseudo[ -]?labels?[ -]{_ACC}", None),
    (r"(?:log[ -]?loss|cross[ -]entropy(?: loss)?|loss(?:es)?)", None),
    # Errors in the class numbers, and the balanced error rate.
    (r"(?:m\.?s\.?e|mean[ -]squared?[ -](?:errors?|deviations?))", MetricName("mse")),
    (r"(?:m\.?a\.?e|mean[ -]absolute[ -](?:errors?|deviations?))", MetricName("mae")),
    (
        rf"(?:balanced {_ERR}|half total error rate|(?-i:BER))",
        MetricName(
            "balanced accuracy",
            is_error_rate=True,
            remark="the balanced error rate is 1 - balanced accuracy",
        ),
    ),
    # Accuracies that are not the accuracy.
    (rf"(?:balanced[ -]{_ACC}|b(?:al)?[ -]?acc\b\.?)", MetricName("balanced accuracy")),
    (
        rf"(?:one[ -](?:vs\.?|versus|against)[ -](?:the[ -])?(?:rest|all)|ov[ar]|binary)[ -]{_ACC}",
        MetricName("one-vs-rest accuracy"),
    ),
    (rf"top[ -]?@?2\b[ -]?(?:{_ACC})?", MetricName("top-2 accuracy")),
    (
        rf"(?:(?:mean|average|avg\.?|{_AVERAGED})[ -])(?:{_PER_CLASS}|class)[ -]{_ACC}"
        rf"|(?:mean|average) {_ACC} (?:per|of the|of all|over(?: the| all)?) class(?:es)?"
        rf"|macro(?:[ -](?:averaged?|avg\.?))?[ -]{_ACC}|(?-i:MCA)",
        _MEAN_CLASS_RECALL,
    ),
    (
        rf"(?:{_PER_CLASS}|class|category)(?:'s)?[ -]{_ACC}|{_ACC} (?:per|by|of (?:the|each|every)"
        rf"|for each|within (?:the|each)) (?:class|category)",
        _CLASS_RECALL,
    ),
    # Error rates.
    (rf"top[ -]?@?1\b[ -]?(?:(?:classification|test) )*(?:{_ERR})", _ERROR),
    (rf"(?:{_ERR}) ?@ ?1", _ERROR),
    (
        r"(?:false[ -]positive rate|fpr|fall[ -]?out)",
        MetricName("specificity", is_error_rate=True, remark="1 - specificity"),
    ),
    (
        r"(?:false[ -]negative rate|fnr|miss rate)",
        MetricName("recall", is_error_rate=True, remark="1 - recall"),
    ),
    (
        r"(?:false[ -]discovery rate|fdr)",
        MetricName("precision", is_error_rate=True, remark="1 - precision"),
    ),
    (
        r"(?:mis-?classification|error)[ -]rates?|(?:mis-?classification|(?:mis-?)?classification"
        rf"|test(?:ing)?(?: set)?|prediction|recognition|generali[sz]ation) (?:{_ERR})"
        r"|fehlerrate|fehlerquote|taux d'erreur|tasa de error|taxa de erro",
        _ERROR,
    ),
    # Metrics of a class.
    (r"(?:sensitivity|tpr|true[ -]positive rate|hit[ -]rate|recalls?)", MetricName("recall")),
    (r"(?-i:UAR)|unweighted average recall", MetricName("recall", average="macro")),
    (r"(?:specificity|tnr|true[ -]negative rate|selectivity|inverse recall)",
     MetricName("specificity")),
    (r"(?:prec(?:ision)?|p) ?@ ?1", _PRECISION_AT_1),
    (r"(?:pr[eé]cision globale|precision global)", _ACCURACY),
    # Not "full-precision weights".
    (r"(?<!full[ -])(?<!half[ -])(?<!low[ -])(?<!mixed[ -])(?<!single[ -])(?<!double[ -])"
     r"(?:ppv|positive predictive value|precisions?|prec\b\.?|precisi[oó]n)",
     MetricName("precision")),
    (r"(?:f[ -]?1(?:[ _-]?(?:scores?|measures?|values?))?|f[ -](?:scores?|measures?))",
     MetricName("f1")),
    (r"(?:informedness|youden(?:'s)?(?: (?:j|index|statistic)(?: statistic)?)?"
     r"|bookmaker informedness|deltap)", MetricName("informedness")),
    # Metrics of all images.
    (r"(?:m\.?c\.?c|matthews(?:'s?)?(?: correlation)?(?: coefficients?)?"
     r"|phi coefficient)", MetricName("mcc")),
    (r"(?:cohen(?:'s)?[ -])?(?:kappa|κ)(?:[ -](?:scores?|coefficients?|statistics?|values?"
     r"|index))?", MetricName("kappa")),
    (rf"top[ -]?@?1\b[ -]?(?:{_ACC})?|(?:{_ACC}) ?@ ?1|acc[ -]?1", _TOP_1),
    (
        rf"{_ACC}|(?:correct )?(?:classification|recognition|success) rates?|(?-i:CCR|OA)"
        r"|rate of correct (?:classifications?|predictions?)|correctly classified"
        r"|(?:klassifikations|treffer|test|gesamt)?genauigkeit|exactitude|exactitud|acur[aá]cia"
        r"|accuratezza|nauwkeurigheid|dokładność|准确率|正确率|正解率",
        _ACCURACY,
    ),
    (rf"{_ERR}", _ERROR),
)  # fmt: skip
_MENTIONS = re.compile(
    "|".join(
        rf"(?P<m{i}>(?<![^\W_])(?:{pattern})(?![^\W_]))" for i, (pattern, _) in enumerate(_PATTERNS)
    ),
    re.IGNORECASE,
)
# Counts of images: only as a whole head, since "correct" and "errors" have other uses in phrases.
_NUMBER_OF = r"(?:# ?|(?:no\.|number) (?:of )?)"
_COUNTS = (
    (
        rf"{_NUMBER_OF}?(?:correct(?:ly classified)?|hits)(?: images| predictions)?",
        MetricName("correct"),
    ),
    (
        rf"{_NUMBER_OF}(?:errors|wrong|mistakes|misclassifi(?:ed|cations?))(?: images)?"
        r"|misclassified(?: images)?|wrong(?: images)?|mistakes",
        MetricName("errors"),
    ),
)

_TRAINING_WORD = (
    r"(?:train(?:ing)?|val(?:id(?:ation)?)?|dev(?:elopment)?|(?<!cross[ -])validation"
    r"|oob|out[ -]of[ -]bag)"
)
_TRAINING = re.compile(rf"(?<![^\W_]){_TRAINING_WORD}(?![^\W_])", re.IGNORECASE)
_CROSS_VALIDATION = re.compile(r"cross[ -]?validat\w+|k[ -]?fold\w*|\d+[ -]?folds?", re.IGNORECASE)
_TEST = re.compile(
    r"(?<![^\W_])(?:test(?:ing|s)?|eval(?:uation)?|held[ -]?out|hold[ -]?out|unseen)(?![^\W_])",
    re.IGNORECASE,
)
_NOT_OF_TRAINING = re.compile(
    r"(?<![^\W_])(?:time|duration|minutes|seconds|hours|speed|epochs?|iterations?|loss|size|images"
    r"|samples|examples|parameters|params|cost|memory|split|ratio)(?![^\W_])",
    re.IGNORECASE,
)
_FILLING_WORD = re.compile(
    r"(?<![^\W_])(?:best|final|last|mean|avg|average|set|data|score|results?|on|the|max)(?![^\W_])",
    re.IGNORECASE,
)
# Of the mentions without a name, those that are shares or scores of the test images.
_UNJUDGED_SHARE = re.compile(
    r"top|@|auc|auroc|area|precision|\bmap\b|npv|predictive|kappa|qwk|robust|adversarial|certified"
    r"|attack|pgd|fgsm|noise|perturbation",
    re.IGNORECASE,
)
# What may stand directly before and after the name of a metric and says whose images they are.
_TRAINING_BEFORE = re.compile(
    rf"(?<![^\W_]){_TRAINING_WORD}(?: set| data| images| classification| overall)?\)?[ _:-]*$", re.I
)
_TRAINING_AFTER = re.compile(
    rf"^[ _(-]*(?:(?:on|in|during|of|for|at|while|from|over) )?(?:the |all )?"
    rf"(?:\w+ ){{0,2}}?{_TRAINING_WORD}(?![^\W_])"
    r"(?! (?:time|for|with|the|a|it|on|using)|:? ?[0-9])",
    re.I,
)
_AVERAGE_BEFORE = re.compile(rf"(?<![^\W_])({_AVERAGED})[ _-]*(?:test )?$", re.I)
_AVERAGE_AFTER = re.compile(rf"^[ _,(\[-]*({_AVERAGED})(?![^\W_])", re.I)


@lru_cache(maxsize=2_000)
def find_metric_name(text: str) -> MetricName | None:
    """Find the metric that a column head, a row label or a short phrase names.

    ``None`` if it names none, several, one that cannot be judged, or figures of training or
    validation images (see :func:`is_training_metric`).
    """
    plain = normalise_name(text)
    if is_training_metric(plain):
        return None
    mentions = list(find_mentions(plain))
    if any(mention.name is None for mention in mentions):
        return None
    percent = _find_percent(plain)
    bare = re.sub(r"[(\[]?[ ]*(?:%|in percent|percent(?:age)?)[ ]*[)\]]?", "", plain).strip(" :.-")
    for pattern, name in _COUNTS:
        if percent is None and re.fullmatch(pattern, bare, re.IGNORECASE):
            return name
    named = [mention.name for mention in mentions if mention.name is not None]
    if len({(name.metric, name.is_error_rate) for name in named}) != 1:
        return None
    name = named[0]
    per_class = name.per_class or (
        name.metric != "balanced accuracy" and re.search(_PER_CLASS, plain, re.I) is not None
    )
    average = None if name.metric == "balanced accuracy" else name.average or _find_average(plain)
    return replace(name, average=average, per_class=per_class, percent=percent)


@lru_cache(maxsize=2_000)
def is_training_metric(text: str) -> bool:
    """Whether a column's head or a phrase names figures of training or validation images.

    ``train acc``, ``val_accuracy``, ``Train (%)`` are. ``train/test accuracy``, ``training time``
    and ``cross-validation accuracy`` are not.
    """
    plain = _CROSS_VALIDATION.sub(" ", normalise_name(text))
    if not _TRAINING.search(plain) or _TEST.search(plain):
        return False
    mentions = list(find_mentions(plain))
    if mentions:
        return any(mention.name is not None for mention in mentions)
    rest = _FILLING_WORD.sub("", _TRAINING.sub("", plain))
    return not _NOT_OF_TRAINING.search(plain) and not re.search(r"[^\W\d_]", rest)


def names_test_images(text: str) -> bool:
    """Whether a head or a key says that its figures are of the test images: ``test_acc``."""
    return _TEST.search(normalise_name(text)) is not None


def is_unjudged_share(text: str) -> bool:
    """Whether a head names shares of images or scores that are not judged: ``Top-5``, ``AUC``.

    A loss, a difference and a spread are no such figures: nobody takes them for an accuracy.
    """
    return any(
        mention.name is None and _UNJUDGED_SHARE.search(mention.text)
        for mention in find_mentions(normalise_name(text))
    )


def find_mentions(text: str) -> Iterator[MetricMention]:
    """Find the names of metrics in one sentence, from left to right, none inside another."""
    for match in _MENTIONS.finditer(text[: 4 * MAX_LENGTH]):
        name = _PATTERNS[int(str(match.lastgroup)[1:])][1]
        before, after = text[max(0, match.start() - 40) : match.start()], text[match.end() :][:60]
        if name is not None:
            found = _AVERAGE_BEFORE.search(before) or _AVERAGE_AFTER.search(after)
            if found and name.average is None and name.metric != "balanced accuracy":
                name = replace(name, average=_name_average(found[1]))
        is_training = bool(_TRAINING_BEFORE.search(before) or _TRAINING_AFTER.search(after))
        yield MetricMention(match.start(), match.end(), match[0], name, is_training)


_STATISTIC = re.compile(
    r"(?:(?:mean|average|averaged|overall|total|final|best|highest|max|maximum|test) )*",
    re.IGNORECASE,
)
_MAX_BEGINNING = 60  # characters


def begins_with_metric(text: str) -> bool:
    """Whether a text begins with a metric: ``accuracy of``, ``mean accuracy of``."""
    mention = next(find_mentions(_STATISTIC.sub("", text[:_MAX_BEGINNING], count=1)), None)
    return mention is not None and mention.start == 0


@lru_cache(maxsize=2_000)
def normalise_name(text: str) -> str:
    """Write a head on one line; ``test_accuracy`` and ``testAccuracy`` become two words."""
    plain = unicodedata.normalize("NFKC", text[:MAX_LENGTH]).replace("\u2019", "'")
    plain = re.sub("[\u2010\u2011\u2012\u2013\u2212]", "-", plain)
    plain = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|_", " ", plain)
    return write_on_one_line(plain)


def _find_percent(text: str) -> bool | None:
    if re.search(r"%|(?<![^\W_])(?:percent(?:age)?s?|per cent|pct)(?![^\W_])", text, re.IGNORECASE):
        return True
    if re.search(r"\bfractions?\b|[(\[]\s*0(?:\.0)?\s*(?:-|,|to)\s*1(?:\.0)?\s*[)\]]", text, re.I):
        return False
    return None


def _find_average(text: str) -> Average | None:
    found = re.search(rf"(?<![^\W_])({_AVERAGED})(?![^\W_])", text, re.IGNORECASE)
    return _name_average(found[1]) if found else None


def _name_average(text: str) -> Average:
    lower = text.lower()
    return "micro" if lower[:5] == "micro" else "weighted" if lower[0] == "w" else "macro"
