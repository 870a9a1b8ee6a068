"""Splits running text into sentences, and leaves out what is no running text.

Rows of tables, LaTeX's and HTML's tables, formulas and the list of references are left out. Lines
of a log and items of a list stand alone; other lines are joined to paragraphs.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence

from fmbench.extraction.data_set_names import FASHION_IN_HEADS, FENCE, IN_SENTENCES
from fmbench.extraction.text.conditions import (
    GOAL,
    OTHER_WORKS,
    SOME_CLASSES,
    TITLED_SET,
    TRAINING_SECTION,
    describes_binary,
    find_set_of_title,
    is_measured_on_validation,
    is_title_of_goal,
    is_title_of_other_works,
    is_title_of_training,
    restricts_classes,
)
from fmbench.extraction.text.mentions import (
    FASHION,
    MAX_SENTENCE,
    clean_sentence,
    find_datasets,
    find_models,
)

# Marks around the end and the beginning of a sentence: quotes, brackets, Markdown, LaTeX, HTML.
_CLOSING = r"(?:[\"')\]}*_`$]|</[a-z]{1,10}>)*+"
_OPENING = r"(?:[\"'(\[{$]|<[a-z]{1,10}>)*+"
_EMPHASIS = r"(?:\*{1,3}|_{1,3}|`)"
_SENTENCE_END = re.compile(
    rf"(?<=[.!?])(?P<closing>{_CLOSING})\s+"
    rf"(?={_OPENING}(?:[A-Z\u3040-\u30ff\u3400-\u9fff]|k-?(?:NN|nn|nearest)\b|{_EMPHASIS}[A-Za-z0-9]|\\[a-zA-Z]{{2}}))"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:al|e\.g|i\.e|figs?|tabs?|secs?|sect|eqs?|vs|approx|ca|acc|err|cf|resp|dr|prof|refs?|st"
    r"|max|min|avg|std|nos?|etc|[A-Z]))\.[\"')\]]*$",
    re.IGNORECASE,
)
_MAX_START = 500  # characters of a line that show what it is
_MAX_LINE = 20_000  # characters; a longer line is not prose
_HEADING = re.compile(r"^\s*(?:#{1,6}\s+\S|[0-9]{1,2}(?:\.[0-9]{1,2})*\.?\s+[A-Z][^.]{2,70}$)")
_REFERENCES = re.compile(
    r"^\W*(?:[0-9.]+\s*)?(?:references|bibliography|literature cited)\W*$", re.IGNORECASE
)
_RECORD = re.compile(
    r"^[^.|]{0,80}[:=]\s*-?[0-9][0-9.,]*(?:/[0-9,]+)?\s*%?\s*(?:\([^()]{0,40}\))?\W*$"
)
# Epoch 3, or #3 Accuracy: 90.1 %
_EPOCH = (
    r"(?:\b(?:epochs?[ :#=]*|iter(?:ation)?s?[ :#=]+)\[?[0-9]+(?!\.?[0-9])"
    r"|(?<!\w)#[0-9]{1,4} (?:(?:average|mean|test) )?acc)"
)
_LOGGED_METRIC = (  # a line that ends with a metric, an equals sign or colon, and a figure
    r"(?:acc|err|kappa|f1|recall|precision)[^.]{0,40}[:=]\s*[0-9][0-9.,]*(?:/[0-9,]+)?\s*%?"
    r"\s*(?:\([^()]{0,40}\))?\W*$"
)
_TRAINING_LOG = re.compile(
    r"\bval_(?:loss|acc)|\bepoch[ :#=]*\[?[0-9]+ ?[/\]]|\bloss[:=] ?[0-9.]+ ?[-,|]? ?acc"
    r"|[0-9]+/[0-9]+ \[=|\b[0-9]+ ?/ ?[0-9]+ (?:batches|steps|it)\b"
    r"|\b(?P<done>[0-9]+)/(?!(?P=done)\b)[0-9]+ ?\u2501",  # a bar of Keras that is not full
    re.IGNORECASE,
)
_TEST_LINE = re.compile(
    r"^(?!.*\b(?:train|val))(?!.*[0-9]/[0-9]+ \[=)(?:.*\btest|\W*final\b)", re.IGNORECASE
)
_FINAL = re.compile(r"\W*final\b", re.IGNORECASE)
_LOGGED_CELL = r"^\s*[|][^|]*[|](?:[^|]*[|])??\s*test[ _](?:acc|err)\w*[ :=]+[0-9]"
_LOG_LINE = re.compile(
    rf"{_RECORD.pattern}|^\W*{_EPOCH}|{_LOGGED_METRIC}|{_LOGGED_CELL}", re.IGNORECASE
)
_OF_EPOCH = re.compile(rf"{_EPOCH}|\bloss\b ?[:=] ?-?[0-9]", re.IGNORECASE)
# The time and the level that programs write before each line of a log.
LOG_PREFIX = (
    r"^\s*\[?(?:[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ])?"
    r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?Z?\]?"
    r"(?:\s*[-|:]*\s*\[?(?:DEBUG|INFO|WARNING|ERROR)\]?)?(?:\s*[-|:](?=\s))?"
    r"|^\s*\[?(?:DEBUG|INFO|WARNING|ERROR)\b\]?(?::[\w.]+:|\s*[-|:])?"
)
_LOG_PREFIX = re.compile(LOG_PREFIX)
_LABEL_AND_FIGURE = re.compile(
    r"^\s*\S.{0,90}?\s(?:[0-9]{1,3}[.,][0-9]+\s?%?|[0-9]{1,3}\s?%)(?:\s*[-\u00b1]\s*[0-9.,]+)?\s*$"
)
# A line of prose may end with a figure, behind a word that no row has there: "accuracy of 96.1 %".
_PROSE_BEFORE_FIGURE = re.compile(
    r"(?<![0-9] )\b(?:of|and|or|is|was|are|were|at|to|by|with|than|from|about|over|only|gets?"
    r"|reach(?:es|ed|ing)?|achiev(?:es?|ed|ing)|for [\w-]+ and|vs\.?) \(?[0-9.,]+ ?%?\s*$",
    re.IGNORECASE,
)
_WORTH_READING = re.compile(
    r"[0-9].{0,3}(?:%|percent|per cent|pct)|[0-9]?[.,][0-9]|[0-9] ?/ ?[0-9]|acc|error|kappa|mcc"
    r"|classified|mistaken|taken for",
    re.IGNORECASE,
)
_TABLE_ROW = re.compile(
    r"\t|^\s*[\u2500-\u257f|]|[0-9]%\|[^|]{0,200}\|"
    r"|^\s*[+|][-=+:|\s]{3,}$|\S {3,}\S.* {3,}\S|(?<!\\)&.*\\\\|^\s*</?t[drh]\b"
)
_SKIPPED = "(?:tabular|table|longtable|thebibliography|equation|align)"
_SKIPPED_BLOCKS = (
    (re.compile(rf"\\begin\{{{_SKIPPED}"), re.compile(rf"\\end\{{{_SKIPPED}")),
    (re.compile(r"<table\b", re.I), re.compile(r"</table>", re.I)),
)  # fmt: skip
_IS_LATEX = re.compile(r"\\(?:documentclass|begin\{document\}|section\*?\{)")
_LATEX_UNSEEN = re.compile(
    r"^[ \t]*(?:%|\\(?:re)?newcommand|\\def\\|\\documentclass|\\usepackage).*$", re.MULTILINE
)
_LATEX_HEADING = re.compile(
    r"\\(?P<name>part|chapter|(?:sub){0,2}section|(?:sub)?paragraph)\*?(?:\[[^\]\n]{0,200}\])?"
    r"\{(?P<title>(?:[^{}\n]|\{[^{}\n]{0,100}\}){0,200})\}"
)
_LATEX_LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_LATEX_BLOCK = re.compile(
    rf"\\(?:begin|end)\{{(?!{_SKIPPED})[a-zA-Z]{{1,30}}\*?\}}(?:\[[^\]\n]{{0,100}}\])?"
)
_DATA_SET_KEY = re.compile(
    r"[\"']?data[ _-]?sets?(?:[ _-]?name)?[\"']?\s*[:=]\s*[\"']?(?!(?:test|train|val|eval)\w*\b)"
    r"(?P<name>\w[\w ./-]{0,60}?)[\"']?[\s,;.]*",
    re.IGNORECASE,
)
_WORDS_OF_HEADING = re.compile(
    r"(?>[\s:=.,;|#*\"'()/&+_\[\]-]|(?:data ?sets?|data|benchmarks?|tasks?|results?|accurac\w+"
    r"|scores?|performance|experiments?|evaluation|comparison|test|testing|sets?|images|on|of|for"
    r"|the|in|with|using|and|models?|all|our|classification|classifiers?|top-1|percent"
    r"|[0-9][0-9,k]* (?:test |training )?(?:images|classes|samples))(?!\w))*+",
    re.IGNORECASE,
)
_MAY_NAME_DATA_SET = re.compile(rf"{IN_SENTENCES.pattern}|data[ _-]?set|\bon ", re.IGNORECASE)
_LINE_START = re.compile(
    r"^\s*(?:[-*\u2022>]\s+)*(?:#{1,6}\s+)?"
    r"(?:(?:(?:table|tab\.|figure|fig\.)\s+)?[0-9]{1,2}(?:\.[0-9]{1,2})*[.:)]?\s+(?=[A-Z]))?",
    re.IGNORECASE,
)
_CLUSTERING = re.compile(  # a heading; what is below it is about no classifier
    r"[#\s\d.]*(?:(?:k-?means|results of|unsupervised) )?clustering(?: results)?\W*", re.IGNORECASE
)
LINE_LEVEL = 9  # of a line that only names a data set: below every heading


class Headings:
    """The data set of which a text is, as the headings above it say.

    A heading holds for what is below it, up to the next one of the same or a higher level.
    """

    def __init__(self, context: str | None = None) -> None:
        """Begin with the data set that is named before the text."""
        self._named: list[tuple[int, str]] = [(0, context)] if context else []
        self._has_title_of_test = False

    @property
    def data_set(self) -> str | None:
        """The data set of the next line; None: no heading names one."""
        return self._named[-1][1] if self._named else None

    def enter(self, level: int, data_set: str | None) -> None:
        """Go on below a heading of this level, which names a data set or none."""
        self._named = [entry for entry in self._named if entry[0] < level]
        if data_set:
            self._named.append((level, data_set))

    def enter_line(self, line: str) -> bool:
        """Go on below a line, if it is a heading or only names a data set; tell whether it is."""
        data_set = find_data_set_of_line(line) or find_data_set_in_code(line)
        heading = _HEADING.match(line[:_MAX_START])
        images = find_set_of_title(line)
        if heading is None and data_set is None and images is None:
            return False
        level = LINE_LEVEL if heading is None else _find_level(line)
        self._has_title_of_test |= images == "test"
        of_training = TRAINING_SECTION if images == "other" or is_title_of_training(line) else None
        if of_training and self._has_title_of_test:
            of_training = TITLED_SET  # what is called a test figure below it is not one
        if data_set is None and _CLUSTERING.fullmatch(line[:_MAX_START]):
            data_set = "clustering"
        self.enter(level, data_set or _choose_data_set(clean_sentence(line)) or of_training)
        return True

    def leave_output(self) -> None:
        """Forget what a title in the output of a program says: it holds for that output only."""
        self._named = [
            (level, name)
            for level, name in self._named
            if level != LINE_LEVEL or name not in (TRAINING_SECTION, TITLED_SET)
        ]


def _find_level(heading: str) -> int:
    """Return the level of a heading, 1 or more: ``## x`` and ``2.1 x`` have level 2."""
    begin = heading.split(maxsplit=1)[0]
    return begin.count("#") or begin.strip(".").count(".") + 1


