"""Reads claims from words: from the command line, from lines of text, and from running text.

:func:`read_words` takes one claim a line, such as ``LeNet-5 98.80 %`` or ``SVC: kappa 0.885``.
:func:`find_sentences` looks for claims in a paper's text. Both take only figures of test images of
Fashion-MNIST. What else looks like a claim (training accuracy, another data set, a difference) goes
into the notes, with the reason.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.errors import UserError
from fmbench.extraction.east_asian import is_clause
from fmbench.extraction.figures import OUT_OF_RANGE, parse_printed_figure
from fmbench.extraction.found import Extraction, FoundClaim
from fmbench.extraction.metric_names import MetricName, is_training_metric, names_test_images
from fmbench.extraction.text.compared import is_comparison, is_derived
from fmbench.extraction.text.conditions import (
    SOME_CLASSES,
    count_test_images,
    find_images,
    restricts_classes,
)
from fmbench.extraction.text.decide import (
    ACCURACY,
    ACHIEVED,
    BESIDE_TEST_FIGURE,
    MISCLASSIFIES,
    SOURCE,
    TRAINING_IMAGES,
    UNNAMED,
    Reading,
    explain_condition,
    find_metric_of,
    is_connected_in,
    is_of_training,
    leave_out_restated,
    make_claim,
    measure_distance,
    quote,
    read_figure,
)
from fmbench.extraction.text.mentions import (
    END_OF_INTERVAL,
    FASHION,
    MAX_SENTENCE,
    ONE_OF_LIST,
    SIZE_OF_LAYER,
    FigureMention,
    Mention,
    find_models,
)
from fmbench.extraction.text.not_claimed import EARLIER_EPOCH, is_date_of_post
from fmbench.extraction.text.printed import find_identifiers, name_printed, split_sections
from fmbench.extraction.text.repetitions import find_repetition_elsewhere
from fmbench.extraction.text.sentence import Sentence
from fmbench.extraction.text.split import (
    LINE_LEVEL,
    Headings,
    count_headings,
    find_breaks_of_logs,
    find_data_set_of_line,
    find_data_sets_of_records,
    is_log_line,
    is_of_epoch,
    is_training_log,
    list_data_sets_of_headings,
    name_models_of_records,
    split_sentences,
    strip_log_prefix,
)
from fmbench.extraction.text.subjects import clean_label, find_dataset_of, find_label_of

KIND = SOURCE  # a name in fmbench.extraction.read.KINDS
MAX_LINES = 5_000  # lines of read_words
MAX_SENTENCES = 5_000  # sentences with numbers that find_sentences reads
MAX_FIGURES = 30  # of one sentence; more numbers than that are data, not prose
MAX_NOTES = 30
_ARGUMENT = "argument"  # what messages call one line, where the lines are a command's arguments
_MIN_LENGTH = 4  # of a figure such as 91.71, which two kinds of images hardly share by chance
_MAX_SHORT = 400  # characters of a line that is read as one claim
_MAX_SHOWN = 60  # characters of a line in a message


def read_words(texts: Sequence[str], name: str) -> Extraction:
    """Read one claim or several from each text: the arguments of a command, or lines of a file.

    A line that only names a data set holds for the lines below it.

    Raises:
        UserError: a figure of an argument is out of range, or there are too many lines.
    """
    claims: list[FoundClaim] = []
    notes: list[str] = []
    unit = _ARGUMENT if name == "the command line" else "line"
    lines = [line for text in texts for line in re.split(r"\r\n|\r|\n", text)]
    if name == "the command line":
        lines = _join_arguments(lines)
    n_lines = sum(bool(line.strip()) for line in lines)
    if n_lines > MAX_LINES:
        raise UserError(f"{name} has more than {MAX_LINES:,} lines of words: give fewer")
    headings = Headings()
    logged: list[tuple[object, FoundClaim]] = []
    is_log = unit == "line" and any(map(is_of_epoch, lines))
    of_records = find_data_sets_of_records(lines)
    lines = name_models_of_records(lines)
    n_losses = 0
    n_tested: int | None = None  # the test images of which the lines speak
    code = ""  # the last line that is no number, such as a call whose result the number is
    for i, line in enumerate(lines, start=1):
        if is_result_of_training(code, line):
            notes.append(f"{unit} {i}: not taken (of {TRAINING_IMAGES}): {_shorten(code)!r}")
            continue
        code = line if line.strip() and BARE_NUMBER.fullmatch(line) is None else code
        if i - 1 in of_records:
            headings.enter(LINE_LEVEL, of_records[i - 1])
        if line.strip() and find_data_set_of_line(line) is None and not is_date_of_post(line):
            found, seen = _read_line(line, f"{unit} {i}", headings.data_set)
            n_tested = count_test_images(line) or n_tested
            if found and n_tested is not None and n_tested < FASHION_MNIST.n_test:
                notes.append(
                    f"{unit} {i}: not taken (of {n_tested} test images): {_shorten(line)!r}"
                )
                continue
            claims += found
            if unit == "line" and not found and _LOSS_OF_LOG.match(line[:_MAX_SHORT]):
                n_losses += 1
            else:
                notes += seen if n_lines == 1 or unit == _ARGUMENT else _keep_figures(seen)
            if is_log and (is_log_line(line) or is_of_epoch(line)):
                logged += [(0, claim) for claim in found if not claim.label]
        if not headings.enter_line(line) and restricts_classes(line) and not _holds_figure(line):
            headings.enter(LINE_LEVEL, SOME_CLASSES)
    earlier, repeated = _find_earlier_epochs(logged)
    claims = [claim for claim in claims if id(claim) not in earlier]
    if n_losses:
        notes.append(f"not read: {n_losses} line{'s' * (n_losses > 1)} of a training log")
    return Extraction(KIND, name, tuple(claims), notes=_limit([*repeated, *notes]))


BARE_NUMBER = re.compile(r"\s*(?:(?:out|\[)\S{0,9}:?\s*)?[0-9]*\.?[0-9]+\s*%?\s*", re.IGNORECASE)
_NO_FIGURE = re.compile(
    r": no figure (?:in '|is clear in '(?![^']*\b(?:[1-9][0-9]|[0-9]*\.[0-9]{2,})\b))"
)
# [Epoch: 1, Batch: 2000] loss: 1.16
_LOSS_OF_LOG = re.compile(
    r"(?!.*(?:acc|err|f1|test)).*\b(?:epoch|batch|step|iter\w*)\b.*\bloss\b ?[:=]", re.IGNORECASE
)


def _keep_figures(notes: Sequence[str]) -> list[str]:
    """Return the notes on lines of a file that hold a number which may be an accuracy."""
    return [note for note in notes if not _NO_FIGURE.search(note)]


_CODE_OF_TRAINING = re.compile(
    r"[(\[][^()\[\]]{0,40}(?<![a-z])(?:train|val(?:id)?)(?![a-z])", re.IGNORECASE
)


def is_result_of_training(code: str, line: str) -> bool:
    """Whether a line is a number alone, below code such as ``clf.score(X_train, y_train)``."""
    return (
        code.rstrip().endswith((")", "]"))
        and _CODE_OF_TRAINING.search(code[:_MAX_SHORT]) is not None
        and BARE_NUMBER.fullmatch(line[:_MAX_SHORT]) is not None
    )


def _holds_figure(line: str) -> bool:
    return bool(_choose_figures(Sentence.of(line[:MAX_SENTENCE])))


def _join_arguments(texts: Sequence[str]) -> list[str]:
    """Join a name and the figure behind it, where the quotes around both are forgotten."""
    joined: list[str] = []
    for text in texts:
        is_figure = parse_printed_figure(text) is not None
        if joined and is_figure and not _choose_figures(Sentence.of(joined[-1])):
            joined[-1] = f"{joined[-1]}: {text}"
        else:
            joined.append(text)
    return joined


def names_model_and_figure(line: str) -> bool:
    """Whether a line is a model's name, a sign such as a colon, and one figure: ``SVC: 0.897``."""
    sentence = Sentence.of(line[:MAX_SENTENCE])
    figures = _choose_figures(sentence)
    if len(figures) != 1 or not figures[0].is_clear or not sentence.models:
        return False
    return re.search(r"[:=|\t]\s*$|\s-\s*$", sentence.text[: figures[0].start]) is not None


