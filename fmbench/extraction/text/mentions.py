"""Finds figures, models, data sets and classes in one sentence of running text.

:mod:`fmbench.extraction.text.decide` puts them together. A number is a figure only if nothing
beside it says that it is something else: a part of a name (``ResNet-18``), a parameter (``k=5``), a
size (``28x28``), a count (``10 epochs``), a year, a citation, a difference (``by 2.1 %``) or a
range.

All positions count characters of the sentence as :func:`clean_sentence` returns it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fmbench.extraction.class_names import find_class_number
from fmbench.extraction.data_set_names import IN_SENTENCES
from fmbench.extraction.figures import ABOUT, AT_LEAST, AT_MOST, normalise_signs
from fmbench.extraction.metric_names import MetricMention, find_mentions
from fmbench.extraction.text.model_names import MODEL, find_end_of_name

MAX_SENTENCE = 2000  # characters; the rest of a longer one is not read
FASHION = "Fashion-MNIST"
SIZE_OF_LAYER = "a size of a layer"
ONE_OF_LIST = "one of a list of values, as of folds or epochs"
END_OF_INTERVAL = "an end of an interval"
DIFFERENCE = "a difference"
FIRST_OF_TWO = "the first of two values"  # from 90.1 % to 92.2 %

_NUMBER = r"(?:[0-9]+(?:[.,'][0-9]+)*|(?<![0-9])[.,][0-9]+)(?:[eE]-[0-9]{1,2})?"
_PERCENT = r"(?:%|per ?cent\b|pct\b\.?|prozent\b|pour ?cent\b)"
_SPREAD = rf"(?: ?\(? ?(?:\+ ?/? ?-) ?{_NUMBER} ?{_PERCENT}? ?\)?|\([0-9]{{1,2}}\)(?! ?%))?"
_GROUPED = r"[0-9]{1,3}(?:[,'][0-9]{3})+|[0-9]+"
_FIGURE = re.compile(
    rf"(?<![\w.^/\\])(?<![A-Za-z)\]]-)(?<![0-9],)(?<![x×*] )"
    rf"(?:(?P<quotient>(?:{_GROUPED}) ?(?:/|(?:out )?of(?: the)?) ?(?:{_GROUPED})(?![\w%.,][0-9]?)"
    rf"(?: ?\( ?{_NUMBER} ?{_PERCENT} ?\))?)"
    rf"|\( ?{_NUMBER} ?\+ ?/? ?- ?{_NUMBER} ?\) ?{_PERCENT}"
    rf"|%?{_NUMBER} ?{_PERCENT}?{_SPREAD}(?: ?{_PERCENT})?)",
    re.IGNORECASE,
)
_CITATION = re.compile(
    r"\[(?:cite:? ?|refs?\.? ?)?[0-9][0-9,;\s-]{0,60}\]"
    r"|\((?:[^()%]{0,80}[ ,])?(?:19|20)[0-9]{2}[a-z]?\)"
)

# The sign "=" follows the version of a package: mkl=2.3=h1234.
_PART_OF_WORD_AFTER = re.compile(r"\w|-[A-Za-z]| ?x ?[0-9]|[.,][0-9]|'s\b|=\w")
_DECIMALS = re.compile(r"[0-9][.,][0-9]{1,2}(?![0-9])|\.[0-9]|(?<![0-9])0,[0-9]")

# Words that may stand between the name of a metric and its figure.
_LINK = (
    r"(?:of|is|was|are|were|at|to|reach(?:es|ed|ing)?|as|being|equals?|became|with|by|scores?"
    r"|values?|rates?|results?|averag(?:e|es|ed|ing)|avg|mean|obtained|achieve[sd]?|only|even|just"
    r"|high|low|close|an?|the|test|macro|weighted|micro|in|for|on|from|sets?|data|datasets?|images"
    r"|models?|network|proposed|method|approach|our|this|its|increas\w+|improv\w+|rose|found|be"
    r"|been|has|have|shows?|final|best|overall|total|percent|that|which)"
)
_BOUND_WORDS = re.compile(rf"(?:{AT_LEAST}|{AT_MOST}|{ABOUT}|as high as) ?$", re.IGNORECASE)
# Possessive, so that a long row of such words takes no longer than its length.
_CONNECTED = re.compile(
    rf"(?:(?>[\s()]*(?:{_LINK}(?!\w)|{AT_LEAST}|{AT_MOST}|{ABOUT}|[:=|,%])))*+[\s()]*",
    re.IGNORECASE,
)
_CONNECTED_BACK = re.compile(
    r"[\s()]*(?>(?:of|de|di|in|test|classification|overall|top-1|mean|average|averaged|as|the|for|macro"
    r"|weighted|micro|balanced|total)(?![a-z])[\s-]*)*+",
    re.IGNORECASE,
)
_CONJUNCTION_OR_VERB = (
    r"(?:and|or|but|while|whereas|versus|vs\.?|than|against|we|it|they|that|about|around|over"
    r"|under|nearly|only|respectively|compared|achiev\w+|obtain\w*|attain\w*|scor\w+|gets?|got"
    r"|yield\w*|gives?|gave|perform\w*|outperform\w*)"
)
_LINKED = re.compile(
    rf"(?>[\s()]*(?:{_LINK}(?!\w)|{_CONJUNCTION_OR_VERB}(?!\w)|[-:;=|,%<>~]))*+[\s()]*",
    re.IGNORECASE,
)
_MAX_LINK = 80  # characters between a metric and its figure
_REFERENCE_BEFORE = re.compile(
    r"(?:tables?|tab\.|figures?|figs?\.|sections?|sect?\.|eqs?\.|equations?|chapter|pages?|pp?\."
    r"|steps?|algorithm|appendix|refs?\.|lines?|versions?|v|no\.|nr\.|fold|layers?|block|experiment"
    r"|epochs?|seeds?|issue|class|label|category|gtx|rtx|python|keras|tensorflow|pytorch|cifar)"
    r"[\s#(]*(?:[0-9.]+ ?(?:and|,|-|to|\((?:especially|mainly|in particular|see)) ?)*$"
    r"|\b(?:arxiv|doi)[:\s]*$",
    re.IGNORECASE,
)
_UNIT_AFTER = re.compile(
    r"^[\s-]?(?:(?:independent|different|random|training|testing|test|hidden|convolutional|gray"
    r"|more|further|additional|image|of the|trainable|nearest|labell?ed|separate|repeated|output"
    r"|pca|lda|principal|feature|separate|individual|fully[- ]connected|such|total|learnable"
    r"|model) )*"
    r"(?:epochs?|runs?|trials?|seeds?|times|repetitions?|images?|pictures?|samples?|examples?"
    r"|instances?|layers?|classes|categories|labels?|seconds?|secs?|s|ms|minutes?|mins?|hours?|hrs?"
    r"|h|days?|px|pixels?|params?|parameters|weights|m|k|b|mb|gb|kb|gib|mib|million|billion"
    r"|thousand|neurons?|units?|nodes?|filters?|maps?|kernels?|channels?|trees?|neighbou?rs|steps?"
    r"|iterations?|components?|batches|gpus?|cpus?|cores?|bits?|dimensions?|features?|folds?|models?|networks?"
    r"|blocks?|experiments?|configurations?|connections|participants|persons|people|annotators"
    r"|years?|papers?|datasets?|data sets?|splits?|fold|tokens?)(?![\w])",
    re.IGNORECASE,
)
# 19 accuracies; the 19 published values
_COUNTED_AFTER = re.compile(
    r"^\s(?:[a-z-]+\s){0,2}?(?:accuracies|errors|scores|figures|results|values|metrics|numbers|rows"
    r"|columns|tables|claims|methods|classifiers|architectures|algorithms|approaches|variants"
    r"|works|studies|settings|tasks|points|layers|blocks|units|neurons|filters|objects|articles|places"
    r"|readings|contradictions|tokens|patches|heads|qubits|clients|rounds|labels|shots)"
    r"\b",
    re.IGNORECASE,
)
_COUNT_OF_RUNS = re.compile(r"\b(?:mean|average|avg\.?|median|best|max) (?:of|over) $", re.I)
_COUNTED_AFTER_ARTICLE = re.compile(
    r"\b(?:the|these|those|all|our|first|last|top|other|only)\s\0\s(?:[a-z-]+\s){0,2}?[a-z-]{2,}s\b",
    re.IGNORECASE,
)
_DIFFERENCE_BEFORE = re.compile(
    rf"(?:\bby(?: only| up to| as much as| another| a|:)?|\bby a margin of"
    rf"|\b(?:improvements?|changes?|increases?|gains?|reductions?|decreases?|drops?|differences?|gaps?"
    rf"|margins?|declines?|rise|boosts?|loss|spread|deviation|std\.?|sd)(?: in \w+(?: \w+)?)?"
    rf"(?: of| by| is| was|:)?|\bplus|\bminus)\s*(?:{ABOUT}|{AT_LEAST}|{AT_MOST}|an?)?\s*\+?$",
    re.IGNORECASE,
)
_GAP_BETWEEN = re.compile(
    rf"\b(?:gap|difference) between [^.;,()]{{0,60}} \(\s*(?:{ABOUT})?\s*$", re.IGNORECASE
)
_FEW_IMAGES = re.compile(r"\s*(?:=*>|=|\()?\s*[0-9]+ (?:out )?of (?:the )?[0-9]{1,3}(?![0-9,.])")
_INTO = re.compile(r"\b[^.;]{0,60}? (?:in)?to (?:the |about |over )*[0-9]", re.IGNORECASE)
_DIFFERENCE_AFTER = re.compile(
    r"^\s?(?:-?(?:percentage[- ]?)?points?\b|pp\b|p\.p\.|(?:absolute |relative |test |higher )*"
    r"(?:improvements?|increases?|gains?|reductions?|decreases?|drops?|differences?|higher|lower"
    r"|better|worse|more|less|fewer|faster|slower|above|below|points?|gaps?)\b"
    r"|(?:in )?(?:(?:accuracy|recall|precision|f1) )?(?:improvement|gain|increase|drop|gap|diverg"
    r"|differ|discrep)(?:s|ences?)?\b)",
    re.IGNORECASE,
)
_OTHER_SHARE_AFTER = re.compile(
    r"^\s?(?:confidence|ci\b|credible|prediction interval|significance|level|percentile|dropout"
    r"|(?:(?:random|uniform|pair|(?:a)?symmetric|gaussian|salt[- ]and[- ]pepper|additive|weight"
    r"|channel|filter|input|pixel|label|class|training|wrong|clean|of the|the|structured"
    r"|unstructured) )*(?:nois[ey]|sparsity|sparse|prun(?:ed|ing)|compress\w*|occlu\w+|masked"
    r"|masking|missing|corrupt\w*|poison\w*|contaminat\w*|(?:un|mis)?label(?:l?ed|s)|flipped|outliers"
    r"|coverage)\b"
    r"|(?:additional|extra|more|fewer|less) (?:\w+ )?(?:data|images|samples|labels)\b"
    r"|of (?:the )?(?:total )?(?:varia(?:nce|tion|bility))\b"
    r"|of (?!(?:[a-z0-9,-]+ ){0,4}?(?:images|pictures|samples|examples|garments|instances|clothes"
    r"|items|articles|accuracy|correct|recall|precision|f1|test|them|predictions?|methods?|models?"
    r"|networks?|approach|classifiers?|baseline|architecture|system)\b"
    r"|(?:the |an? |our |its )?(?-i:[A-Z]))"
    r"|(?:train(?:ing)?|val(?:id(?:ation)?)?|test|hold-?out)[ -](?:split|share)\b"
    r"|of (?:the |all )?(?:training|train|validation|original) |(?:lower|upper|prediction"
    r"|error (?:bars?|margins?|bounds?))\b"
    r"|(?:of )?(?:training|validation|test) (?:data|set|split|images)\b(?! accura| error)"
    r"|for (?:training|testing|validation)\b|training and|train[-/ ]"
    r"|\(? ?(?:as |for |in )?(?:train(?:ing)?|val(?:idation)?|dev|test(?:ing)?) ?"
    r"\(?[0-9][0-9,.' ]*k? ?(?:images|samples|examples|pictures|instances|rows)\b)",
    re.IGNORECASE,
)
# Parameters that are never percentages: "LR: 84.2 %" is logistic regression.
_NO_SHARE = r"learning[- ]rate|momentum|weight decay|batch[- ]size|lr|temperature|size|stride|step"
_PARAMETER_BEFORE = re.compile(
    rf"(?:\b(?P<name>[^\W\d][\w-]*)\s*=\s*|\b(?P<parameter>(?P<no_share>{_NO_SHARE})"
    r"|dropout(?: rate)?|alpha|beta|gamma|lambda|epsilon|α|β|γ|λ|ε|σ|threshold|probability|level"
    r"|confidence|significance|keep_prob|p|split|ratio)\s*"
    r"(?:of|is|was|=|:|<|>|<=|>=|to|at)?\s*(?:about )?)$",
    re.IGNORECASE,
)
_OTHER_SHARE_BEFORE = re.compile(
    r"\b(?P<parameter>(?:noise|sparsity|pruning|compression|occlusions?|mask(?:ing|ed)"
    r"|missing (?:labels|values|pixels|data)|corruptions?|imbalance|poison(?:ing|ed)|contamination"
    r"|mislabel\w*|(?:label )?flip(?:s|ping)?|coverage|progress)"
    r"(?: (?:rate|level|ratio|fraction|share|probability|proportion|percentage|strength)s?"
    r"(?: is)?)?)"
    r"\s*(?:of|=|:|is|was|at|up to)?\s*(?:about |only )?[(]?$",
    re.IGNORECASE,
)
# The shares of the images that a model is trained and tested on: test size of 80% and 20%.
_SPLIT_BEFORE = re.compile(
    r"\b(?:train(?:ing)?|test(?:ing)?|val(?:idation)?|hold-?out|split)(?: set| data)?"
    r" (?:size|split|ratio|proportion|share|fraction|portion|percentage)s?"
    r"(?: (?:of|is|was|are|were|to)| ?[=:])? ?\(?(?:about )?"
    rf"(?:{_NUMBER} ?{_PERCENT} ?(?:and|,|/|to) ?)*$",
    re.IGNORECASE,
)
_SPREAD_BEFORE = re.compile(r"\+ ?/? ?- ?$")  # a spread without a figure: fluctuations of ± 0.1 %
# What joins a name and a word that is elsewhere the name of a parameter: LeNet-5 with dropout: 89 %
_JOINS_NAME = re.compile(
    r"(?:\b(?:with|without|and|no|plus|using)|w/o?|[+&,-])\s*(?:[a-z-]+\s+){0,2}$", re.IGNORECASE
)
# Numbers that stand behind these, each on a line of its own, count something.
_COUNT_BEFORE = re.compile(
    r"(?:^|[(,;|])\s*(?:(?:number|no\.?|#|total|trainable|max|training|of|hidden) ?)*"
    r"(?:param(?:eter)?s?|weights|epochs?|iterations?|steps?|batch(?:es)?|layers?|units|neurons"
    r"|filters|images|samples|examples|classes|runs?|seeds?|trials|folds|year|depth|width|flops|macs"
    r"|cuda|gpus?|cpus?|devices?|ranks?|workers?|threads?|elements|entries|rows|columns|features"
    r"|channels|kernels?|strides?|padding"
    r"|sizes?|memory|(?:train(?:ing)?|test|inference|run|wall) ?time|time|latency|speed|patience)"
    r"\s*(?:[(\[][^()\[\]]{0,20}[)\]])?\s*[:=|]\s*$"
    r"|\b(?:number|index|count|id)\s*[:=]\s*$",
    re.IGNORECASE,
)
# scikit-learn>=1.0 and attrs==19.3 of a list of packages; \0 stands for the number
_VERSION = re.compile(r"[\s-]*(?P<package>[A-Za-z][\w.-]*)(?:\[[\w,-]*\])?[=~!<>]=\s?\0")
_INTERVAL_BEFORE = re.compile(
    rf"(?:intervals?|\bci)\b[:\s]*(?:of |from |is |= ?)?[\[( ]*"
    rf"(?:{_NUMBER} ?%? ?(?:,|-|to|and) ?)?$"
    rf"|\[ ?{_NUMBER} ?%? ?[,;-] ?$",
    re.IGNORECASE,
)
_INTERVAL_AFTER = re.compile(rf"^ ?[,;-] ?{_NUMBER} ?%? ?\]")
# 10:00:01,123 of a log; \0 stands for the number
_TIME = re.compile(r"(?<![\w-])(?:\0:[0-9]{2}:[0-9]{2}|[0-9]{1,2}:(?:\0:[0-9]{2}|[0-9]{2}:\0))")
# I split the images into 80 % training and 20 % validation
_SPLIT_INTO = re.compile(
    r"\b(?:split\w*|divid\w*|partition\w*|separat\w*)\b[^.;]{0,60}?\b(?:in(?:to)?|as|to|:)"
    r" [^.;]{0,60}$",
    re.IGNORECASE,
)
_SPLIT_PART = re.compile(
    r"^ ?(?:of (?:the |it |them )?)?(?:as |for |to |is |are )?(?:train(?:ing)?"
    r"|val(?:id(?:ation)?)?|dev|test(?:ing)?)\b(?! ?(?:accura|acc\b|error|set accuracy))",
    re.IGNORECASE,
)
# 784 -> 128 -> 10; \0 stands for one of the numbers
_ARROW = r"(?:-+>|=+>|[\u2192\u21d2]|&rarr;?)"
_ARROW_BESIDE = re.compile(rf"\0 ?{_ARROW} ?[0-9]|[0-9] ?{_ARROW} ?\0", re.IGNORECASE)
_TESTED_ON = re.compile(
    r"\b(?:with|using|on|for|from|and) the (?:remaining|other|rest of) $|"
    r"\b(?:tested|trained|validated|evaluated|training|testing|validation) (?:it |them )?on "
    r"(?:the |only )*(?:remaining |other |about )*$",
    re.IGNORECASE,
)
_RISES_TO = r"(?:accuracy )?to \(|,? (?:we|it) (?:reach|got|improv|increas|rose)\w*(?: to)?"
_RANGE_AFTER = re.compile(rf"^ ?%? ?(?:-|to|and|{_RISES_TO}) ?{_NUMBER}", re.IGNORECASE)
_RANGE_BEFORE = re.compile(
    rf"(?<![\w=-]){_NUMBER} ?%? ?(?:-|to) ?$|\bbetween {_NUMBER} ?%? and $", re.IGNORECASE
)
_FROM = re.compile(rf"\bfrom (?:about )?{_NUMBER} ?%? to $", re.IGNORECASE)
# accuracies ranging from 90 % to 99 %; \0 stands for one of the two
_RANGING = re.compile(
    rf"\b(?:rang(?:e[sd]?|ing)|var(?:y|ies|ied|ying)|anywhere|span\w*)(?: \w+)? from (?:about )?"
    rf"(?:{_NUMBER} ?%? to )?\0",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\b(?:between|from|range[sd]?(?: \w+)?) ?(?:about )?$", re.IGNORECASE)


@dataclass(frozen=True)
class Mention:
    """A name in a sentence, such as that of a model; it stands from ``start`` to ``end``."""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class FigureMention:
    """A number inside a sentence.

    ``text`` has the words before it that belong to it (``over``, ``about``). ``why_not`` says why
    it is no claim, if the words beside it say so: ``a difference``.
    """

    start: int
    end: int
    text: str
    is_percent: bool
    has_decimals: bool
    is_quotient: bool
    why_not: str = ""

    @property
    def is_clear(self) -> bool:
        """Whether the number alone looks like a share: it has a percent sign or decimals."""
        return self.is_percent or self.has_decimals or self.is_quotient


# LaTeX's commands whose argument is not shown, also with the blank that ties them to a word.
_HIDDEN_COMMAND = re.compile(
    r"~?\\(?:cite\w*|(?:page|auto|eq|[cC])?ref|label|footnote\w*|begin|end|documentclass|usepackage"
    r"|input|include\w*|[hv]space|textcolor|color|href|bibliography\w*)\*?(?:\[[^\]]*\])*\{[^{}]*\}"
)
_SWITCH = re.compile(
    r"\\(?:bf|it|em|sc|tt|rm|sf|sl|bfseries|itshape|scshape|ttfamily|small|footnotesize|[lL]arge"
    r"|normalsize|noindent|centering|item|maketitle|par|q?quad|hfill|newline|xspace|displaystyle"
    r"|protect|left|right)(?![a-zA-Z])|\\[\\;: ]"
)
_COMMAND = re.compile(r"\\[a-zA-Z]+\*?(?:\[[^\][]{0,100}\])?\{([^{}]+)\}")
_SYMBOLS = {
    "\\%": "%", "\\,": "", "\\!": "", "\\_": "_", "\\&": "&", "\\#": "#", "{,}": ",", "$": "",
}  # fmt: skip
_NAMED_SYMBOLS = {
    "pm": " \u00b1 ", "textpm": " \u00b1 ", "times": "x", "percent": "%", "approx": "~", "sim": "~",
    "ge": ">=", "geq": ">=", "le": "<=", "leq": "<=",
}  # fmt: skip
_MAX_NESTED = 4  # commands inside each other


def _clean_latex(text: str) -> str:
    """Return a sentence without LaTeX's commands; one that is not known keeps its name."""
    is_latex = "\\" in text
    text = re.sub(r"_(?=\{ ?\\(?:text)?pm\b)", "", _HIDDEN_COMMAND.sub(" ", text))
    for sign, plain in _SYMBOLS.items():
        text = text.replace(sign, plain)
    text = re.sub(
        r"\\([a-zA-Z]+)(?:\{\})?",
        lambda match: _NAMED_SYMBOLS.get(match[1], f"\\{match[1]}"),
        text,
    )
    text = _SWITCH.sub(" ", text)
    for _ in range(_MAX_NESTED):
        text, n_found = _COMMAND.subn(r"\1", text)
        if not n_found:
            break
    if not is_latex:
        return text
    # Braces with signs inside them are of program code.
    return re.sub(r"\{([^{}*+=:\"']*)\}", r"\1", re.sub(r"\\[a-zA-Z]{2,}\*?\{", "", text))


