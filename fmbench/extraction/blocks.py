"""Splits lines of printed numbers, and joins what was found in the blocks of one document.

A block is one classification report or one confusion matrix that stands between other text: a log,
a notebook, a README. A document may hold several blocks, of one model or of several. Figures of one
model are held against each other later, so :func:`combine_blocks` decides which blocks belong
together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.extraction.data_set_names import Headings, find_data_of_title, find_data_sets
from fmbench.extraction.found import Extraction, FoundClaim, FoundMatrix
from fmbench.extraction.grid import Grid
from fmbench.extraction.text.conditions import find_condition_of_table
from fmbench.extraction.text.mentions import find_models
from fmbench.extraction.text.split import LOG_PREFIX
from fmbench.utils.formatting import join_words

MAX_LINE = 20_000  # characters; a longer line is no line of a table
MAX_BLOCKS = 200
MAX_FRAME_ROWS = 200
MAX_FRAME_PARTS = 50
MAX_LINES = 200_000  # of a text that are searched
MAX_NUMBER = 24  # characters, as in fmbench.suites.rounding

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
NUMBER = re.compile(rf"({_NUMBER})\s?(%?)")
_COMMA_NUMBER = re.compile(r"[+-]?[0-9]*,[0-9]+\s?%?")
_RULE = re.compile(
    r"(?:[\s|+:=_*~─━═┼│.-]|\\(?:hline|toprule|midrule|bottomrule|addlinespace|\\)"
    r"|\\(?:cline|cmidrule)(?:\([a-z]+\))?\{[0-9-]+\})*"
)
_LATEX_END = re.compile(
    r"(?:\\tabularnewline|\\\\(?:\[[^\]]{0,20}\])?)\s*(?:\\[a-z]+(?:\{[^}]{0,20}\})?\s*)*$"
)
_LATEX_START = re.compile(r"^\s*(?:\\(?:hline|toprule|midrule|bottomrule|rowcolor\{[^}]*\})\s*)+")
_LOG_PREFIX = re.compile(rf"{LOG_PREFIX}|^\s*(?:#|>|//)(?=\s)")


@dataclass(frozen=True)
class Block:
    """One classification report, list of class accuracies or confusion matrix.

    ``first_line`` and ``last_line`` count from 0 (both included). ``model`` is the model that the
    text above names in so many words (``Classification report for SVC``), ``heading`` the nearest
    heading; either may be empty. ``images``: ``training``, ``validation`` or the name of another
    data set if the heading says so.
    """

    kind: str
    first_line: int
    last_line: int
    claims: tuple[FoundClaim, ...] = ()
    matrix: FoundMatrix | None = None
    n_per_class: tuple[int, ...] | None = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""
    heading: str = ""
    images: str = ""


# ---- lines ---------------------------------------------------------------------------------------


def expand_newlines(text: str) -> str:
    """Break lines at a written-out ``\\n``, where a report was printed as one string."""
    if "\\n" not in text:
        return text
    lines = []
    for line in re.split(r"\r\n|\r|\n", text):
        if re.search(r"precision\s+recall\b.{0,20}f1|\][,\s]*\\n\s*\[", line[:MAX_LINE]):
            line = line.replace("\\n", "\n").strip("'\"")
        lines.append(line)
    return "\n".join(lines)


def split_lines(text: str) -> list[str]:
    """Split a text into lines, without the prefixes of a log (time, level) and of comments.

    The frames that pandas broke are joined. Empty lines keep the line numbers right. Only the
    first 200,000 lines are kept.
    """
    lines = re.split(r"\r\n|\r|\n", expand_newlines(text), maxsplit=MAX_LINES)[:MAX_LINES]
    return _join_wrapped_frames([_LOG_PREFIX.sub("", line, count=1) for line in lines])


def _join_wrapped_frames(lines: list[str]) -> list[str]:
    """Join the parts into which pandas breaks a wide frame, each but the last with ``\\``.

    The joined lines stand where the first part stands; the others become empty.
    """
    i = 0
    while i < len(lines):
        if not lines[i].endswith(" \\"):
            i += 1
            continue
        end = i + 1
        while end < len(lines) and lines[end].strip() and end - i <= MAX_FRAME_ROWS:
            end += 1
        is_frame = i + 1 < end < len(lines) and not lines[end].strip()
        i = _join_parts(lines, i, end) if is_frame else end
    return lines


def _join_parts(lines: list[str], first: int, end: int) -> int:
    """Join the part from ``first`` to ``end`` with those below it; return the line after them."""
    height, start, continues = end - first, end, True
    lines[first] = lines[first].removesuffix("\\").rstrip()
    labels = [_find_label(line) for line in lines[first:end]]
    for _ in range(MAX_FRAME_PARTS):
        while start < len(lines) and not lines[start].strip():
            start += 1
        part = lines[start : start + height]
        if not continues or len(part) < height or not all(line.strip() for line in part):
            break
        continues = part[0].endswith(" \\")
        part[0] = part[0].removesuffix("\\").rstrip()
        for k, line in enumerate(part):
            values = line.strip().removeprefix(labels[k]).strip()
            lines[first + k], lines[start + k] = f"{lines[first + k].rstrip()}  {values}", ""
        start += height
    return start


def _find_label(line: str) -> str:
    """Find the label with which a row of a broken frame begins in each part."""
    read = read_number_line(line)
    if read is not None:
        return read.name or line.split()[0]
    return line.split()[0] if line[:1].strip() else ""


def is_rule(line: str) -> bool:
    """Whether a line only separates: it is empty, or made of dashes, bars or LaTeX's rules."""
    return len(line) <= MAX_LINE and _RULE.fullmatch(line) is not None