SEVERAL_SETS = "one of several data sets"
_RESTRICTS = re.compile(
    r"\b(?:restrict|select|choos|chose|keep|kept|reduc|consider|limit|extract|subset|only)",
    re.IGNORECASE,
)
_CITATION = re.compile(r"~?\\cite\w{0,10}\{[^{}]{0,200}\}|\s?\[[0-9, -]{1,30}\]|\s?\([^()]{0,40}\)")
_IN_A_LIST = re.compile(r"\s*(?:[,&/]|and|or|,\s*(?:and|or))\s*(?:the |on |for )*", re.IGNORECASE)


def _choose_data_set(text: str) -> str | None:
    """Return the data set that a text names: Fashion-MNIST, or else the last one.

    A part of the classes is like another data set.
    """
    names = [mention.name for mention in find_datasets(text)]
    if (FASHION in names or _RESTRICTS.search(text)) and restricts_classes(text):
        return SOME_CLASSES
    return None if not names else FASHION if FASHION in names else names[-1]


def _find_context(sentence: str) -> str | None:
    """Return the data set that a sentence names for the sentences behind it.

    If it lists Fashion-MNIST beside others, nobody knows which one the next sentence is about.
    """
    data_set = _choose_data_set(sentence)
    sentence = _CITATION.sub("", sentence)
    mentions = find_datasets(sentence)
    if data_set != FASHION:
        return data_set
    is_list = any(
        first.name != second.name
        and FASHION in (first.name, second.name)
        and _IN_A_LIST.fullmatch(sentence[first.end : second.start])
        for first, second in itertools.pairwise(mentions)
    )
    return SEVERAL_SETS if is_list else FASHION