# Test accuracy -> 0.91, Test acc - 0.91, Accuracy [%]: 91.2
_SIGN_BEHIND_METRIC = re.compile(
    r"(?P<metric>\b(?:acc(?:uracy)?|errors?|kappa|f1|precision|recall|scores?|loss|cost))"
    rf"(?: ?{_ARROW} ?| - | ?\[%\] ?[:=] ?)(?=[0-9])",
    re.IGNORECASE,
)


def clean_sentence(text: str) -> str:
    """Return a sentence on one line, with ASCII signs, without citations and simple markup."""
    text = _clean_latex(text[:MAX_SENTENCE])
    text = re.sub(r"!?\[([^\][]{1,200})\]\([^()\s]{1,300}\)", r"\1", text)  # Markdown's links
    text = re.sub(r"</?[a-zA-Z][^<>]{0,200}>|\*\*|__|`", "", text)
    for mark in (r"\*", "_"):  # one mark on each side of what is emphasised
        text = re.sub(
            rf"(?<![\w*]){mark}(?![\s*_])([^*_]{{1,200}})(?<!\s){mark}(?![\w*])", r"\1", text
        )
    text = re.sub(r"(?<![\w.-])([0-9][0-9.]*%?)~(?=[0-9.]+ ?%)", r"\1-", text)  # 90~92 %
    text = re.sub(r"(?<=[\w.])~(?=[\w%(])", " ", text)  # LaTeX's blank without a line break
    text = re.sub(
        r"\b(val|valid|validation|train|training|test|eval)(?:_(?=[a-zA-Z])|(?=[A-Z][a-z]))",
        r"\1 ",
        text,
    )
    text = re.sub(r"(?<![a-zA-Z])(tr)[ain]{3,8}g(?![a-zA-Z])", r"\1aining", text)  # misspelt
    text = normalise_signs(text.replace("\u2014", " - ").replace("\u00d7", "x"))
    text = _SIGN_BEHIND_METRIC.sub(r"\g<metric>: ", text)
    text = re.sub(r"[“”„«»]", '"', text)
    return " ".join(_CITATION.sub(" ", text).split())