@dataclass(frozen=True)
class NumberLine:
    """A line that ends with numbers.

    ``name`` is the text to the left of them, and ``values`` the numbers as plain decimals, with
    ``%`` if it is printed; ``""`` for an empty cell. ``is_separated``: cells are separated by a
    sign, so each value is one cell; else by blanks, and the name may end with numbers that were
    taken for values.
    """

    name: str
    values: tuple[str, ...]
    is_separated: bool

    def take_last(self, n: int) -> tuple[str, tuple[str, ...]]:
        """Return the last ``n`` values, and the name with the values before them."""
        before = self.values[: len(self.values) - n]
        return " ".join([self.name, *before]).strip(), self.values[len(self.values) - n :]


def split_cells(line: str) -> tuple[list[str], bool]:
    """Split a line into cells, and tell whether a sign separates them (``|``, ``&``, tab, ...).

    Without such a sign, two blanks or more separate the cells.
    """
    if len(line) > MAX_LINE:
        return [], False
    if "&" in line and re.search(r"(?<!\\)&", line):
        bare = _LATEX_START.sub("", _LATEX_END.sub("", line.rstrip()))
        return [clean_cell(cell) for cell in re.split(r"(?<!\\)&", bare)], True
    stripped = line.strip()
    if stripped.count("|") >= 2 or "│" in stripped:
        cells = re.split(r"[|│]", stripped)
        return [
            clean_cell(cell) for cell in cells[cells[0] == "" : len(cells) - (not cells[-1])]
        ], True
    for sign in ("\t", ";", ","):
        if sign in line.strip("\n"):
            return [clean_cell(cell.strip().strip('"')) for cell in _split_at(line, sign)], True
    return [cell for cell in re.split(r"\s{2,}", stripped) if cell], False


def _split_at(line: str, sign: str) -> list[str]:
    if '"' not in line:
        return line.split(sign)
    import csv

    try:
        return next(csv.reader([line], delimiter=sign), [])
    except csv.Error:
        return line.split(sign)