@functools.lru_cache(maxsize=256)  # it is asked for twice: where lines are joined, and afterwards
def find_data_set_of_line(line: str) -> str | None:
    """Return the data set of a line that says nothing else; it holds for the lines below.

    ``MNIST:``, ``Dataset: MNIST``, ``Results on MNIST (test set)`` are such lines.
    """
    if len(line) > _MAX_START or not _MAY_NAME_DATA_SET.search(line):
        return None
    text = clean_sentence(_LINE_START.sub("", line, count=1))
    key = _DATA_SET_KEY.fullmatch(text)
    mentions = find_datasets(text)
    if key and not mentions:
        return _read_name(key["name"])
    if not mentions:
        return None
    rest = list(text)
    for mention in mentions:
        rest[mention.start : mention.end] = " " * (mention.end - mention.start)
    if key or _WORDS_OF_HEADING.fullmatch("".join(rest)):
        return _choose_data_set(text)
    return None


# load_iris(), all_datasets["breast_cancer"], datasets.CIFAR10(...), mnist.load_data()
_LOADED_IN_CODE = re.compile(
    r"\b(?:load|fetch)_(?P<loaded>iris|digits|wine|breast_cancer|diabetes|olivetti_faces)\("
    r"|(?<![a-zA-Z])data_?sets?\w*\[\s*[\"'](?P<key>[A-Za-z][\w-]{2,30})[\"']\s*\]"
    r"|\b(?:torchvision\.|tv\.)?datasets\.(?P<class>[A-Z][A-Za-z0-9]{2,20})\("
    r"|\b(?P<module>[a-z_]*mnist|cifar100?|cifar_?10)\.load_data\(",
)
_NO_DATA_SET = re.compile(
    r"train|test|val|ImageFolder|DatasetFolder|FakeData|images?$|labels?$|data$", re.IGNORECASE
)