# ---- figures -------------------------------------------------------------------------------------


def find_figures(sentence: str) -> list[FigureMention]:
    """Find every number of a sentence that may be a figure, from left to right."""
    figures = []
    for match in _FIGURE.finditer(sentence):
        text = match[0].rstrip(" ,")
        start, end = match.start(), match.start() + len(text)
        before, after = sentence[:start], sentence[end:]
        # Not the 2 of "#2 Accuracy: 86.60 %".
        if _PART_OF_WORD_AFTER.match(after) or re.search(r"[0-9] ?x ?$|\^ ?$|#$", before[-5:]):
            continue
        bound = _BOUND_WORDS.search(before[-20:])
        first = start - len(before[-20:]) + bound.start() if bound else start
        figure = FigureMention(
            start=first,
            end=end,
            text=sentence[first:end].rstrip("."),
            is_percent=re.search(_PERCENT, text, re.IGNORECASE) is not None,
            has_decimals=_DECIMALS.search(text) is not None,
            is_quotient=match["quotient"] is not None,
        )
        figures.append(replace(figure, why_not=_explain_number(sentence, figure)))
    return figures


def _explain_number(sentence: str, figure: FigureMention) -> str:
    """Say what a number is, if the words beside it show that it is no figure of a model."""
    before, after = sentence[max(0, figure.start - 80) : figure.start], sentence[figure.end :][:80]
    if not figure.is_percent and not figure.is_quotient:
        if _REFERENCE_BEFORE.search(before):
            return "a number of a table, figure, version or the like"
        if _UNIT_AFTER.match(after) or _COUNT_BEFORE.search(before):
            return "a count or a quantity with a unit"
        if re.fullmatch(r"(?:19|20)[0-9]{2}", figure.text):
            return "a year"
        if not figure.has_decimals and (
            _COUNTED_AFTER.match(after) or _COUNTED_AFTER_ARTICLE.search(before + "\0" + after)
        ):
            return "a count or a quantity with a unit"
        if _COUNT_OF_RUNS.search(before) and re.fullmatch(r"[1-4]?[0-9]", figure.text):
            return "a number of runs"
        if not figure.has_decimals and _ARROW_BESIDE.search(f"{before[-20:]}\0{after[:20]}"):
            return SIZE_OF_LAYER
    if _is_version(sentence, figure):
        return "a version"
    if _TIME.search(f"{before[-6:]}\0{after[:6]}"):
        return "a time of day"
    if before.endswith("@"):
        return "the number of an epoch"  # test accuracy 89.2@18
    if re.search(r"(?:^|[\s(:=])-$", before) and not figure.text.startswith("-"):
        return "a negative number"
    if re.search(r"(?:^|[\s(:=])\+ ?/? ?-\s?$", before):
        return "a spread"
    if _is_in_list(sentence, figure):
        return ONE_OF_LIST
    parameter = _PARAMETER_BEFORE.search(before)
    if parameter and not _is_name(parameter, before, figure):
        return f"a parameter, {parameter['name'] or parameter['parameter']}"
    share = _OTHER_SHARE_BEFORE.search(before) if figure.is_clear else None
    if share and not _ends_name(share, before, figure):
        return "a share of something else"
    if re.search(r"\bloss\s*[:=]\s*$", before, re.IGNORECASE):
        return "a loss"
    if (
        _GAP_BETWEEN.search(before)
        or _DIFFERENCE_BEFORE.search(before)
        or _DIFFERENCE_AFTER.match(after)
    ):
        return DIFFERENCE
    if figure.is_percent and _OTHER_SHARE_AFTER.match(after):
        return "a share of something else"
    few = _FEW_IMAGES.match(after) if figure.is_percent else _FEW_IMAGES.fullmatch(figure.text)
    if few:
        return "of a few images"
    if figure.is_percent and re.match(r" range\b", after):
        return "a range"
    if figure.is_percent and re.search(r"accuracy from $", before) and _INTO.match(after):
        return FIRST_OF_TWO
    if figure.is_percent and (
        _TESTED_ON.search(before) or _is_share_of_split(sentence, figure, before, after)
    ):
        return "a share of something else"
    if _SPREAD_BEFORE.search(before):
        return "a spread without a figure"
    if _INTERVAL_BEFORE.search(before) or (before.endswith("[") and _INTERVAL_AFTER.match(after)):
        return END_OF_INTERVAL
    if _RANGING.search(f"{before}\0") and (_RANGE_AFTER.match(after) or _FROM.search(before)):
        return "a range"
    if _BETWEEN.search(before) and _RANGE_AFTER.match(after):
        return FIRST_OF_TWO if before.lower().rstrip().endswith("from") else "a range"
    if _RANGE_BEFORE.search(before):
        return "" if _FROM.search(before) else "a range"
    if re.match(r" ?%? ?(?:-|to) ?[0-9]", after):
        return "a range"
    return ""