def read_number_line(line: str) -> NumberLine | None:
    """Split a line into its name and its numbers; None if it does not end with a number."""
    if not any("0" <= c <= "9" for c in line) or len(line) > MAX_LINE:
        return None
    cells, is_separated = split_cells(line)
    if not is_separated:
        tokens = line.split()
        n = 0
        while n < len(tokens) and read_number(tokens[-1 - n]) is not None:
            n += 1
        if not n:
            return None
        values = tuple(read_number(token) or "" for token in tokens[len(tokens) - n :])
        return NumberLine(" ".join(tokens[: len(tokens) - n]), values, False)
    has_comma = ";" in line or "\t" in line or "|" in line or "&" in line
    values_of = [read_number(cell, has_comma=has_comma) if cell else "" for cell in cells]
    start = len(cells)
    while start and values_of[start - 1] is not None:
        start -= 1
    if start == 0 and cells and cells[0] == "":
        start = 1  # an empty name
    values = tuple(value or "" for value in values_of[start:])
    if not any(values):
        return None
    named = [cell for cell in cells[:start] if cell]
    return NumberLine(named[-1] if named else "", values, True)


@lru_cache(maxsize=2_000)
def read_number(text: str, *, has_comma: bool = False) -> str | None:
    """Return a number as a plain decimal, with its percent sign; None if it is not a number.

    ``has_comma``: a decimal comma is possible.
    """
    text = text.strip()
    if has_comma and _COMMA_NUMBER.fullmatch(text):
        text = text.replace(",", ".")
    match = NUMBER.fullmatch(text)
    if match is None or len(match.group(1)) > MAX_NUMBER:
        return None
    number = match.group(1)
    if "e" in number.lower():
        exponent = int(re.split("[eE]", number)[1])
        if abs(exponent) > MAX_NUMBER:
            return None
        number = format(Decimal(number), "f")
    number = number.lstrip("+").removesuffix(".")
    return number + match.group(2)


def clean_cell(text: str) -> str:
    """Remove the markup of Markdown and LaTeX from one cell."""
    text = text.strip()
    if "\\" in text or "$" in text or "{" in text or "<" in text:
        from fmbench.extraction.markup import clean_markup

        text = clean_markup(text)
    return text.strip().strip("*`").strip()


@dataclass(frozen=True)
class TableAsText:
    """A table of HTML or LaTeX whose rows are lines ``| a | b |``, so that it is read by lines.

    ``first_line`` and ``last_line`` are those of the table in the document (from 0). Above the
    rows, ``text`` has the caption or the words before the table. ``lines`` gives the line of the
    document for each line of ``text``.
    """

    first_line: int
    last_line: int
    text: str
    lines: tuple[int, ...]


def find_tables_as_text(text: str) -> list[TableAsText]:
    """Find the tables of HTML and LaTeX in a text, in their order."""
    from fmbench.extraction.latex_tables import find_latex_tables
    from fmbench.extraction.markup import find_html_tables

    grids: list[Grid] = []
    if "</table" in text.lower():
        grids += find_html_tables(text)
    if "\\begin" in text:
        grids += find_latex_tables(text)
    document = text.split("\n") if grids else []
    tables: list[TableAsText] = []
    for grid in sorted(grids, key=lambda grid: grid.extent)[:MAX_BLOCKS]:
        first, last = grid.extent[0] - 1, grid.extent[1] - 1
        after = tables[-1].last_line if tables else -1
        above = _find_words_above(document, first, after)
        if grid.caption and grid.caption not in above:
            above.append(grid.caption)
        rows = [
            "| " + " | ".join(cell.text.replace("|", "/") for cell in row) + " |"
            for row in grid.rows
        ]
        lines = (*[first] * len(above), *(line - 1 for line in grid.lines))
        tables.append(TableAsText(first, last, "\n".join([*above, *rows]), lines))
    return tables


