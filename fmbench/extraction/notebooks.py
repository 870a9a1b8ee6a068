"""Takes the texts and the printed outputs out of a Jupyter notebook.

What a program prints is no prose: each line stands alone, and much of it is about the program
itself (warnings, progress bars, weights). A number alone gets its meaning from the code that
printed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from fmbench.extraction.data_set_names import find_mnist_in_names, speaks_of_clothes
from fmbench.extraction.document import Part
from fmbench.extraction.text.read import BARE_NUMBER, is_result_of_training
from fmbench.extraction.text.split import find_data_set_in_code
from fmbench.utils.formatting import join_words

_MAX_CODE = 400  # characters of a line of code that are looked at
_MAX_LINE = 500  # characters of an output's line that may be a warning or a progress bar
_OBJECT = re.compile(r"\s*<[A-Za-z_][\w.]*(?: [^<>]*| at 0x[0-9a-f]+)?>\s*")  # <Figure size ...>
_WARNING = re.compile(r".*\.py:[0-9]+: \w*Warning\b|.*<ipython-input-[^<>]*>:[0-9]+: \w*Warning\b")
_NAMED_LIST = re.compile(r"\s*[A-Za-z][^\[\]]*\[[0-9., e+-]+\]\s*")  # NumPy aligns its numbers
_PAIR = re.compile(r"\s*\(\s*u?(['\"])(?P<name>[^'\"]{1,80})\1,\s*(?P<value>[0-9.eE+-]{1,30})\)\s*")
_TEST = r"(?<![a-z])test"
_TRAINING = re.compile(r"(?<![a-z])(?:train|val(?:id)?)(?![a-z])", re.IGNORECASE)
_ACCURACY = re.compile(
    rf"\baccuracy_score\(|\.score\([^()]{{0,60}}{_TEST}", re.IGNORECASE
)  # the calls that return the accuracy
_EVALUATE = re.compile(rf"\.evaluate\([^()]{{0,60}}{_TEST}", re.IGNORECASE)
_LOSS_AND_ACCURACY = re.compile(
    r"\s*[\[(](?P<loss>[0-9.eE+-]{1,30}), *(?P<accuracy>[01]?\.[0-9]{1,20}|[01]\.0)[\])]\s*"
)
_EVALUATED = re.compile(
    r"\s*(?P<n>[0-9]{1,6})/(?P=n) (?:\[=*\] )?-.{0,40}? loss: (?P<loss>[0-9.eE+-]{1,30})"
    r" - (?:\w+_)?acc(?:uracy)?: (?P<accuracy>[0-9.]{1,20})\s*"
)


def find_parts(content: dict[str, Any]) -> tuple[list[Part], list[str]]:
    """Find the printed outputs and the texts between the code; and what was left out."""
    parts: list[Part] = []
    notes: list[str] = []
    cells = content["cells"] if isinstance(content["cells"], list) else []
    if other := _find_other_data(cells):
        return [], [f"the code {other} and nowhere Fashion-MNIST: not taken"]
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict):
            continue
        source = join_lines(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            parts.append(Part(f"cell {number}", source))
        last_line = source.rstrip().rpartition("\n")[2]
        place = f"output of cell {number}"
        for text, is_printed in _find_outputs(cell):
            if is_result_of_training(last_line, text) or (
                _names_training(last_line) and not (is_printed and _speaks_of_test(source, text))
            ):
                notes.append(
                    f"{place}: not taken (of training or validation images): {last_line!r}"
                )
                continue
            text = _name_results(source, last_line, clean_output(text)) if is_printed else text
            last = parts[-1] if parts else None
            if is_printed and last is not None and last.is_printed and last.place == place:
                # a progress bar between the lines of a log makes several outputs of it
                parts[-1] = replace(last, text=f"{last.text.rstrip()}\n{text}")
            else:
                parts.append(Part(place, text, is_printed))
    return [part for part in parts if part.text.strip()], notes


def _find_other_data(cells: Sequence[Any]) -> str:
    """Say which data sets the code loads or names, if nothing in the notebook speaks of clothes."""
    cells = [cell for cell in cells if isinstance(cell, dict)]
    sources = [join_lines(cell.get("source")) for cell in cells]
    if speaks_of_clothes("\n".join(sources)):
        return ""
    found = dict.fromkeys(name for text in sources if (name := find_data_set_in_code(text)))
    if found:
        return f"loads {join_words(found)}"
    file = find_mnist_in_names("\n".join(sources))
    is_reader = re.search(r"load_mnist|mnist_reader", file)  # it also reads Fashion-MNIST
    shown = (text for cell in cells for text, _ in _find_outputs(cell))
    is_of_mnist = "/" in file and not is_reader and not any(map(speaks_of_clothes, shown))
    return f"names {file!r}" if is_of_mnist else ""


# What is given to a function, or taken from a table: report("train"), evaluate(x_train, y_train).
_TRAINING_ARGUMENT = re.compile(
    r"[(\[,=]\s*(?:(['\"])(?:train(?:ing)?|val(?:id(?:ation)?)?)\1|(?:[xy]_?)?(?:train|val(?:id)?)"
    r"(?:_?(?:x|y|images?|labels?|data|set|ds|df|loader|dl|pred\w*))?)\s*[,)\]]",
    re.IGNORECASE,
)


def _names_training(last_line: str) -> bool:
    """Whether the last line of code says that what it shows is of training or validation images."""
    last_line = last_line[-_MAX_CODE:]
    return _TRAINING_ARGUMENT.search(last_line) is not None and "test" not in last_line.lower()


def _speaks_of_test(source: str, text: str) -> bool:
    """Whether the code or what it prints has the word test: the lines above the last print, too."""
    return "test" in f"{source}{text}".lower()


def _find_outputs(cell: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the outputs of a cell, and whether each is what a program printed."""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict) or output.get("output_type") == "error":
            continue
        data = output.get("data")
        if not isinstance(data, dict):
            yield join_lines(output.get("text")), True
            continue
        html, plain = join_lines(data.get("text/html")), join_lines(data.get("text/plain"))
        is_table = "<table" in html.lower()
        yield (html if is_table else plain), not is_table