_TRAIN_AND_TEST = re.compile(r"\btrain(?:ing)?\b.*\btest(?:ing)?\b|\btest.*\btrain", re.IGNORECASE)


def _is_share_of_split(sentence: str, figure: FigureMention, before: str, after: str) -> bool:
    """Whether a percentage is a share of the images, as in ``a test size of 20 %``."""
    if _SPLIT_BEFORE.search(before) or _are_shares_of_split(sentence):
        return True
    return bool(_SPLIT_PART.match(after) and _SPLIT_INTO.search(sentence[: figure.start]))


def _are_shares_of_split(sentence: str) -> bool:
    """Whether the percentages are shares of a split: ``train 80 %, validation 10 %, test 10 %``."""
    shares = re.findall(rf"(?<![\w.])([0-9]{{1,2}}) ?{_PERCENT}", sentence, re.IGNORECASE)
    return (
        len(shares) in (2, 3)
        and sum(map(int, shares)) == 100
        and _TRAIN_AND_TEST.search(sentence) is not None
    )


def _is_version(sentence: str, figure: FigureMention) -> bool:
    """Whether a number stands behind the name of a package at the beginning of a line."""
    number = figure.text.lstrip("=~!<> ")
    sign = figure.text.removesuffix(number)
    match = _VERSION.fullmatch(f"{sentence[: figure.start]}{sign}\0")
    return (
        match is not None
        and not _is_metric(match["package"])
        and MODEL.fullmatch(match["package"]) is None
    )