def _find_words_above(lines: Sequence[str], first: int, after: int) -> list[str]:
    """Return the last words before a table, without tags and without lines of LaTeX commands."""
    near = "\n".join(lines[max(after + 1, first - 8) : first])[-2000:]
    words = [line.strip() for line in re.sub(r"<[^<>]{0,2000}>", "\n", near).split("\n")]
    return [line for line in words if line and not line.startswith("\\")][-3:]


def move_lines(block: Block, lines: Sequence[int]) -> Block:
    """Return the block with its places, ``line 3``, in the document that holds the table."""

    def move(where: str) -> str:
        match = re.fullmatch(r"line ([0-9]+)", where)
        return f"line {lines[int(match[1]) - 1] + 1}" if match else where

    matrix = block.matrix
    return replace(
        block,
        claims=tuple(replace(claim, where=move(claim.where)) for claim in block.claims),
        matrix=None if matrix is None else replace(matrix, where=move(matrix.where)),
    )


def replace_tables(text: str) -> str:
    """Write the tables of HTML and LaTeX in a text as lines ``| a | b |``."""
    parts, next_line = [], 0
    lines = text.split("\n")
    for table in find_tables_as_text(text):
        parts += [*lines[next_line : table.first_line], "", table.text, ""]
        next_line = table.last_line + 1
    return "\n".join([*parts, *lines[next_line:]])


# ---- headings ------------------------------------------------------------------------------------

_EXPLICIT = (
    re.compile(
        r"\b(?:classification[ _]report|confusion[ _]matrix)\s*(?:\([^)]{0,30}\)\s*)?"
        r"(?:for|of|[-:–])\s+(?:the\s+)?(?:classifier\s+|model\s+)?(?P<model>.{1,80})$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^(?P<model>[^:]{1,60}?)\s*[-:–]?\s*(?:'s\s+)?(?:normali[sz]ed\s+)?"
        r"(?:classification[ _]report|confusion[ _]matrix)$",
        re.IGNORECASE,
    ),
)
# What ends a model's name: on which images, or how, the block was computed.
_BEFORE_IMAGES = re.compile(
    r"\s+[-–—|]\s+|\s*[,;:(\[]\s*|\s+(?:on|over|for|in|from|at|using|with)\s+", re.IGNORECASE
)
_HOW_COMPUTED = re.compile(
    r"\s+(?:evaluated|computed|measured|obtained|calculated|tested|after training|trained)\b.*$",
    re.IGNORECASE,
)
_IMAGES = re.compile(
    r"test|\bset\b|data|image|sample|fashion|mnist|class|eval|normali|percent|count|row|label",
    re.IGNORECASE,
)
# Words that name no model.
_GENERIC = re.compile(
    r"(?:(?:the|a|our|my|final|full|overall|best|on|of|for|and|in|from|with|test|testing|tests|"
    r"validation|val|dev|set|sets|data|dataset|images?|samples?|fashion|mnist|model|models|"
    r"classifier|classification|report|confusion|matrix|result|results|evaluation|evaluate|"
    r"metrics?|performance|summary|score|scores|print|printing|accuracy|per|class|classes|"
    r"prediction|predictions|output|section|table|normali[sz]ed|unnormali[sz]ed|raw|without|"
    r"normali[sz]ation|percent|sklearn|scikit|learn|rows?|true|columns?|predicted|labels?|"
    r"detailed|epoch|out|cm|counts?|all|ten|held|unseen|over|at|using|by|plot\w*|display\w*|show\w*|"
    r"visuali[sz]\w*|draw\w*|generat\w*|comput\w*|calculat\w*|f1|precision|recall|saved?|to)\b|"
    r"[^a-zA-Z])*",
    re.IGNORECASE,
)
_TRAINING = re.compile(
    r"\btrain(?:ing)?[ _-]*(?:set|data|dataset|images|split|report|results?|metrics|scores?|"
    r"performance|classification|confusion|matrix)?[ _a-z]{0,40}[^a-z0-9]*$",
    re.IGNORECASE,
)
_NAMES_BOTH = re.compile(r"\btrain.*\bval|\bval.*\btrain", re.IGNORECASE)
_MAX_TITLE = 60  # characters; a longer line is a sentence
_MAX_WORDS = 10  # of a line that names a model
_VALIDATION = re.compile(
    _TRAINING.pattern.replace("train(?:ing)?", "(?:valid(?:ation)?|val|dev)"), re.IGNORECASE
)


