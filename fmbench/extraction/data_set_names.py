"""Finds the data sets by which tables, headings, keys and sentences say of what a figure is.

Heads of tables are short, so there one word is enough (``Fashion``, ``Digits``); in a sentence such
a word means something else.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from fmbench.extraction.grid import tidy
from fmbench.utils.formatting import join_words

# Data sets that are made of Fashion-MNIST, with other images or another task.
_MADE_INTO = ("split", "permuted", "rotated", "sequential", "corrupted", "noisy", "binary")
_NOT_MADE_INTO = "".join(rf"(?<!\b{word}[\s_-])" for word in _MADE_INTO)
_NAME = r"(?:fashion[\s_-]*m?nist|f[\s_-]?mnist)"
_FASHION = rf"{_NOT_MADE_INTO}(?:zalando(?:'s)?[\s_-]*)?{_NAME}(?!-(?:c|lt)(?!\w))"
_DERIVED = rf"(?:{'|'.join(_MADE_INTO)})[\s_-](?:{_NAME}|fashion)|{_NAME}-(?:c|lt)"
_OTHERS = (
    rf"(?:{_DERIVED}|(?:(?:[ekqn]|not|extended|kannada|kuzushiji|rotated|permuted|affine|sequential|split|bi)"
    r"[\s_-]?)?mnist(?:[\s_-]?(?:m|c|digits?)(?![\w]))?|cifar(?:[\s_-]?\d+)?|svhn|usps|stl[\s_-]?10"
    r"|(?:(?:tiny|mini)[\s_-]?)?image ?net(?:[\s_-]?\d+k?)?|caltech[\s_-]?\d+|coil[\s_-]?\d+|gtsrb"
    r"|deep ?fashion2?|omniglot|celeba|(?:ms[\s_-]?)?coco|pascal voc|kuzushiji(?:-\w+)?|food-?101"
    r"|flowers-?102|reuters|imdb|20 ?newsgroups|isic|chexpert|places365|lsun|norb|iris"
    r"|comp ?cars|mio-tcd|stanford cars|oxford pets|gtzan|esc-?50|speech commands|uci-?har"
    r"|hand-?written digits?|(?:noisy[ -]?)?xor|breast[ -]?cancer|nas-?bench-?\d*)"
)
FASHION_IN_HEADS = re.compile(
    rf"(?<![^\W_])(?:{_FASHION}|{_NOT_MADE_INTO}fashion(?!-?mnist-(?:c|lt)(?!\w)))(?![^\W_])",
    re.IGNORECASE,
)
OTHERS_IN_HEADS = re.compile(rf"(?<![^\W_])(?:{_OTHERS}|digits)(?![^\W_])", re.IGNORECASE)
# Letters that end a name; those of Korean and the like stand directly behind one.
_LATIN = r"A-Za-z0-9_\u00c0-\u024f"
# The file of a trained model says at its end of which data it is: snn_mnist.pt
SAVED_MODEL = r"(?:pth?|h5|hdf5|keras|ckpt|onnx|pkl|joblib|safetensors|tflite|pb)"
IN_SENTENCES = re.compile(
    rf"(?<![{_LATIN}-])(?:(?P<fashion>{_FASHION}|fashion (?:images|data ?set|articles?))"
    rf"|(?P<other>{_OTHERS}))(?![{_LATIN}])"
    rf"|(?<=[A-Za-z0-9][_-])(?:(?P<saved_fashion>{_NAME}|fashion)|(?P<saved_other>{_OTHERS}))"
    rf"(?=\.{SAVED_MODEL}(?![\w]))",
    re.IGNORECASE,
)


_ANY_FASHION = re.compile(
    r"fashion|zalando|(?<![a-z])f[\s_-]?mnist|mnist[\s_-]?like|t-?shirts?|pullover"
    r"|ankle[\s_-]?boot|cloth(?:es|ing)|garment|apparel",
    re.IGNORECASE,
)
_MNIST_IN_NAMES = re.compile(
    r"[\w./-]{0,80}(?<![a-z])mnist(?:[_./-][a-z][\w./-]{0,80}|(?<=[_./-]mnist)(?![a-z]))",
    re.IGNORECASE,
)


def speaks_of_clothes(text: str) -> bool:
    """Whether a text contains a name of Fashion-MNIST, or words for the clothes in its images."""
    return _ANY_FASHION.search(text) is not None


def find_mnist_in_names(text: str) -> str:
    """Find the name of a file or folder with MNIST in it, such as ``/tmp/mnist_model/``.

    The result is empty if there is none, or if the text also names Fashion-MNIST.
    """
    if speaks_of_clothes(text):
        return ""
    found = _MNIST_IN_NAMES.search(text)
    return found[0] if found else ""


@dataclass(frozen=True)
class DataSets:
    """The data sets that a text names."""

    is_fashion: bool
    others: tuple[str, ...]
    is_only_name: bool = False  # the text is the name of a data set and nothing else

    @property
    def any(self) -> bool:
        """Whether any data set is named."""
        return self.is_fashion or bool(self.others)

    def __bool__(self) -> bool:
        return self.any

    @property
    def is_other(self) -> bool:
        """Whether only data sets other than Fashion-MNIST are named."""
        return bool(self.others) and not self.is_fashion


def find_data_sets(text: str) -> DataSets:
    """Return the data sets that a head, a cell or a caption names."""
    rest = FASHION_IN_HEADS.sub(" ", text)
    others = tuple(dict.fromkeys(match[0].strip() for match in OTHERS_IN_HEADS.finditer(rest)))
    bare = re.sub(
        r"data ?-?set|data|[\W_]+", "", OTHERS_IN_HEADS.sub("", rest), flags=re.IGNORECASE
    )
    return DataSets(rest != text, others, bool(text.strip()) and not bare)


def remove_data_sets(text: str) -> str:
    """Return the text without the names of data sets."""
    return tidy(OTHERS_IN_HEADS.sub(" ", FASHION_IN_HEADS.sub(" ", text)).replace("_", " "))


_ONLY_TRAINED_ON = re.compile(r"train|transfer|weights|tun|imagenet", re.IGNORECASE)


def is_label_of_other_data(label: str, *, is_key: bool = False) -> bool:
    """Whether a model's name says that its figure is of another data set: ``LeNet on MNIST``.

    ``is_key``: it is a key of JSON, where the data set may also stand at the end: ``lenet mnist``.
    """
    if not find_data_sets(label).is_other or _ONLY_TRAINED_ON.search(label):
        return False
    other = OTHERS_IN_HEADS.pattern
    at_end = rf"|{other}$" if is_key else ""
    return (
        re.search(rf"\bon (?:the )?{other}|\(\s*{other}\s*\)\s*$|^{other}\b{at_end}", label, re.I)
        is not None
    )


_PART = re.compile(
    r"(?:the )?(?:(?P<training>train(?:ing)?|val(?:id(?:ation)?)?|dev(?:elopment)?)"
    r"|test(?:ing)?|eval(?:uation)?|held[ _-]?out|hold[ _-]?out)"
    r"(?:[ _-]*(?:set|split|data|images|samples))?\s*(?:\([^()]{0,60}\))?",
    re.IGNORECASE,
)


def names_part(text: str) -> bool:
    """Whether a text names a part of a data set and nothing else: ``train``, ``Test set``."""
    return _PART.fullmatch(text.strip()) is not None


def names_training_part(text: str) -> bool:
    """Whether a text names the training or the validation images and nothing else."""
    found = _PART.fullmatch(text.strip())
    return found is not None and found["training"] is not None


# ---- headings ------------------------------------------------------------------------------------

_MAX_HEADING = 300  # characters
_MAX_LEAD_LINES, _MAX_LEAD = 4, 400
_MARKDOWN_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(\S.*)")
_LATEX_HEADING = re.compile(
    r"\s*\\(chapter|section|subsection|subsubsection|paragraph)\*?"
    r"(?:\[[^\]]{0,200}\])?\{(.+?)\}"
)
_LATEX_LEVELS = {"chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
_HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]{0,300}>(.+?)</h", re.IGNORECASE)
_BOLD_LINE = re.compile(r"\s*(?:\*\*|__)([^*_|]+)(?:\*\*:?|__:?)\s*$")
_BOLD_LEVEL = 20  # a line in bold ends before every heading
_UNDERLINE = re.compile(r"([=~^\"'*+-])\1{2,}\s*$")
_UNDERLINE_LEVELS = {"=": 1, "-": 2}
FENCE = re.compile(r"\s*(?:```|~~~)")
# Words by which a heading or a sentence names a data set without being about it.
_ONLY_COMPARED = re.compile(
    r"pre-?train|transfer|weights|fine-?tun|compar\w+ (?:with|to)\b|instead|replac|beyond|versus"
    r"|similar|same as|\b(?:than|like|unlike|vs|from)\b",
    re.IGNORECASE,
)
_WORDS_OF_RESULTS = re.compile(
    r"\b(?:results?|experiments?|evaluation|test(?:ing)?|accurac(?:y|ies)|errors?|rates?|scores?"
    r"|performance|data ?sets?|data|the|on|for|of|with|and|our|all|benchmarks?|tables?|digits?"
    r"|images?|hand-?written|classification|recognition)\b"
    r"|[\W\d_]",
    re.IGNORECASE,
)
_SAYS_RESULTS = re.compile(
    r"\b(?:results?|accurac\w+|errors?|scores?|performances?|experiments?|comparison|evaluat\w+"
    r"|test\w*|report\w*|use|using|consider)\b",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"classification[ _]report|confusion[ _]matrix", re.IGNORECASE)
_BEFORE_DATA = re.compile(
    r"(?:\b(?:on|for|of|with|use|using|consider|and)\b|[,:])\s*(?:only |just )?(?:the )?"
    r"(?:(?:original|standard|data ?-?sets?) )?$",
    re.IGNORECASE,
)
_AFTER_DATA = re.compile(
    r"\s*(?:[.,;:()]|$|(?:and|or|data ?-?sets?|data|digits?|images?|test|only|in|with|here)\b)",
    re.IGNORECASE,
)
_ABOUT_THE_TABLE = re.compile(
    r"(?:in this \w+,? |here,? |now,? |next,? )?(?:we|i|(?:the )?(?:following |next )?tables?)\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|could|will|reach\w*|achiev\w*|obtain\w*|gets?|gives?"
    r"|drops?|falls?|shows?|need\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Heading:
    """One heading: its line (from 0), its text, and the place in the list of the one above it."""

    line: int
    level: int
    text: str
    parent: int


def find_data_of_title(title: str) -> str:
    """Return the data sets, other than Fashion-MNIST, whose results stand below a title.

    The text is empty if there are none.
    """
    data = find_data_sets(title)
    if not data.is_other or _ONLY_COMPARED.search(title):
        return ""
    is_title = data.is_only_name or _SAYS_RESULTS.search(title) or _BLOCK.search(title)
    return join_words(data.others) if is_title else ""


class Headings:
    """The headings of a text, each of which holds until the next one of its level or above."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._headings = _list_headings(self._lines)
        self._starts = [heading.line for heading in self._headings]
        self._fashion = [
            number for number, line in enumerate(self._lines) if FASHION_IN_HEADS.search(line)
        ]

    def find_other_data(self, first: int) -> str:
        """Return what says that the table or block from line ``first`` is of another data set.

        That is the sentence above it, or else the innermost heading that names a data set. Lines
        are counted from 0; the result is empty if nothing says it.
        """
        lead = self._find_lead(first)
        if FASHION_IN_HEADS.search(lead):
            return ""
        for sentence in re.split(r"(?<=[.!?])\s+", lead):
            if _is_about_other_data(sentence):
                return sentence
        place = bisect_left(self._starts, first) - 1
        while place >= 0:
            heading = self._headings[place]
            if FASHION_IN_HEADS.search(heading.text):
                return ""
            if _is_about_data(heading.text, is_title=place == 0):
                return "" if self._is_overruled(heading, place, first) else heading.text
            if sentence := self._find_data_of_section(place, first):
                return sentence
            place = heading.parent
        return ""

    def _find_data_of_section(self, place: int, first: int) -> str:
        """Return the sentence just below a heading that says on which other data set all is done.

        The result is empty if there is none, or if Fashion-MNIST is named from there to the table.
        """
        start = self._starts[place] + 1
        end = min([first, *self._starts[place + 1 : place + 2], start + _MAX_SECTION])
        next_one = bisect_left(self._fashion, start)
        if next_one < len(self._fashion) and self._fashion[next_one] < first:
            return ""
        for line in self._lines[start:end]:
            is_item = line.lstrip()[:2] in ("* ", "- ") and _BEGINS_WITH_DATA.match(line)
            if is_item or _DONE_ON_DATA.search(line):
                return tidy(line)
        return ""

    def name_no_data(self, first: int) -> bool:
        """Whether no heading above a line names a data set, but others name at least three.

        One of these is Fashion-MNIST, and each of two others has a heading of its own.
        """
        texts = [heading.text for heading in self._headings]
        others = {
            join_words(find_data_sets(text).others).lower()
            for text in texts
            if find_data_sets(text).is_other and _is_about_data(text, is_title=False)
        }
        is_told_apart = len(others) > 1 and any(map(FASHION_IN_HEADS.search, texts))
        return is_told_apart and not any(find_data_sets(t).any for t in self.list_titles(first))

    def list_titles(self, first: int) -> tuple[str, ...]:
        """Return the headings below which a line stands, the innermost last."""
        titles: list[str] = []
        place = bisect_left(self._starts, first) - 1
        while place >= 0:
            titles.insert(0, self._headings[place].text)
            place = self._headings[place].parent
        return tuple(titles)

    def list_above(self, first: int) -> tuple[str, ...]:
        """Return the innermost heading above a line, and the last sentence just above it."""
        sentences = re.split(r"(?<=[.!?])\s+", self._find_lead(first))
        place = bisect_left(self._starts, first) - 1
        headings = [self._headings[place].text] if place >= 0 else []
        return tuple(filter(None, [*headings, sentences[-1]]))

    def find_line(self, first: int) -> str:
        """Return the last line with words above a line, at most a few lines away."""
        for line in reversed(self._lines[max(0, first - 6) : first]):
            text = tidy(re.sub(r"<[^<>]{0,200}>", " ", line[-_MAX_LEAD:]))
            if text:
                return "" if re.search(r"[|\\\t]", text) or FENCE.match(text) else text
        return ""

    def _is_overruled(self, heading: _Heading, place: int, first: int) -> bool:
        """Whether the text below a title, or below a heading of more words, names Fashion-MNIST."""
        if place > 0 and _are_words_of_results(OTHERS_IN_HEADS.sub("", heading.text)):
            return False
        next_one = bisect_left(self._fashion, heading.line)
        return next_one < len(self._fashion) and self._fashion[next_one] < first

    def _find_lead(self, first: int) -> str:
        """Return the paragraph that ends just above a line; empty if it is long or no paragraph."""
        end = first
        while end > max(0, first - 4) and (
            not self._lines[end - 1].strip() or FENCE.match(self._lines[end - 1])
        ):
            end -= 1
        start = end
        while start > max(0, end - _MAX_LEAD_LINES - 1) and self._lines[start - 1].strip():
            if start - 1 in self._starts:
                break
            start -= 1
        if end - start > _MAX_LEAD_LINES:
            return ""
        lines = [line[: 2 * _MAX_LEAD] for line in self._lines[start:end]]
        text = tidy(re.sub(r"<[^<>]{0,200}>", " ", " ".join(lines)))
        return "" if len(text) > _MAX_LEAD or re.search(r"[|\\\t]", text) else text