def find_data_set_in_code(text: str) -> str | None:
    """Return the data set that program code loads; the output below it is of that one.

    Code that loads several says nothing.
    """
    names = {
        match[match.lastgroup or 0].replace("_", " ")
        for match in _LOADED_IN_CODE.finditer(text[:_MAX_CODE])
    }
    names = {name for name in names if not _NO_DATA_SET.search(name)}
    if len(names) != 1:
        return None
    (name,) = names
    return FASHION if FASHION_IN_HEADS.search(name) else name


_MAX_CODE = 5_000  # characters of a block of code


def _read_name(name: str) -> str | None:
    """Return the data set of ``Dataset: my_clothes``; a common word, such as ``local``, is none."""
    if FASHION_IN_HEADS.search(name) or "zalando" in name.lower():
        return FASHION
    is_name = re.fullmatch(r"[\w-]*(?:[A-Z0-9_]|\w-)[\w-]*", name) is not None
    return name if is_name else None


def find_data_sets_of_records(lines: Sequence[str]) -> dict[int, str]:
    """Find the data sets of records such as YAML's, from the first line of each record.

    In a record, ``dataset: MNIST`` may stand below the figures to which it belongs.
    """
    found: dict[int, str] = {}
    first, has_model = 0, False
    for i, line in enumerate(lines):
        if not line.strip() or re.match(r"\s*-(?:\s|--)", line):
            first, has_model = i, False
        key = re.match(r"[\s-]*[\"']?([a-z][a-z_ ]{0,20})[\"']?:\s", line, re.IGNORECASE)
        if key is None:
            continue
        has_model |= key[1].lower() in ("model", "model_name", "classifier", "method")
        data_set = find_data_set_of_line(line) if has_model else None
        if data_set:
            found.setdefault(first, data_set)
    return found


_MODEL_KEY = re.compile(
    r"\s*(?:[-*\u2022]\s+)?(?:model|network|architecture|arch|classifier|method)"
    r"(?: name| type)?[ .]*[:=]\s*(?P<name>[A-Za-z][^:=|()]{0,58}(?:\([^()]{1,80}\))?)",
    re.IGNORECASE,
)
# "Results for SVC:", "SVC evaluation metrics:", "--- SVC results ---"
_RECORD_TITLE = re.compile(
    r"[^\w:]*(?:(?:(?:test|final|evaluation) )*(?:results?|metrics|scores|performance|evaluation)"
    r" (?:for|of) (?:the )?(?P<behind>[A-Za-z][\w .+/()-]{1,58}?)"
    r"|(?P<before>[A-Za-z][\w .+/()-]{1,58}?) (?:(?:test|final|evaluation) )*"
    r"(?:results?|metrics|scores|performance|evaluation))\s*(?::|-{2,}|={2,})\W*",
    re.IGNORECASE,
)
_NAMES_NO_MODEL = re.compile(
    r"(?:(?:the|a|our|test(?:ing)?|train(?:ing)?|val(?:idation)?|final|overall|best|all|each|models?"
    r"|classifiers?|classification|evaluation|performance|summary|baseline|fashion|mnist|data|sets?"
    r"|datasets?|images|class(?:es)?|per|on|of|for|and|in|macro|weighted|average|averaged|metrics"
    r"|results?|scores?|network|proposed|tuned|fine|epochs?|runs?|folds?|fold|[0-9]+)[\W_]*)+",
    re.IGNORECASE,
)
_METRIC_LINE = re.compile(
    r"(?P<mark>\s*(?:[-*\u2022]\s+)?)(?P<rest>(?:(?:test(?:ing)?|overall|final|top-1)[ _-]*)*"
    r"(?:accuracy|acc|error(?: rate)?|kappa)\b[^:=0-9]{0,40}[:=]\s*[0-9].*)",
    re.IGNORECASE,
)


def list_data_sets_of_headings(text: str) -> set[str]:
    """List the data sets that the headings of a text name."""
    headings = (line for line in text.split("\n") if _MARKED_HEADING.match(line[:_MAX_START]))
    named = (_choose_data_set(clean_sentence(heading)) for heading in headings)
    return {data_set for data_set in named if data_set}