def find_sentences(
    text: str,
    where: str,
    context: str | None = None,
    *,
    headings: Headings | None = None,
    is_printed: bool = False,
) -> tuple[list[FoundClaim], list[str]]:
    """Find the claims that running text makes, and describe what looks like one and is not taken.

    ``where`` is the place of the text, for people: ``page 3``. ``context`` is the data set that is
    named before it; ``headings`` are those above it, and go on below it. ``is_printed``: a program
    printed the text, so each line stands alone. Rows of tables, program code and the list of
    references are left out.
    """
    claims: list[FoundClaim] = []
    logged: list[tuple[object, FoundClaim]] = []
    notes: list[str] = []
    n_read = n_training = n_crowded = 0
    other_images: set[str] = set()  # figures of training and validation images
    referred: dict[str, str] = {}  # figures that are spoken of once more, and why they do not count
    unsaid: dict[int, str] = {}  # of claims whose sentence does not name the test images: a quote
    above = ""  # the printed line above
    breaks = find_breaks_of_logs(text)
    offset = 0  # of the last line of a log
    has_headings = count_headings(text) > 1
    of_headings = list_data_sets_of_headings(text) if has_headings else set()
    tells_data_apart = FASHION in of_headings and len(of_headings) > 2
    for section, model, raw, data_set in _iterate_sentences(text, context, headings, is_printed):
        if n_read == MAX_SENTENCES:
            notes.insert(0, f"{where}: only the first {MAX_SENTENCES:,} sentences are read")
            break
        n_read += 1
        if is_training_log(raw):
            n_training += 1
            continue
        sentence = Sentence.of(strip_log_prefix(raw), data_set)
        if is_printed:
            sentence.models = find_identifiers(sentence)
        if len(sentence.figures) > MAX_FIGURES:
            n_crowded += 1
            continue
        readings = leave_out_restated([read_figure(sentence, f) for f in sentence.figures])
        if tells_data_apart and data_set is None:
            readings = [_leave_out_unnamed(sentence, reading) for reading in readings]
        if is_printed:
            readings = name_printed(sentence, readings, above, model)
            above = sentence.text
        found = _list_claims(sentence, readings, where)
        claims += found
        for reading in readings:
            if is_referred_to(sentence.text, reading.figure, reading.why_not):
                referred[reading.figure.text.rstrip("% ")] = reading.why_not
            if reading.why_not in (f"of {TRAINING_IMAGES}", BESIDE_TEST_FIGURE):
                other_images.add(reading.figure.text.rstrip("% "))
        if not names_test_images(sentence.text):
            unsaid |= {id(claim): claim.where for claim in found}
        if is_of_epoch(raw) or (is_log_line(raw) and not has_headings):
            offset = max(text.find(raw, offset), offset)
            log = 0 if is_printed else bisect(breaks, offset)
            of_data = (section, log, data_set or "")
            logged += [(of_data, claim) for claim in found if claim.label in ("", model)]
        notes += [
            f"{where}: not taken ({reading.why_not}): {quote(sentence.text, reading.figure)}"
            for reading in readings
            if reading.why_not and not (is_printed and found and _is_of_log(reading))
        ]
    notes = list(_limit(notes))
    for count, what in (
        (n_training, "of a training log"),
        (n_crowded, f"with more than {MAX_FIGURES} numbers"),
    ):
        if count:
            notes.append(f"{where}: not read: {count} line{'s' * (count > 1)} {what}")
    earlier, repeated = _find_earlier_epochs(logged)
    unlikely = _find_training_epochs([c for _, c in logged if id(c) in unsaid], earlier)
    for claim in unlikely:
        earlier.add(id(claim))
        notes.append(_NO_SHARE_OF_TEST.format(where, claim.figure.printed))
        repeated = [note for note in repeated if not note.endswith(f", {claim.figure.printed}")]
    if is_printed:  # the last epoch of a model whose result is printed below its log
        named = {(claim.metric, claim.figure.value) for claim in claims if claim.label}
        earlier |= {
            id(claim)
            for _, claim in logged
            if not claim.label and (claim.metric, claim.figure.value) in named
        }
    for claim in claims:
        value = claim.figure.printed.rstrip("% ")
        if value in referred and not claim.label:
            earlier.add(id(claim))
            notes.append(f"{where}: not taken (elsewhere it is {referred[value]}): {value}")
        if id(claim) in unsaid and value in other_images and len(value.strip("0.")) > _MIN_LENGTH:
            earlier.add(id(claim))
            place, _, quoted = unsaid[id(claim)].partition(", ")
            notes.append(f"{place}: not taken (elsewhere it is of {TRAINING_IMAGES}): {quoted}")
    return [claim for claim in claims if id(claim) not in earlier], [*notes, *repeated]