def clean_output(text: str) -> str:
    """Remove the lines of a printed text that are about the program, and not about its results.

    Objects (``<Figure size 640x480>``), warnings and weights are blanked. What Python 2 prints as a
    pair, ``('Test accuracy:', 0.91)``, becomes ``Test accuracy: 0.91``.
    """
    text = re.sub(r"\x1b\[[0-9;]{0,20}[A-Za-z]", "", text)  # colours
    if re.match(r"\s*tensor\(\s*\[\[\[", text):
        return ""  # weights or images
    lines = re.split(r"\r\n|\r|\n", text)
    for i, line in enumerate(lines):
        short = line[:_MAX_LINE]
        pair = _PAIR.fullmatch(line) if len(line) <= _MAX_LINE else None
        if pair is not None:
            lines[i] = f"{pair['name'].rstrip(' :=')}: {pair['value']}"
        elif _WARNING.match(short):
            lines[i] = ""
            if i + 1 < len(lines) and lines[i + 1].startswith("  "):
                lines[i + 1] = ""  # the line of code that it quotes
        elif _OBJECT.fullmatch(short):
            lines[i] = ""
        elif _NAMED_LIST.fullmatch(short):
            lines[i] = " ".join(line.split())
    _blank_history(lines)
    return "\n".join(lines)


_SERIES_END = re.compile(r"(?:Name: .*, )?dtype: \w+\s*")
_OWN_METRIC = re.compile(r"\s*(?:acc|accuracy|loss)\s+[0-9.]+\s*", re.IGNORECASE)


def _blank_history(lines: list[str]) -> None:
    """Blank the training accuracy of one epoch, where pandas prints it beside ``val_acc``."""
    if not any(_SERIES_END.fullmatch(line[:_MAX_LINE]) for line in lines[-3:]):
        return
    if any(re.match(r"\s*val_\w+\s+[0-9.]+\s*$", line[:_MAX_LINE]) for line in lines):
        lines[:] = ["" if _OWN_METRIC.fullmatch(line[:_MAX_LINE]) else line for line in lines]


def _name_results(source: str, last_line: str, text: str) -> str:
    """Write before a number what it is, if the code says it: ``accuracy_score(y_test, y)``."""
    last = last_line[-_MAX_CODE:]
    if _TRAINING.search(last):
        return text
    if BARE_NUMBER.fullmatch(text[:_MAX_LINE]) and _ACCURACY.search(last):
        return f"Test accuracy: {text.strip()}"
    if not any(_EVALUATE.search(line[:_MAX_CODE]) for line in source.split("\n")):
        return text
    both = _LOSS_AND_ACCURACY.fullmatch(text[:_MAX_LINE])
    if both is not None:
        return f"Test loss: {both['loss']}, test accuracy: {both['accuracy']}"
    if ".fit(" in source:
        return text
    lines = text.split("\n")
    for i, line in enumerate(lines):
        evaluated = _EVALUATED.fullmatch(line) if len(line) <= _MAX_LINE else None
        if evaluated is not None:
            lines[i] = f"Test loss: {evaluated['loss']}, test accuracy: {evaluated['accuracy']}"
    return "\n".join(lines)


def join_lines(lines: Any) -> str:
    """Join the lines of a cell, which may be a list or one text."""
    if isinstance(lines, list):
        return "".join(line for line in lines if isinstance(line, str))
    return lines if isinstance(lines, str) else ""