# What a program says it does, before the name of a model: "Training SVC ...".
_DOES = re.compile(
    r"(?:(?:now )?(?:training|evaluating|testing|fitting|running)|(?:results?|metrics) (?:for|of)) "
    r"(?:the )?(?!(?:on|with|for|and|in|data\w*|sets?|images|samples|split|reports?|results?"
    r"|metrics|scores?|performance|classification|confusion|matrix|accuracy|evaluation|error|loss|phase"
    r"|predictions?|curves?)\b)",
    re.IGNORECASE,
)


def names_nothing(text: str) -> bool:
    """Whether a heading has only words that every report has, and so no model's name."""
    return _GENERIC.fullmatch(text) is not None


def find_heading(lines: Sequence[str], first: int, after: int = -1) -> tuple[str, str, str]:
    """Find what the lines above line ``first`` say about a block: model, heading, images.

    Lines up to ``after`` belong to the block before.
    """
    model = heading = images = ""
    names_fashion = is_below_heading = False
    level = 7  # of the nearest heading with words of its own; Markdown has no level 7
    seen = 0
    for i in range(first - 1, max(after, first - 12), -1):
        n_signs = lines[i].split(" ", 1)[0].count("#")
        is_title = lines[i].lstrip().startswith("#")
        line = " ".join(lines[i][:200].split()).strip("#=*-_>`~│| ")
        line = re.sub(r"^[^\w\s(<\"'`\[]+\s*", "", line)
        if not line or is_rule(line):
            continue
        seen += 1
        if seen > 3:
            break
        if _TAGS.fullmatch(line):
            continue  # no name, as of a picture that Python shows: <Figure size 640x480>
        if re.search(r"[=(]\s*\S*(?:y_|pred|test(?![\s,)]))", line) or "import " in line:
            continue  # code
        line = re.sub(r"^(?:figure|fig\.|table|tab\.) *[0-9IVX]{1,4} *[.:]?", "", line, flags=re.I)
        bare = line.strip(" :.")
        # What stands above a heading of the same level is of another section.
        may_say_images = not is_below_heading or (is_title and n_signs < level)
        is_below_heading = is_below_heading or is_title
        level = min(level, n_signs) if is_title and not names_nothing(bare) else level
        if not images and may_say_images and not re.search(r"\btest", bare, re.IGNORECASE):
            is_training = _TRAINING.search(_DOES.sub("", bare, count=1)) is not None
            is_validation = _VALIDATION.search(bare) is not None
            is_prose = len(bare) > _MAX_TITLE and _NAMES_BOTH.search(bare) is not None
            if not is_prose:
                images = "training" if is_training else "validation" if is_validation else ""
        images = images or ("" if names_fashion else find_data_of_title(bare))
        names_fashion = names_fashion or find_data_sets(bare).is_fashion
        is_heading = bare != line or lines[i].lstrip()[:1] in tuple("#=*-") or len(bare) <= 40
        is_heading = is_heading and (is_title or len(bare.split()) <= _MAX_WORDS)
        if not model:
            title = _cut_images(bare)
            matches = [pattern.search(title) for pattern in _EXPLICIT]
            names = [match["model"].strip(" '\"`:") for match in matches if match]
            model = next((name for name in names if not _GENERIC.fullmatch(name)), "")
        if not heading and is_heading and not re.search(r"[0-9]\.[0-9]", bare):
            heading = "" if names_nothing(bare) else _DOES.sub("", bare, count=1)
    if not model and not find_models(heading):
        heading = _find_named_heading(lines, first, after) or heading
    return model, heading, images