def is_referred_to(text: str, figure: FigureMention, why_not: str) -> bool:
    """Whether a text speaks again of a figure, with a condition: ``the 95 % with four classes``."""
    is_said_before = re.search(r"\b(?:than|as|to|with|of) the $", text[: figure.start]) is not None
    is_behind = re.match(r" (?:\w+ )?(?:with|for|on|from) ", text[figure.end :]) is not None
    return why_not.startswith("of ") and is_said_before and is_behind


def _leave_out_unnamed(sentence: Sentence, reading: Reading) -> Reading:
    """Leave out a figure without a name and a data set, where headings tell data sets apart."""
    is_unnamed = reading.claim is not None and not reading.claim.label
    if not is_unnamed or sentence.datasets:
        return reading
    why_not = "the headings tell data sets apart, and the one above it names none"
    return Reading(reading.figure, why_not=why_not)


def _is_of_log(reading: Reading) -> bool:
    """Whether a figure is what a log prints beside the accuracy on the test images."""
    return TRAINING_IMAGES in reading.why_not or reading.why_not.lower() == "loss is not judged"


def _iterate_sentences(
    text: str, context: str | None, headings: Headings | None, is_printed: bool
) -> Iterator[tuple[int, str, str, str | None]]:
    """Yield the number of the section, its model, a sentence, and the data set of the text above.

    Only what a program printed has several sections.
    """
    sections = split_sections(text) if is_printed else [("", text)]
    for number, (model, part) in enumerate(sections):
        for raw, data_set in split_sentences(
            part, context, headings=headings, is_printed=is_printed
        ):
            yield number, model, raw, data_set