def count_headings(text: str) -> int:
    """Count the lines that Markdown marks as headings; a log has none."""
    return sum(_MARKED_HEADING.match(line[:_MAX_START]) is not None for line in text.split("\n"))


_MARKED_HEADING = re.compile(r"\s{0,3}(?:[0-9]{1,2}\.\s+)?(?P<mark>#{1,6})\s+(?P<title>\S.{0,200})")
_MAX_NAME = 60  # characters of a heading that is a model's name


def _name_models_of_headings(lines: Sequence[str]) -> list[str]:
    """Write a model that a heading names before the only accuracy below it: ``### SVC``.

    With several accuracies below a heading, nobody knows what tells their models apart.
    """
    starts = [i for i, line in enumerate(lines) if _MARKED_HEADING.match(line[:_MAX_START])]
    found: dict[str, list[tuple[int, str]]] = {}
    for start, end in itertools.pairwise([*starts, len(lines)]):
        heading = _MARKED_HEADING.match(lines[start][:_MAX_START])
        title = clean_sentence(heading["title"]).strip(" :#") if heading else ""
        models = find_models(title) if len(title) <= _MAX_NAME else []
        metrics = [
            i for i in range(start + 1, end) if _METRIC_LINE.fullmatch(lines[i][:_MAX_START])
        ]
        if len(models) == len(metrics) == 1:
            found.setdefault(models[0].name, []).append((metrics[0], title))
    named = list(lines)
    for places in found.values():
        for i, title in places if len(places) == 1 else ():  # "simple CNN" and "deep CNN" differ
            match = _METRIC_LINE.fullmatch(lines[i][:_MAX_START])
            assert match is not None
            named[i] = f"{match['mark']}{title} {match['rest']}"
    return named


def name_models_of_records(lines: Sequence[str]) -> list[str]:
    """Write the model of each record before its metrics: ``Model: SVC``, below ``Accuracy: 89.7``.

    A record goes on to the next blank line. The name of its only model may stand below the metrics;
    of several names, the one above a metric counts. A heading names the only metric below it.
    """
    named = _name_models_of_headings(lines)
    start = 0
    for end in [*(i for i, line in enumerate(lines) if not line.strip()), len(lines)]:
        names = {i: name for i in range(start, end) if (name := _name_record(lines[i]))}
        name = next(iter(names.values())) if len(names) == 1 else ""
        for i in range(start, end) if names else ():
            name = names.get(i, name)
            metric = _METRIC_LINE.fullmatch(lines[i][:_MAX_START]) if name else None
            if metric is not None:
                named[i] = f"{metric['mark']}{name} {metric['rest']}"
        start = end + 1
    return named


def _name_record(line: str) -> str:
    """Return the model of ``Model: SVC`` or ``Results for SVC:``; empty if a line names none."""
    match = _MODEL_KEY.fullmatch(line[:_MAX_START])
    if match is not None:
        return match["name"].strip()
    title = _RECORD_TITLE.fullmatch(line[:_MAX_START])
    name = (title["behind"] or title["before"]).strip() if title else ""
    return "" if _NAMES_NO_MODEL.fullmatch(name) else name