def _is_name(parameter: re.Match[str], before: str, figure: FigureMention) -> bool:
    """Whether what looks like a parameter is a metric's name, or belongs to that of a model."""
    if parameter["name"]:
        return _is_metric(parameter["name"])
    if re.search(r"[0-9] ?%(?: [a-z]+)? $", before[: parameter.start("parameter")]):
        return True  # accuracy with a 10 % validation split: 0.91
    if parameter["no_share"] and figure.is_percent and _is_above_1(figure):
        return True
    if parameter["parameter"].lower() == "dropout" and figure.is_percent and figure.has_decimals:
        return True  # no rate of dropout is printed as 91.8 %
    is_abbreviation = parameter["parameter"].lower() == "lr"  # of logistic regression
    return (is_abbreviation and _is_above_1(figure, n_digits=2)) or _ends_name(
        parameter, before, figure
    )


def _is_above_1(figure: FigureMention, n_digits: int = 1) -> bool:
    return (
        figure.is_clear
        and re.match(rf"[^0-9.]*[1-9][0-9]{{{n_digits - 1}}}", figure.text) is not None
    )


def _ends_name(match: re.Match[str], before: str, figure: FigureMention) -> bool:
    """Whether a parameter's name ends that of a model: ``LeNet-5 with dropout: 89.5 %``."""
    name = before[: match.start("parameter")]
    is_accuracy = _is_above_1(figure) or re.search(r"[.,][0-9]{3}", figure.text) is not None
    return (
        is_accuracy
        and re.search(r"[:|]\s*$", before) is not None
        and _JOINS_NAME.search(name) is not None
        and MODEL.search(name) is not None
    )