def _list_claims(sentence: Sentence, readings: Sequence[Reading], where: str) -> list[FoundClaim]:
    return [
        replace(reading.claim, where=f"{where}, {quote(sentence.text, reading.figure)}")
        for reading in readings
        if reading.claim is not None
    ]


def _find_earlier_epochs(
    logged: Sequence[tuple[object, FoundClaim]],
) -> tuple[set[int], list[str]]:
    """Find all but the last value of each metric in the lines of a log: it prints each epoch.

    A log may have several sections, each with its number or data set. Returns the ids of the
    claims, and a note for each metric.
    """
    groups: dict[tuple[object, str, int | None, str | None], list[FoundClaim]] = {}
    for section, claim in logged:
        key = (section, claim.metric, claim.class_, claim.average)
        groups.setdefault(key, []).append(claim)
    earlier: set[int] = set()
    notes = []
    for (_, metric, _, _), group in groups.items():
        values = {claim.figure.value for claim in group}
        if len(values) > 1:
            earlier |= {id(claim) for claim in group[:-1]}
            label = group[-1].label
            of_model = f" for {label}" if label else " without a model's name"
            notes.append(
                f"{metric} is printed {len(group)} times{of_model}, as in a log of"
                f" epochs: only the last one is taken, {group[-1].figure.printed}"
            )
    return earlier, notes


_MIN_EPOCHS = 5  # lines of a log; fewer may be of several models
_NO_SHARE_OF_TEST = (
    "{}: not taken (the last line of a log that does not name the test images, and no share of"
    " 10,000 images): {}"
)


def _find_training_epochs(logged: Sequence[FoundClaim], earlier: set[int]) -> list[FoundClaim]:
    """Find the accuracies of the last epoch that no number of right test images gives.

    Such are means over batches of training images.
    """
    values = {claim.figure.value for claim in logged if not claim.label}
    if len(values) < _MIN_EPOCHS:
        return []
    return [
        claim
        for claim in logged
        if id(claim) not in earlier
        and not claim.label
        and claim.metric == "accuracy"
        and not _is_share_of_test(claim.figure.value)
    ]