# "* CIFAR-10, batch size 64, 10 clients" above a table
_BEGINS_WITH_DATA = re.compile(rf"[\s*\u2022-]*{OTHERS_IN_HEADS.pattern}\s*[,:(](?!.*\.\s)", re.I)


_MAX_SECTION = 20  # lines below a heading that are looked at
_DONE_ON_DATA = re.compile(
    r"\b(?:experiments?|models?|networks?|results?|[\w-]*[0-9])\b[^.;|]{0,40}?\b(?:is|are|was|were)"
    r" (?:all )?(?:done|trained|tested|evaluated|performed|conducted|run|carried out|measured)"
    rf" on (?:the )?{OTHERS_IN_HEADS.pattern}(?!,? ?(?:and|or|,) )",
    re.IGNORECASE,
)


def _is_about_other_data(sentence: str) -> bool:
    """Whether a sentence is about results on other data sets: ``Results on CIFAR-10.``"""
    if _BEGINS_WITH_DATA.match(sentence) and not _VERB.search(sentence):
        return True
    is_title = not _VERB.search(sentence) and sentence.endswith((".", ":"))
    if not (is_title or _ABOUT_THE_TABLE.match(sentence)) or _ONLY_COMPARED.search(sentence):
        return False
    return _SAYS_RESULTS.search(sentence) is not None and any(
        _BEFORE_DATA.search(sentence[: match.start()][-60:])
        and _AFTER_DATA.match(sentence[match.end() :][:20])
        for match in OTHERS_IN_HEADS.finditer(sentence)
    )