def _is_in_list(sentence: str, figure: FigureMention) -> bool:
    """Whether a number is one of at least three in square brackets."""
    start = sentence.rfind("[", 0, figure.start)
    if start < 0 or "]" in sentence[start : figure.start]:
        return False
    end = sentence.find("]", figure.end)
    content = sentence[start + 1 : end if end >= 0 else len(sentence)]
    return len(re.findall(r"[0-9]+(?:\.[0-9]*)?", content)) >= 3 and (
        re.fullmatch(r"[-0-9.,;%eE\s+]+", content) is not None
    )


def _is_metric(text: str) -> bool:
    return next(find_mentions(text.replace("_", " ")), None) is not None


def is_linked(text: str) -> bool:
    """Whether a text consists of linking words, verbs of achieving and conjunctions only."""
    return _LINKED.fullmatch(text) is not None


def is_connected(
    sentence: str, metric: MetricMention, figure: FigureMention, names: Sequence[Mention]
) -> bool:
    """Whether only linking words and ``names`` stand between a metric and a figure.

    ``accuracy of about 0.91`` and ``0.91 test accuracy`` are connected; ``names`` are the models,
    data sets and classes of the sentence.
    """
    is_before = metric.end <= figure.start
    start, end = (metric.end, figure.start) if is_before else (figure.end, metric.start)
    if end - start > _MAX_LINK + sum(m.end - m.start for m in names if start <= m.start < end):
        return False
    between = list(sentence[start:end])
    for name in names:
        for i in range(max(name.start, start), min(name.end, end)):
            between[i - start] = " "
    text = "".join(between)
    if is_before:
        return _CONNECTED.fullmatch(text) is not None
    if "(" in text and not sentence[metric.end :].lstrip().startswith(")"):
        return False  # 0.898 (error 0.102)
    return _CONNECTED_BACK.fullmatch(text) is not None