def _is_share_of_test(value: str) -> bool:
    """Whether a figure is k / 10,000, as it is printed or rounded."""
    share = Fraction(value.rstrip("%")) / (100 if value.endswith("%") else 1)
    digits = len(value.rstrip("%").partition(".")[2]) + 2 * value.endswith("%")
    n_test = FASHION_MNIST.n_test
    return abs(share - Fraction(round(share * n_test), n_test)) <= Fraction(1, 10**digits)


# ---- one line of words ---------------------------------------------------------------------------


def _read_line(
    line: str, where: str, context: str | None = None
) -> tuple[list[FoundClaim], list[str]]:
    """Read one line such as ``LeNet-5: 98.80 %``, or the sentences in it.

    ``context`` is the data set that the lines above name.
    """
    line = " ".join(strip_log_prefix(line[:MAX_SENTENCE]).replace("\t", " | ").split())
    text = re.sub(r"^(?:[-*\u2022>|]+ |[0-9]{1,2}[.)] )", "", line).removesuffix("|")
    sentence = Sentence.of(text, context)
    if re.fullmatch(r"[\[(][-0-9., eE+]+[\])]", sentence.text):
        return [], [f"{where}: a list of numbers without names: not taken"]
    figures = _choose_figures(sentence)
    if (
        len(figures) != 1
        or len(sentence.text) > _MAX_SHORT
        or re.search(r"\w[.!?] [A-Z]", sentence.text)
    ):
        return _read_line_as_prose(line, sentence, where)
    figure = figures[0]
    name = _find_metric_of_line(sentence, figure)
    reason = name if isinstance(name, str) else find_dataset_of(sentence, figure)
    if reason == FASHION and _is_statement(sentence, figure):
        reason = explain_condition(sentence, figure) or FASHION
    if reason == FASHION and not where.startswith(_ARGUMENT) and _is_bare_number(sentence, figure):
        reason = "no metric is named, and it is too low for an accuracy"
    if reason == FASHION and not (sentence.metrics or sentence.models) and is_clause(line):
        reason = "no metric is named"
    if reason != FASHION or isinstance(name, str):
        return [], [_note_not_taken(where, reason, sentence, figure)]
    label = _cut_label(sentence, figure)
    if _LAYER.fullmatch(label) and not sentence.metrics:
        return [], [_note_not_taken(where, SIZE_OF_LAYER, sentence, figure)]
    reading = make_claim(sentence, figure, name, label)
    if reading.claim is None:
        if OUT_OF_RANGE.search(reading.why_not):
            if where.startswith(_ARGUMENT):
                raise UserError(f"{where}: {reading.why_not}: correct the figure")
            return [], [f"{where}: not taken: {reading.why_not}"]
        return [], [_note_not_taken(where, reading.why_not, sentence, figure)]
    claim = reading.claim
    if claim.class_ is not None:
        names = [m for m, number in sentence.classes if number == claim.class_]
        claim = replace(claim, label=_cut_label(sentence, figure, names))
    notes = [
        _note_not_taken(where, "a second figure", sentence, other)
        for other in sentence.figures
        if other.is_clear and other is not figure and not other.why_not
    ]
    return [replace(claim, where=where)], notes


_LAYER = re.compile(
    r"(?:(?:max|avg|average|global|hidden|input|output|fully[- ]connected|first|second|last) ?)*"
    r"(?:conv(?:olution(?:al)?)?(?:[123]d)?|fc|dense|linear|pool(?:ing)?(?:2d)?|dropout|flatten|layer"
    r"|inputs?|outputs?|kernel|strides?|padding|channels?)(?: layer)?s?[ _-]?[0-9]{0,2}",
    re.IGNORECASE,
)


def _is_bare_number(sentence: Sentence, figure: FigureMention) -> bool:
    """Whether nothing says that the number of a line is an accuracy, and it is below one half.

    ``Elements: 6`` and ``3.6 Results`` are such lines; ``SVC: 10`` names a model.
    """
    if figure.is_quotient or sentence.metrics or sentence.models:
        return False
    printed = parse_printed_figure(figure.text)
    if printed is None or printed.out_of is not None:
        return False
    value = float(printed.value.removesuffix("%"))
    return value < 0.5 or figure.text == "1" or ((value > 1 or figure.is_percent) and value < 50)