_TAGS = re.compile(r"(?:</?[a-z][^<>]*>?\s*)+|!\[[^\]]*\]\([^()]*\)?", re.IGNORECASE)
_MAX_ABOVE = 60  # lines between a heading and a block


def _find_named_heading(lines: Sequence[str], first: int, after: int) -> str:
    """Return the heading above a block, as Markdown marks it, if it names a model."""
    for i in range(first - 1, max(after, first - _MAX_ABOVE), -1):
        heading = re.match(r"\s{0,3}#{1,6}\s+(?:[0-9.]+\s+)?(\S.{0,80})$", lines[i])
        if heading:
            return heading[1].strip(" #:*") if find_models(heading[1]) else ""
    return ""


def mark_other_data(blocks: Sequence[Block], text: str) -> list[Block]:
    """Return the blocks, with the name of another data set if a heading above says it.

    In its place stands what is changed for their figures, such as ``of changed images``.
    """
    if not blocks:
        return []
    headings = Headings(expand_newlines(text))
    marked = []
    for block in blocks:
        above = headings.find_other_data(block.first_line) if not block.images else ""
        images = join_words(find_data_sets(above).others) or block.images
        images = images or find_condition_of_table(*headings.list_above(block.first_line))
        marked.append(replace(block, images=images))
    return marked


def _cut_images(title: str) -> str:
    """Return a title without the words that say of which images it is: ``on the test set``."""
    computed = _HOW_COMPUTED.search(title)
    if computed and re.search(r"report|matrix", title[: computed.start()], re.IGNORECASE):
        title = title[: computed.start()]
    for match in _BEFORE_IMAGES.finditer(title):
        rest = title[match.end() :]
        if _IMAGES.search(rest) and _GENERIC.fullmatch(rest):
            return title[: match.start()].rstrip()
    return title


# ---- joining the blocks of one document ----------------------------------------------------------


@dataclass(frozen=True)
class CombinedBlocks:
    """What the blocks of one document say together; see :class:`Extraction`."""

    claims: tuple[FoundClaim, ...]
    matrices: tuple[FoundMatrix, ...]
    n_per_class: tuple[int, ...] | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    n_models: int


def combine_blocks(blocks: Iterable[Block]) -> CombinedBlocks:
    """Join blocks: those of one model get one label, those of other test images are left out.

    A new model begins where a kind of block comes for the second time, or where the text names
    another model. A document of one model gets the label that it names, or an empty one.
    """
    notes: list[str] = []
    ordered = sorted(blocks, key=lambda block: block.first_line)
    kept = _select_images(_turn_matrices(ordered), notes)
    sections = _find_sections(kept)
    labels = _label_sections(sections)
    claims: list[FoundClaim] = []
    matrices: list[FoundMatrix] = []
    n_of_kind: dict[str, int] = {}
    total = {kind: sum(block.kind == kind for block in kept) for kind in {b.kind for b in kept}}
    for label, section in zip(labels, sections, strict=True):
        for block in section:
            number = n_of_kind[block.kind] = n_of_kind.get(block.kind, 0) + 1
            source = f"{block.kind} {number}" if total[block.kind] > 1 else block.kind
            claims += [replace(claim, label=label, source=source) for claim in block.claims]
            if block.matrix is not None:
                matrices.append(replace(block.matrix, label=label, source=source))
            notes += block.notes
    sized = next((block for block in kept if block.n_per_class), None)
    names = next((block.class_names for block in kept if block.class_names), ())
    return CombinedBlocks(
        tuple(claims),
        tuple(matrices),
        sized.n_per_class if sized else None,
        names,
        tuple(dict.fromkeys(notes)),
        len(sections),
    )