# ---- data sets -----------------------------------------------------------------------------------

_ONLY_COMPARED = re.compile(
    r"(?:pre-?trained (?:on|with)(?: the)?|weights (?:of|from)|than(?: the)?(?: original)?"
    r"|replacement (?:of|for)(?: the)?(?: original)?|transfer(?:red)? from|like|unlike|similar to"
    r"|instead of)\s*$",
    re.IGNORECASE,
)


# A name of capital letters or with a number behind "on", or before "data set".
_UNKNOWN_DATASET = re.compile(
    r"\bon (?:the )?(?P<name>(?=[\w-]*[A-Z][\w-]*[A-Z0-9])[A-Z][\w-]*)(?![\w-])"
    r"(?! (?:GPUs?|CPUs?|TPUs?|cores?|chips?|boards?|devices?|[A-Z0-9]))"
    r"|\b(?:on|for) the (?P<titled>(?:[A-Z][a-z]+ ){1,3})[Dd]ata ?[Ss]ets?\b"
)
_NO_DATASET = re.compile(
    r"(?:[GCTNF]PUs?|ASICs?|MCUs?|[RG]TX|NVIDIA|AMD|AWS|GCP|EC2|[VAPHTK][0-9]|M[1-4]\b|Titan|Jetson"
    r"|ARM|RISC|Git[HL]ub|Tensor[Ff]low|Py[Tt]orch|JAX|CUDA|Loihi|TrueNorth|SpiNNaker|ArXiv"
    r"|Hugging|Open[A-Z]|You[A-Z]|I\b|(?:[A-Z][a-z]+ )*(?:Zalando|Fashion|Cloth\w*|Kaggle|Keras"
    r"|Test\w*|Train\w*|Valid\w*|Full|Whole|Original|Standard|Benchmark|Image|Public|Same)\b|Tables?|Figs?|(?:PCA|LDA|UMAP|NMF|HOG|SIFT|LBP|VAE)\b)"
)