def _note_not_taken(where: str, reason: str, sentence: Sentence, figure: FigureMention) -> str:
    return f"{where}: not taken ({reason}): {quote(sentence.text, figure)}"


def _find_metric_of_line(sentence: Sentence, figure: FigureMention) -> MetricName | str:
    """Find the metric of the figure of a short line, or say why it has none."""
    name_before = sentence.text[: figure.start].strip(" .:=|-")
    if (
        _counts_training_batches(sentence.text)
        or is_of_training(sentence, figure)
        or is_training_metric(name_before)
        or (not sentence.metrics and find_images(sentence.text[: figure.start]) == "other")
    ):
        return f"of {TRAINING_IMAGES}"
    if not sentence.metrics and not MISCLASSIFIES.search(sentence.text[: figure.start]):
        return ACCURACY
    name = find_metric_of(sentence, figure)
    if not isinstance(name, str) or name not in ("", UNNAMED):
        return name
    nearest = min(sentence.metrics, key=lambda m: measure_distance(m, figure))
    if nearest.is_training:
        return f"of {TRAINING_IMAGES}"
    return nearest.name or f"{nearest.text} is not judged"


_BATCH_SIZES = (1, 10, 16, 20, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024)


def _counts_training_batches(text: str) -> bool:
    """Whether a line of Keras's log, ``1875/1875 - 5s - loss: ...``, is of the training images.

    It counts batches: 313 of 32 images are the test set.
    """
    match = re.match(r"\W*([0-9]{1,6})/\1\b", text)
    if match is None:
        return False
    n_train, n_test = FASHION_MNIST.n_train, FASHION_MNIST.n_test
    of_training = {-(-n // size) for n in (n_train, n_train - n_test) for size in _BATCH_SIZES}
    return int(match[1]) in of_training - {-(-n_test // size) for size in _BATCH_SIZES}


_GOES_ON = re.compile(  # a piece of a sentence that is no entry of a list
    rf"{ACHIEVED.pattern}|(?:which|where|whereas|while|but|although|because|so|with)\b", re.I
)


def _read_line_as_prose(
    line: str, sentence: Sentence, where: str
) -> tuple[list[FoundClaim], list[str]]:
    """Read a line with no figure or several."""
    claims, notes = find_sentences(line, where, sentence.context)
    pieces = [piece for piece in re.split(r"[;,](?= )| and ", line) if piece.strip()]
    is_range = re.search(r"\b(?:between|range)\b", line, re.IGNORECASE) is not None
    is_list = any(figure.why_not == ONE_OF_LIST for figure in sentence.figures)
    is_prose = re.search(r"\w[.!?] [A-Z]", line) is not None or restricts_classes(line)
    is_prose = is_prose or any(EARLIER_EPOCH in note for note in notes)
    is_range = is_range or any(figure.why_not == END_OF_INTERVAL for figure in sentence.figures)
    is_prose = is_prose or any(_GOES_ON.match(piece.strip()) for piece in pieces[1:])
    if len(pieces) > 1 and len(claims) < len(pieces) and not (is_range or is_list or is_prose):
        parts = [Sentence.of(piece) for piece in pieces]
        if all(len(_choose_figures(part)) == 1 for part in parts):
            return _read_pieces(pieces, sentence, where)
    if is_list and not notes:
        notes.append(f"{where}: not taken ({ONE_OF_LIST}): {_shorten(sentence.text)}")
    if not claims and not notes:
        notes.append(_explain_line(sentence, where))
    return claims, notes


def _explain_line(sentence: Sentence, where: str) -> str:
    """Say in one line why no claim was found in a line."""
    text = _shorten(sentence.text)
    if len(_choose_figures(sentence)) > 1:
        return f"{where}: several figures in {text!r}: give each with its own label"
    explained = [figure for figure in sentence.figures if figure.why_not]
    if explained and len(explained) == len(sentence.figures):
        return _note_not_taken(where, explained[-1].why_not, sentence, explained[-1])
    if re.search("[0-9]", text):
        return f"{where}: no figure is clear in {text!r}; it needs a percent sign or a colon"
    return f"{where}: no figure in {text!r}"


def _read_pieces(
    pieces: Sequence[str], sentence: Sentence, where: str
) -> tuple[list[FoundClaim], list[str]]:
    """Read ``LeNet-5 91.2 %, kappa 0.90``: a piece without a label belongs to the one before."""
    claims: list[FoundClaim] = []
    notes: list[str] = []
    label = ""
    for piece in pieces:
        found, seen = _read_line(piece, where, sentence.context)
        notes += seen
        models = [] if found or label else find_models(piece)
        label = models[0].name if len(models) == 1 else label  # LeNet-5: train 95 %, test 90 %
        repetition = find_repetition_elsewhere(piece, sentence.text)
        for claim in found:
            label = claim.label or label
            is_repeated = claim.mean_of > 1 or claim.best_of > 1 or claim.folds > 1
            if repetition is not None and not is_repeated:
                claim = repetition.apply(claim)
            claims.append(replace(claim, label=label))
    return claims, notes


def _choose_figures(sentence: Sentence) -> list[FigureMention]:
    """Choose the figures of a short line: clear ones, else a whole number that is set off.

    ``ResNet 18`` holds none, ``SVC: 90`` and ``accuracy 90`` hold one.
    """
    possible = [figure for figure in sentence.figures if not figure.why_not]
    clear = [figure for figure in possible if figure.is_clear]
    if clear:
        # The accuracy has a percent sign where another number has none, unless that is a metric's.
        main = [
            figure
            for figure in clear
            if figure.is_percent
            or figure.is_quotient
            or any(is_connected_in(sentence, m, figure) for m in sentence.metrics)
        ]
        return main if len(main) == 1 else clear
    set_off = [
        figure
        for figure in possible
        if len(re.sub("[^0-9]", "", figure.text)) > 1  # nobody prints an accuracy of 7
        and (
            re.search(r"[:=|]\s?$", sentence.text[: figure.start])
            or figure.text[:1] in "<>~"
            or any(is_connected_in(sentence, m, figure) for m in sentence.metrics)
        )
    ]
    return set_off[-1:]


_LABEL_END = re.compile(
    r"(?:\b(?:achiev\w*|reach\w*|obtain\w*|attain\w*|scor\w*|gets?|got|has|have|had|with|yields?"
    r"|gives?|gave|is|was|of|an?|the|at|to|up|test(?:ing)?|overall|mean|average|averaged|best|max|maximum|highest|final"
    r"|on|for|in|over|across|results?|rate|score|classification|set|data|value|by|as|and|its|macro"
    r"|weighted|micro)|[\s:=|,;>(\[~.-]+|\b(?:[0-9]+|two|three|five|ten) (?:runs|seeds|trials))$",
    re.IGNORECASE,
)
_LABEL_START = re.compile(
    r"^(?:[\s:=|,;.)\]-]+|\((?:test|train(?:ing)?)\)|(?:with|by|of|for|from|using|on|in|the|an?|our|is|was|test|set|accuracy"
    r"|best|mean|average|maximum|max|highest|median|obtained|achieved|reached|averaged)\b)",
    re.IGNORECASE,
)


def _cut_label(sentence: Sentence, figure: FigureMention, others: Sequence[Mention] = ()) -> str:
    """Cut a label out of a short line: what is left without the figure, metric and data set."""
    label = _cut_words(sentence, figure, others)
    if is_clause(label):
        return ""
    if _is_clause(label, sentence):
        label = _name_clause(label, sentence, figure)
    return clean_label(label)


_LOG = re.compile(r"\W*(?:[0-9]+/[0-9]+\b|(?:step|epoch|iter(?:ation)?|batch)\b[ :#]*[0-9])", re.I)
_COUNT_IN_LOG = re.compile(
    r"(?<![\w./-])(?:(?:step|epoch|iter(?:ation)?|batch)\b[ :#]*)?[0-9]+(?:/[0-9]+)?(?![\w./])"
    r"|(?<![\w./-])[0-9.]+ ?(?:[mu\u00b5]?s|secs?|min|h)(?:/(?:step|epoch|batch|it|sample))?(?!\w)",
    re.IGNORECASE,
)


def _cut_words(sentence: Sentence, figure: FigureMention, others: Sequence[Mention] = ()) -> str:
    """Return what is left of a short line without the figures, metrics and data sets."""
    spans = [(m.start, m.end) for m in sentence.metrics]
    spans += [(m.start, m.end) for m in (*sentence.datasets, *others)]
    spans += [(f.start, f.end) for f in sentence.figures if f.is_clear and not f.why_not]
    not_judged = [m for m in sentence.metrics if m.name is None]
    spans += [
        (f.start, f.end)
        for f in sentence.figures
        if any(is_connected_in(sentence, m, f) for m in not_judged)
    ]
    if _LOG.match(sentence.text):
        spans += [match.span() for match in _COUNT_IN_LOG.finditer(sentence.text)]
    for rest in ((figure.start, len(sentence.text)), (0, figure.end)):  # before it, else behind it
        text = list(sentence.text)
        for start, end in (*spans, rest):
            text[start:end] = "\0" * (end - start)
        label = _trim("".join(text))
        if label:
            return label
    return ""


_WORD_OF_CLAUSE = re.compile(
    r"\b(?:we|our|they|it|ha[sd]|after|before|over|trained|between|typical|improv\w*|using|the"
    r"|with a|das|der|die|ein|eine|erreicht|obtient|une|un|el|la|le|had|took|takes|for [0-9]+|from"
    r"|mis-?classif\w+|fail(?:s|ed)?|when|while|that|this|these|those)\b",
    re.IGNORECASE,
)
_VERB_OF_CLAUSE = re.compile(r"\b(?:is|are|was|were|ha[sd]|have)\b|, (?:and|but|it|we)\b", re.I)
_ENDS_WITH_PRONOUN = re.compile(r"(?<![\w-])(?:it|we|they|this|that|I)$")  # by my count, it
_MAX_NAME = 8  # words


def _is_clause(label: str, sentence: Sentence) -> bool:
    """Whether what is left of a line is a clause and no name."""
    return (
        _WORD_OF_CLAUSE.search(label) is not None
        or ACHIEVED.search(label) is not None
        or len(label.split()) > _MAX_NAME
        or (bool(sentence.compared) and is_comparison(sentence.text))
        or any(is_derived(model.name) for model in sentence.models)
    )


def _is_statement(sentence: Sentence, figure: FigureMention) -> bool:
    """Whether a line is a clause and not a label, which says by itself what is changed."""
    has_verb = ACHIEVED.search(sentence.text, 0, figure.start) is not None
    return has_verb or _is_clause(_cut_words(sentence, figure), sentence)


def _name_clause(label: str, sentence: Sentence, figure: FigureMention) -> str:
    """Return the model's name alone where the rest of a line is a clause and no name."""
    if len({mention.name for mention in sentence.models}) == 1 or sentence.compared:
        return find_label_of(sentence, figure)
    first = label.split()[:1]
    if _VERB_OF_CLAUSE.search(label) or _ENDS_WITH_PRONOUN.search(label):
        return ""
    is_long = len(label.split()) > _MAX_NAME or len(_WORD_OF_CLAUSE.sub("", label).split()) < 2
    return "" if is_long or (first and _WORD_OF_CLAUSE.fullmatch(first[0])) else label


def _trim(text: str) -> str:
    """Drop linking words from both ends of a label, and phrases about runs."""
    text = re.sub(r"\0+", " ", text)
    text = re.sub(
        r"\(?(?:averaged? |mean |best )?(?:of|over|across) [\w-]+ (?:runs|seeds|trials|folds)\)?"
        r"|\(?\b[0-9]+-fold(?: cross[- ]validation| cv)?\)?|\(\s*\)"
        r"|(?:with )?(?:an? |the )?(?:standard deviation|std\.?(?: dev\.?)?)"
        r"(?: of)?(?: [0-9.,]+ ?%?)?",
        " ",
        text,
        flags=re.IGNORECASE,
    )
    text = " ".join(text.split())
    for pattern in (_LABEL_END, _LABEL_START):
        shorter = pattern.sub("", text).strip()
        while shorter != text:
            text, shorter = shorter, pattern.sub("", shorter).strip()
    return text


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} ..."


def _limit(notes: Sequence[str]) -> tuple[str, ...]:
    """Return the first notes, and the number of the others."""
    if len(notes) <= MAX_NOTES:
        return tuple(notes)
    return (*notes[:MAX_NOTES], f"{len(notes) - MAX_NOTES} more numbers were seen and not taken")