_MAX_PAIRS = 500  # of lines that are looked at
_MIN_WORDS = 6  # of a line that may go on in the next one
_RUNS_ON = re.compile(
    r"(?:[^\W\d_]-|,|;|\b(?:a|an|the|our|its|this|that|which|of|on|in|for|with|by|to|from|at|as|and"
    r"|or|while|whereas|is|are|was|were|has|have|than))\s*$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"\s*(?:[a-z]|\([A-Za-z]|(?:Fashion|MNIST|F-?MNIST|CIFAR|SVHN)\b)(?!.{0,30}[:=])"
)
_ENDS_WITH_FIGURE = re.compile(r"(?<![\w.,-])[0-9][0-9.,]*+\s*%?\)?\s*$")
_GOES_ON_AFTER_FIGURE = re.compile(
    r"\s*(?:on|in|for|with|by|of|to|at|and|while|whereas|but|which|when|after|using|compared"
    r"|respectively|accuracy|test)\b"
)
_BROKEN_NAME = re.compile(
    r"(?P<begin>\b(?:fashion|f|zalando))(?P<hyphen>-?)[ \t]*\n[ \t]*"
    r"(?P<end>(?:fashion-?)?mnist\b[^\w\s]*)[ \t]*",
    re.IGNORECASE,
)


def join_broken_names(text: str) -> str:
    """Write the name of Fashion-MNIST on one line where it is broken at the end of a line."""
    return _BROKEN_NAME.sub(lambda m: f"{m['begin']}{m['hyphen'] or ' '}{m['end']}\n", text)


def join_wrapped_lines(lines: Sequence[str]) -> list[str]:
    """Join the lines of each wrapped paragraph to one; the other lines are left empty.

    A line goes on in the next one if it has several words and no end of a sentence, and the next
    line begins as no item of a list does. The number of lines stays the same.
    """
    joined = [""] * len(lines)
    first = 0  # the first line of the paragraph
    for i in range(1, len(lines) + 1):
        if i < len(lines) and _is_continued(lines[i - 1], lines[i]):
            continue
        joined[first] = _join_lines(lines[first:i]) if i - first > 1 else lines[first]
        first = i
    return joined


def is_wrapped_prose(text: str) -> bool:
    """Whether a text has lines of a sentence that goes on in the next line, and ends somewhere."""
    if not re.search(r"[\w%)]\.(?:\s+[A-Z(]|\s*$)", text):
        return False
    pairs = itertools.islice(itertools.pairwise(text.split("\n")), _MAX_PAIRS)
    return any(
        not re.search(r",[^\W\d]", first + second) and _is_continued(first, second)
        for first, second in pairs
    )


def _is_continued(line: str, following: str) -> bool:
    """Whether a line of prose goes on in the following line."""
    line, following = line[-_MAX_START:], following[:_MAX_START]
    if re.match(r"\s*[-*\u2022]\s", line) and re.match(r"\s+[a-z]", following):
        return not _ENDS_WITH_FIGURE.search(line)  # an item of a list, and its second line
    least = _MIN_WORDS if not re.search(r"[a-z]-\s*$", line) else _MIN_WORDS // 2
    if len(line.split()) < least or not following.strip() or _is_no_prose(line):
        return False
    if _is_no_prose(following) or re.search(r"[.!?:]\s*$", line):
        return False
    if _ENDS_WITH_FIGURE.search(line):
        return _GOES_ON_AFTER_FIGURE.match(following) is not None
    if _RUNS_ON.search(line):
        return True
    return _GOES_ON.match(following) is not None


def _is_no_prose(line: str) -> bool:
    return bool(
        _TABLE_ROW.search(line)
        or _HEADING.match(line)
        or is_log_line(line)
        or is_training_log(line)
        or re.match(r"\s*(?:[-*\u2022|+>\\{}]|[0-9]{1,2}[.)]\s)", line)
        or re.search(r"[|{}\\\[\]]\s*$", line)
    )


def is_training_log(line: str) -> bool:
    """Whether a line is one of a training log: figures of training or validation images."""
    return _TRAINING_LOG.search(line[:_MAX_START]) is not None and not _TEST_LINE.match(
        line[:_MAX_START]
    )


def is_log_line(line: str) -> bool:
    """Whether a line is one of a log or a list: it ends with a value, or begins with an epoch."""
    return _LOG_LINE.search(line[-_MAX_START:]) is not None


# A label (``Without dropout:``) or a line of prose; they have no figure.
_BREAK_OF_LOG = re.compile(
    r"^(?:[A-Z][^\n\d=:|]{2,60}:|[A-Z][a-z\u2019']*(?: [^\s\d=:|]+){5,}[.,\w])[ \t]*$", re.MULTILINE
)
_MAX_BREAKS = 20  # a text with more is a log itself


def find_breaks_of_logs(text: str) -> list[int]:
    """Find the positions in a text where the log of one model ends.

    There stands a label, such as ``Without dropout:``, or a line of prose. A line that is printed
    several times, such as ``Saving the model to a file``, belongs to a log and does not end it.
    """
    found = list(_BREAK_OF_LOG.finditer(text))
    lines = [match[0].strip() for match in found]
    breaks = [m.start() for m, line in zip(found, lines, strict=True) if lines.count(line) == 1]
    return breaks if len(found) <= _MAX_BREAKS else []


def strip_log_prefix(line: str) -> str:
    """Return a line of a log without the time and the level before it."""
    return _LOG_PREFIX.sub("", line, count=1)


def is_of_epoch(line: str) -> bool:
    """Whether a line prints a loss or the number of an epoch, as one of each epoch does."""
    return _OF_EPOCH.search(line[:_MAX_START]) is not None and not _FINAL.match(line)


def _is_alone(line: str) -> bool:
    """Whether a line is a heading or a line of a log, so not joined with the next one."""
    return bool(
        _HEADING.match(line[:_MAX_START])
        or is_log_line(line)
        or is_training_log(line)
        or find_set_of_title(line)
        or (line.rstrip().endswith(":") and find_data_set_of_line(line))
        or _DATA_SET_KEY.fullmatch(line.strip()[:_MAX_START])
    )


def split_sentences(
    text: str,
    context: str | None = None,
    *,
    headings: Headings | None = None,
    is_printed: bool = False,
) -> Iterator[tuple[str, str | None]]:
    """Yield the sentences that hold a number, each with the data set of the text before it.

    ``context`` is the data set that is named before the text, ``headings`` are those above it; they
    go on with those in the text. ``is_printed``: each line stands alone.
    """
    headings = headings or Headings(context)
    text = _mark_latex(_name_records(_hide_comment_signs(text)))
    blocks = list(_split_blocks(text, is_printed=is_printed))
    of_caption: str | None = None  # of the block above, if that is the caption of a picture
    no_claims = _SectionWithoutClaims()
    for block, following in itertools.zip_longest(blocks, blocks[1:], fillvalue=""):
        if _IS_LINK.fullmatch(block):
            continue
        no_claims.enter(block)
        holds_below = _holds_below(block) or _is_item(following)
        holds_below = holds_below or _begins_results(block, headings.data_set)
        holds_below = holds_below or find_set_of_title(block) is not None
        holds_below = holds_below or find_data_set_in_code(block) is not None
        is_above = holds_below and headings.enter_line(block)
        if is_above and not _ENDS_WITH_RESULT.search(block[-_MAX_START:]):
            continue
        data_set = no_claims.subject or of_caption or headings.data_set
        of_caption = _find_data_set_of_caption(block)
        for sentence in _split_block(block):
            if _WORTH_READING.search(sentence):
                yield sentence, data_set
            if no_claims.subject:
                continue
            if is_measured_on_validation(sentence):
                data_set = TRAINING_SECTION
            data_set = _find_context(sentence[:MAX_SENTENCE]) or data_set
            if describes_binary(sentence[:MAX_SENTENCE]):
                headings.enter(LINE_LEVEL, SOME_CLASSES)


# "IV. METHODS We use ...", as a PDF may have it
_NUMBERED_TITLE = re.compile(r"\s*(?:[IVX]{1,5}\.|[0-9]{1,2}\.?)\s+[A-Z]{3}")


class _SectionWithoutClaims:
    """Tells what a section is about whose figures are no claims: a goal, or other works."""

    def __init__(self) -> None:
        self.subject: str | None = None
        self._level = 1

    def enter(self, block: str) -> None:
        """Go on with the next block, which may be a heading."""
        is_heading = _HEADING.match(block[:_MAX_START]) is not None
        level = _find_level(block) if is_heading else 1
        if is_title_of_other_works(block):
            self.subject, self._level = OTHER_WORKS, level
        elif is_heading and is_title_of_goal(block):
            self.subject, self._level = GOAL, LINE_LEVEL
        elif (is_heading or _NUMBERED_TITLE.match(block)) and level <= self._level:
            self.subject = None


_CAPTION = re.compile(r"\s*(?:\*{1,3}|_{1,3})(?:figure|fig\.|table) [0-9]{1,2}[.:]", re.IGNORECASE)


def _find_data_set_of_caption(block: str) -> str | None:
    """Return the only data set that the emphasised caption of a picture names."""
    if not _CAPTION.match(block):
        return None
    names = {mention.name for mention in find_datasets(clean_sentence(block))}
    return names.pop() if len(names) == 1 else None


# An item of a list that is a link to another work and nothing else.
_IS_LINK = re.compile(
    r"\s*(?:[-*\u2022]|[0-9]{1,2}[.)])\s+\[[^\n\]]{0,300}\]\(https?://[^()\s]{0,300}\)\W*"
)
_ENDS_WITH_RESULT = re.compile(r"[\w)*]\s?[-:=]\s?(?:0?\.[0-9]{2,}|[0-9]{2}(?:\.[0-9]+)? ?%)\W*$")


_COMMENT = re.compile(r"(\s*)#{1,6}(?=\s)")


def _hide_comment_signs(text: str) -> str:
    """Remove the sign before comments in blocks of code, which is no heading there."""
    lines = text.split("\n")
    fences = [i for i, line in enumerate(lines) if FENCE.match(line[:_MAX_START])]
    if len(fences) % 2:
        return text  # a block without an end may be none
    for first, last in zip(fences[::2], fences[1::2], strict=True):
        for i in range(first + 1, last):
            lines[i] = _COMMENT.sub(r"\1", lines[i], count=1)
    return "\n".join(lines)


def _name_records(text: str) -> str:
    """Write the data set of each record also above its first line, and its model to the metrics."""
    lines = text.splitlines()
    named = find_data_sets_of_records(lines)
    lines = name_models_of_records(lines)
    above = [[f"Dataset: {named[i]}"] if i in named else [] for i in range(len(lines))]
    return "\n".join(part for i, line in enumerate(lines) for part in (*above[i], line))


def _holds_below(block: str) -> bool:
    """Whether a block that names a data set is more than the words beside a plot."""
    text = block.strip()[:_MAX_START]
    has_mark = text[:1] in ("#", "*", "_") or text[-1:] in (":", "*", "_")
    return has_mark or bool(_HEADING.match(text) or _DATA_SET_KEY.fullmatch(text))


_RESULTS = re.compile(r"\b(?:results?|experiments?|evaluation|accurac(?:y|ies)|scores)\b", re.I)


def _begins_results(block: str, data_set: str | None) -> bool:
    """Whether a line without a mark is the title of results on one data set.

    Such are ``MNIST dataset results``, and the mere name of Fashion-MNIST below another data set.
    """
    of_line = find_data_set_of_line(block)
    if of_line is None:
        return False
    return _RESULTS.search(block) is not None or (of_line == FASHION and data_set is not None)


def _is_item(block: str) -> bool:
    """Whether a block is an item of a list or a line with a figure."""
    return re.match(r"\s*[-*\u2022]\s", block) is not None or is_log_line(block)


def _mark_latex(text: str) -> str:
    """Write LaTeX's headings as Markdown's, and its lists as lists; leave out what is not shown."""
    if "\\" not in text:
        return text
    if _IS_LATEX.search(text):
        text = _LATEX_UNSEEN.sub("", text)
    text = _LATEX_HEADING.sub(_write_heading, text)
    text = re.sub(r"\\item\b(?:\[([^\]\n]{0,100})\])?", r"\n- \1", text)
    return _LATEX_BLOCK.sub("\n\n", text)


def _write_heading(match: re.Match[str]) -> str:
    name = match["name"]
    level = _LATEX_LEVELS.index("paragraph" if name == "subparagraph" else name) + 1
    return f"\n\n{'#' * level} {match['title']}\n\n"


# It reaches 99.1 %. (MNIST)
_NAME_IN_BRACKETS = re.compile(rf"\s*\(\s*{IN_SENTENCES.pattern}\s*\)", re.IGNORECASE)


def _split_block(block: str) -> Iterator[str]:
    """Split a paragraph into sentences; ``et al.`` and ``Fig.`` do not end one."""
    start = 0
    for match in _SENTENCE_END.finditer(block):
        is_end = not _ABBREVIATION.search(block[max(start, match.start() - 12) : match.start()])
        if is_end and _NAME_IN_BRACKETS.match(block, match.end()) is None:
            yield block[start : match.end("closing")]
            start = match.end()
    yield block[start:]


def _split_blocks(text: str, *, is_printed: bool = False) -> Iterator[str]:
    """Join the lines of each paragraph; headings, items of lists and log lines stand alone.

    Rows of tables and the list of references are left out. ``is_printed``: all lines stand alone.
    """
    lines: list[str] = []
    skipped_until: re.Pattern[str] | None = None
    all_lines = [line[:_MAX_LINE] for line in text.splitlines()]
    is_pair = [
        _LABEL_AND_FIGURE.match(line[:_MAX_START]) is not None
        and not _PROSE_BEFORE_FIGURE.search(line[-_MAX_START:])
        for line in all_lines
    ]
    is_code = False
    for i, line in enumerate(all_lines):
        if line.lstrip().startswith("```"):
            is_code = not is_code and _CODE_BEGINS.match(line) is not None
        elif is_code and line.lstrip().startswith("#") and not is_of_epoch(line):
            continue  # a comment, not a heading
        if skipped_until is not None:
            if skipped_until.search(line):
                skipped_until = None
            continue
        if _REFERENCES.match(line):
            break
        begins = next((end for begin, end in _SKIPPED_BLOCKS if begin.search(line)), None)
        is_alone = _is_alone(line) or (
            is_printed and line.strip() != "" and not _TABLE_ROW.search(line[:_MAX_START])
        )
        is_row = begins is not None or _TABLE_ROW.search(line[:_MAX_START]) is not None
        if (
            is_pair[i] and not is_alone
        ):  # rows of a table in a PDF's text: several one after another
            is_row = is_row or any(is_pair[max(i - 1, 0) : i]) or any(is_pair[i + 1 : i + 2])
        is_item = _ITEM.match(line) is not None
        if lines and (not line.strip() or is_alone or is_row or is_item):
            yield _join_lines(lines)
            lines = []
        if begins is not None:
            skipped_until = None if begins.search(line) else begins
        elif is_alone:
            yield line
        elif line.strip() and not is_row and not line.lstrip().startswith("$$"):
            lines.append(line)
    if lines:
        yield _join_lines(lines)


_CODE_BEGINS = re.compile(
    r"\s*```\s*(?:python|py|ipython|r|julia|bash|sh|shell|console|zsh|yaml|makefile|ruby|perl)[0-9]?\s*$",
    re.IGNORECASE,
)
# The first of a list: "- CNN", "1. CNN" and "1 - CNN"
_ITEM = re.compile(r"\s*(?:[-*\u2022]\s|[0-9]{1,2}[.)]\s|[0-9]{1,2} ?-\s+(?=[A-Z]))")


def _join_lines(lines: Sequence[str]) -> str:
    """Join lines of prose; a word that is broken at the end of a line becomes whole again."""
    text = "\n".join(line.strip() for line in lines)
    text = re.sub(r"(?<=nearest)-\n(?=neighbo)", "-", text)
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    text = re.sub(r"(?<=\w)-\n(?=\w)", "-", text)
    return text.replace("\n", " ")