def find_datasets(sentence: str) -> list[Mention]:
    """Find the data sets that a sentence names; :data:`FASHION` is the name of Fashion-MNIST.

    Data sets on which a network was only pre-trained, or with which only a comparison is made
    (``harder than MNIST``), are left out.
    """
    found = []
    for match in IN_SENTENCES.finditer(sentence):
        before, after = sentence[: match.start()][-50:], sentence[match.end() :]
        if match["other"] and (
            _ONLY_COMPARED.search(before) or re.match(r"[- ](?:pre-?trained|weights)", after)
        ):
            continue
        is_fashion = match["fashion"] or match["saved_fashion"]
        found.append(Mention(match.start(), match.end(), FASHION if is_fashion else match[0]))
    return found or _find_unknown_datasets(sentence)


def _find_unknown_datasets(sentence: str) -> list[Mention]:
    """Find names that stand where a data set is named: ``80 % accuracy on GTZAN``."""
    return [
        Mention(match.start(group), match.end(group), match[group].strip())
        for match in _UNKNOWN_DATASET.finditer(sentence)
        for group in ("name", "titled")
        if match[group]
        and not any(pattern.match(match[group]) for pattern in (_NO_DATASET, MODEL, IN_SENTENCES))
        and not _ONLY_COMPARED.search(sentence[: match.start(group)][-50:])
    ]


# ---- models --------------------------------------------------------------------------------------
_MAX_CHANGE = 60  # characters of the words before a name that say that it is changed

# Words before and behind a name that make it that of another model.
_CHANGED_BEFORE = re.compile(
    r"(?<!original )(?<!standard )(?<!plain )\b(?:(?:(?:improved|modified|enhanced|extended|adapted"
    r"|augmented|deeper|wider|larger|bigger|smaller|lighter|lightweight|shallower|simplified|pruned"
    r"|quanti[sz]ed|compressed|binari[sz]ed|distilled|customi[sz]ed|custom)(?:, | and | ))+"
    r"|(?:variants?|versions?|extensions?|modifications?|adaptations?|derivatives?|successors?)"
    r" of (?:the |an? |our )?(?:[a-z-]+ )?)$",
    re.IGNORECASE,
)
_CHANGED_AFTER = re.compile(
    r" (?:variants?|derivatives?|extensions?|modifications?|hybrids?|ensembles?)\b", re.IGNORECASE
)


def find_models(sentence: str) -> list[Mention]:
    """Find the names of models that a sentence prints, with what qualifies them.

    ``CNN with batch normalization and residual skip`` is one name, as is ``variant of LeNet-5``.
    """
    models: list[Mention] = []
    for match in MODEL.finditer(sentence):
        start, end = match.start(), match.end()
        first = models[-1].end if models else 0
        if start < first:
            continue
        changed = _CHANGED_BEFORE.search(sentence[max(first, start - _MAX_CHANGE) : start])
        start -= len(changed[0]) if changed else 0
        behind = _CHANGED_AFTER.match(sentence, end)
        end = behind.end() if behind else find_end_of_name(sentence, end)
        models.append(Mention(start, end, sentence[start:end].strip()))
    return models


# ---- classes -------------------------------------------------------------------------------------

_CLASS = re.compile(
    r"(?:(?<![\w])(?:for|of|on|in) )?(?:the )?(?:class(?:es)?|category|label) (?:of )?"
    r"[\"'(]?(?P<named>[0-9](?![\w.,])|[a-z][a-z-]*(?:[ /](?:top|boots?))?)[\"')]?"
    r"|(?<![\w-])(?P<before>t-?shirts?(?:/tops?)?|trousers?|pullovers?|dress(?:es)?|coats?|sandals?"
    r"|shirts?|sneakers?|bags?(?![- ]of[- ])|ankle[- ]boots?)(?: class)?(?![\w-])",
    re.IGNORECASE,
)


def find_classes(sentence: str) -> list[tuple[Mention, int]]:
    """Find the classes that a sentence names, each with its number."""
    found = []
    for match in _CLASS.finditer(sentence):
        name = match["named"] or match["before"]
        number = int(name) if name.isdigit() else find_class_number(name)
        if number is not None:
            found.append((Mention(match.start(), match.end(), match[0]), number))
    return found


# ---- clauses -------------------------------------------------------------------------------------

_CLAUSE_END = re.compile(
    r";|,(?= )| - |\s(?:and|but|while|whereas|although|versus|vs\.?|or)(?=[ ,])"
    r"|\s(?:as )?compared (?:to|with)(?= )|\s(?:than|against|followed by)(?= )"
    r"|\s(?:in contrast to|rather than|instead of)(?= )",
    re.IGNORECASE,
)


def split_clauses(sentence: str, kept: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Split a sentence into clauses (start, end), never inside one of the ``kept`` spans."""
    ends = [
        match.start()
        for match in _CLAUSE_END.finditer(sentence)
        if not any(start <= match.start() < end for start, end in kept)
    ]
    borders = [0, *ends, len(sentence)]
    return [(a, b) for a, b in itertools.pairwise(borders) if b > a]


def iterate_clauses(
    clauses: Sequence[tuple[int, int]], figure: FigureMention
) -> Iterator[tuple[int, int]]:
    """Yield the clause of a figure, then those before it from the nearest on, then those after."""
    own = next(i for i, (_, end) in enumerate(clauses) if figure.start < end)
    yield clauses[own]
    yield from reversed(clauses[:own])
    yield from clauses[own + 1 :]