def _are_words_of_results(text: str) -> bool:
    return not _WORDS_OF_RESULTS.sub("", text)


def _is_about_data(heading: str, *, is_title: bool) -> bool:
    """Whether a heading is about another data set, and not about ``an MNIST example``.

    ``is_title``: it is the first one, whose text is about every data set that it names.
    """
    return not _ONLY_COMPARED.search(heading) and any(
        is_title
        or _are_words_of_results(heading[match.end() :])
        or _BEFORE_DATA.search(heading[: match.start()])
        for match in OTHERS_IN_HEADS.finditer(heading)
    )


def _list_headings(lines: Sequence[str]) -> list[_Heading]:
    """List the headings of Markdown, reStructuredText, HTML and LaTeX outside blocks of code."""
    headings: list[_Heading] = []
    underlines: dict[str, int] = dict(_UNDERLINE_LEVELS)
    open_ones: list[int] = []
    is_code = False
    for number, line in enumerate(lines):
        if not line or line.isspace():
            continue
        before = lines[number - 1] if number else ""
        if FENCE.match(line) and not (line.lstrip().startswith("~") and before.strip()):
            is_code = not is_code
        found = None if is_code else _read_heading(line, before, underlines)
        if found is None or found[1].rstrip().endswith((".", ",", ";")):
            continue
        level, text = found
        while open_ones and headings[open_ones[-1]].level >= level:
            open_ones.pop()
        parent = open_ones[-1] if open_ones else -1
        open_ones.append(len(headings))
        headings.append(_Heading(number, level, tidy(re.sub(r"[*_`]{1,3}", "", text)), parent))
    return headings


def _read_heading(line: str, before: str, underlines: dict[str, int]) -> tuple[int, str] | None:
    """Return the level and the text of a heading in any markup; None if the line is none."""
    line = line[:_MAX_HEADING]
    start = line.lstrip()[:1]
    if start == "#" and (found := _MARKDOWN_HEADING.match(line)):
        return len(found[1]), found[2].rstrip("# ")
    if start == "\\" and (found := _LATEX_HEADING.match(line)):
        return _LATEX_LEVELS[found[1]], found[2]
    if "<h" in line.lower() and (found := _HTML_HEADING.search(line)):
        return int(found[1]), re.sub(r"<[^<>]{0,200}>", " ", found[2])
    if start in ("*", "_") and (found := _BOLD_LINE.match(line)):
        return _BOLD_LEVEL, found[1]
    title = before.strip()
    is_title = 0 < len(title) <= _MAX_HEADING and not re.search(r"[|\t]|\S {2,}\S", title)
    underline = _UNDERLINE.match(line) if is_title and title[:1].isalnum() else None
    if underline and 2 * len(line.strip()) >= len(title):
        return underlines.setdefault(underline[1], len(underlines) + 1), title
    return None