def build_extraction(kind: str, name: str, combined: CombinedBlocks) -> Extraction:
    """Return the extraction of an input that holds nothing but these blocks."""
    return Extraction(
        kind=kind,
        name=name,
        claims=combined.claims,
        matrices=combined.matrices,
        n_per_class=combined.n_per_class,
        class_names=combined.class_names,
        notes=combined.notes,
    )


def _turn_matrices(blocks: list[Block]) -> list[Block]:
    """Transpose a matrix whose columns, and not rows, add up to the support of a report."""
    supports = {block.n_per_class for block in blocks if block.matrix is None}
    turned = []
    for block in blocks:
        if block.matrix is not None and block.n_per_class and block.n_per_class not in supports:
            columns = tuple(zip(*block.matrix.rows, strict=True))
            sizes = tuple(sum(map(int, column)) for column in columns)
            if sizes in supports:
                note = (
                    "the columns of the matrix, not its rows, add up to the support of the report: "
                    "they are taken for the true classes"
                )
                block = replace(
                    block,
                    matrix=replace(block.matrix, rows=columns),
                    n_per_class=sizes,
                    notes=(*block.notes, note),
                )
        turned.append(block)
    return turned


def _select_images(blocks: list[Block], notes: list[str]) -> list[Block]:
    """Leave out what is not of the test images as they are, and note it."""
    kept = []
    others = [block for block in blocks if block.images == ""]
    for block in blocks:
        place = f"the {block.kind} in line {block.first_line + 1}"
        if block.images == "" or (block.images == "validation" and not others):
            kept.append(block)
            if block.images:
                notes.append(f"the text says that {place} is of validation images")
            continue
        images = block.images if block.images[:3] == "of " else f"of the {block.images} images"
        notes.append(f"{place} is {images}: not taken")
    sizes = list(dict.fromkeys(block.n_per_class for block in kept if block.n_per_class))
    if len(sizes) < 2:
        return kept
    chosen = FASHION_MNIST.n_per_class if FASHION_MNIST.n_per_class in sizes else sizes[0]
    for block in kept:
        if block.n_per_class not in (None, chosen):
            notes.append(
                f"the {block.kind} in line {block.first_line + 1} is of "
                f"{sum(block.n_per_class or ()):,} images, not of the {sum(chosen):,} of the "
                f"others: not taken; judge it alone"
            )
    return [block for block in kept if block.n_per_class in (None, chosen)]


def _find_sections(blocks: list[Block]) -> list[list[Block]]:
    """Group blocks that describe the same model."""
    sections: list[list[Block]] = []
    for block in blocks:
        current = sections[-1] if sections else []
        models = {b.model for b in current if b.model}
        is_new = any(b.kind == block.kind for b in current) or (
            block.model != "" and models != set() and block.model not in models
        )
        is_new = is_new or (len(sections) > 1 and _stands_apart(block, current, blocks))
        if not current or is_new:
            sections.append([block])
        else:
            current.append(block)
    return sections


_NEAR = 8  # lines between a report and the matrix of the same model


def _stands_apart(block: Block, current: Sequence[Block], blocks: Sequence[Block]) -> bool:
    """Whether a block far below the last of several reports may be of any of their models."""
    n_of_kind = sum(other.kind == block.kind for other in blocks)
    n_reports = sum(other.kind == current[0].kind for other in blocks)
    is_far = block.first_line - current[-1].last_line > _NEAR
    return is_far and n_of_kind < n_reports and not block.model


def _label_sections(sections: list[list[Block]]) -> list[str]:
    """Give each section its model's name; several sections always get different labels."""
    models = [next((b.model for b in section if b.model), "") for section in sections]
    if len(sections) < 2:
        return models
    headings = [next((b.heading for b in section if b.heading), "") for section in sections]
    labels = [model or heading for model, heading in zip(models, headings, strict=True)]
    return [
        label if label and labels.count(label) == 1 else f"{label or 'model'} {number}".strip()
        for number, label in enumerate(labels, 1)
    ]
