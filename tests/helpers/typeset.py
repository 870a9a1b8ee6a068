"""Typesets papers as PDF files: two columns of running text, with tables and figures in them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from fpdf import FPDF

# Running text full of numbers; none is a claim about a model on Fashion-MNIST's test images.
SENTENCES = (
    "Fashion-MNIST consists of 60,000 training images and 10,000 test images of 28 x 28 pixels.",
    "Each image belongs to one of 10 classes, and each class has 7,000 images.",
    "The network has 61,706 parameters, of which 48,120 belong to its first dense layer.",
    "It was trained for 10 epochs with a batch size of 64 and a learning rate of 0.001.",
    "The first convolution has 6 filters of 5 x 5 weights; the second one has 16 filters.",
    "One epoch takes 12.5 seconds on a processor with 4 cores at 3.2 GHz.",
    "Since 1998, handwritten digits have been the usual benchmark for image classification.",
    "The dropout rate is 0.25 after the second pooling layer and 0.50 before the output.",
    "Section 2.1 describes the data, and Section 3.4 the configuration of the classifiers.",
    "All experiments were repeated 5 times with the seeds 0, 1, 2, 3 and 4.",
    "Convolutional networks learn their features, whereas earlier methods needed experts.",
    "The weights were initialised uniformly between -0.05 and 0.05.",
)
REFERENCES = (
    "[1] H. Xiao, K. Rasul and R. Vollgraf. Fashion-MNIST: a novel image dataset for benchmarking "
    "machine learning algorithms. arXiv:1708.07747, 2017.",
    "[2] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner. Gradient-based learning applied to "
    "document recognition. Proceedings of the IEEE 86(11), pp. 2278-2324, 1998.",
    "[3] S. Ioffe and C. Szegedy. Batch normalization. ICML, vol. 37, pp. 448-456, 2015.",
)


class DoesNotFitError(Exception):
    """A table is wider than the space for it."""


@dataclass
class TableToSet:
    """A table, and how it is drawn. ``rules``: "grid", "booktabs" or "none"."""

    rows: Sequence[Sequence[str]]
    caption: str = "Table 3: Accuracy of the classifiers on Fashion-MNIST."
    head: Sequence[str] = ("Model", "Accuracy (%)")
    rules: str = "booktabs"
    caption_above: bool = True
    wide: bool = False  # across both columns
    label_width: float | None = None  # wraps longer labels
    figures: str = "right"  # where the figures stand in their column
    repeats_head: bool = True  # on each page, if it is longer than one


@dataclass
class Paper:
    """A paper: what it looks like, and its tables in the order in which they appear."""

    tables: Sequence[TableToSet] = ()
    columns: int = 2
    family: str = "times"
    size: float = 9.5
    sentences: int = 60
    figure: bool = True
    draws_blanks: bool = False  # whether blanks are drawn, or only left out
    seed: int = 0
    extra: Sequence[str] = ()  # further paragraphs, before the references
    turned: int = 0  # degrees by which each page is turned
    margin: float = 54
    gutter: float = 18
    _pdf: FPDF = field(init=False, repr=False)

    def typeset(self) -> bytes:
        """Return the paper as a PDF."""
        rng = random.Random(self.seed)
        self._pdf = FPDF(unit="pt", format="letter")
        self._pdf.set_auto_page_break(False)
        self._x, self._column = self.margin, 0
        self._add_page(first=True)
        tables = list(self.tables)
        paragraphs = self._write_paragraphs(rng)
        for index, paragraph in enumerate(paragraphs):
            self._set_paragraph(paragraph)
            if index % 3 == 1 and tables and not tables[0].wide:
                self._set_table(tables.pop(0))
            if self.figure and index == 3:
                self._set_figure(rng)
            if tables and tables[0].wide and self._waiting is None:
                self._waiting = tables.pop(0)
        for table in tables:
            self._set_table(table)
        if self._waiting is not None:
            self._add_page()
        for paragraph in (*self.extra, *REFERENCES):
            self._set_paragraph(paragraph)
        data = bytes(self._pdf.output())
        return _turn_pages(data, self.turned) if self.turned else data

    def _write_paragraphs(self, rng: random.Random) -> list[str]:
        chosen = [rng.choice(SENTENCES) for _ in range(self.sentences)]
        return [" ".join(chosen[i : i + 5]) for i in range(0, len(chosen), 5)]

    # ------------------------------------------------------------------ pages and columns

    @property
    def _full_width(self) -> float:
        return self._pdf.w - 2 * self.margin

    @property
    def _width(self) -> float:
        return (self._full_width - (self.columns - 1) * self.gutter) / self.columns

    def _font(self, style: str = "", size: float | None = None) -> None:
        self._pdf.set_font(self.family, style, size or self.size)

    def _add_page(self, *, first: bool = False) -> None:
        pdf = self._pdf
        pdf.add_page()
        self._font(size=8)
        pdf.text(self.margin, 36, "Proceedings of the 12th Conference on Garments 2020")
        pdf.text(pdf.w / 2 - 4, pdf.h - 30, str(pdf.page_no()))
        self._column, self._top = 0, 60.0
        if first:
            self._waiting: TableToSet | None = None
            self._font("B", 16)
            title = "Classification of Garments with 19 Classifiers"
            pdf.text((pdf.w - pdf.get_string_width(title)) / 2, 80, title)
            self._top = 110.0
        self._y = self._top
        if not first and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._draw_table(waiting, self.margin, self._full_width)
            self._y += 14
            self._top = self._y

    def _left(self) -> float:
        return self.margin + self._column * (self._width + self.gutter)

    def _make_room(self, height: float) -> None:
        if self._y + height <= self._pdf.h - self.margin:
            return
        if self._column + 1 < self.columns:
            self._column += 1
            self._y = self._top
        else:
            self._add_page()

    # ------------------------------------------------------------------------------- text

    def _break_lines(self, text: str, width: float) -> list[list[str]]:
        """Break text into lines of words; a long word at the end of a line is hyphenated."""
        pdf = self._pdf
        lines: list[list[str]] = [[]]
        blank = pdf.get_string_width(" ")
        left = width
        for word in text.split():
            needed = pdf.get_string_width(word)
            if needed <= left:
                lines[-1].append(word)
                left -= needed + blank
                continue
            half = len(word) // 2
            if len(word) >= 9 and word.isalpha() and pdf.get_string_width(word[:half] + "-") < left:
                lines[-1].append(word[:half] + "-")
                word = word[half:]
            lines.append([word])
            left = width - pdf.get_string_width(word) - blank
        return lines

    def _set_paragraph(self, text: str) -> None:
        self._font()
        lines = self._break_lines(text, self._width)
        for index, words in enumerate(lines):
            self._make_room(1.2 * self.size)
            self._font()
            self._y += 1.2 * self.size
            self._draw_line(words, self._left(), self._width, justify=index + 1 < len(lines))
        self._y += 0.6 * self.size

    def _draw_line(self, words: Sequence[str], x: float, width: float, *, justify: bool) -> None:
        pdf = self._pdf
        widths = [pdf.get_string_width(word) for word in words]
        blank = pdf.get_string_width(" ")
        if justify and len(words) > 1:
            blank = (width - sum(widths)) / (len(words) - 1)
        if self.draws_blanks and not justify:
            pdf.text(x, self._y, " ".join(words))
            return
        for word, word_width in zip(words, widths, strict=True):
            pdf.text(x, self._y, word + (" " if self.draws_blanks else ""))
            x += word_width + blank

    # ----------------------------------------------------------------------------- tables

    def _set_table(self, table: TableToSet) -> None:
        self._font()
        self._make_room(min(500.0, (len(table.rows) + 5) * 1.5 * self.size))
        self._draw_table(table, self._left(), self._width)
        self._y += 1.8 * self.size

    def _set_caption(self, text: str, x: float, width: float) -> None:
        self._font()
        lines = self._break_lines(text, width)
        for words in lines:
            self._y += 1.2 * self.size
            line = " ".join(words)
            shift = (width - self._pdf.get_string_width(line)) / 2 if len(lines) == 1 else 0
            self._draw_line(words, x + shift, width, justify=False)

    def _draw_table(self, table: TableToSet, x: float, width: float) -> None:
        pdf = self._pdf
        self._y += 0.8 * self.size
        if table.caption_above and table.caption:
            self._set_caption(table.caption, x, width)
            self._y += 0.6 * self.size
        self._font("B")
        widths = [pdf.get_string_width(text) for text in table.head]
        self._font()
        for row in table.rows:
            widths = [
                max(w, pdf.get_string_width(text)) for w, text in zip(widths, row, strict=True)
            ]
        widths[0] = table.label_width or widths[0]
        gap = 1.3 * self.size
        total = sum(widths) + gap * len(widths)
        if table.wide and table.rules != "grid":
            gap = max(gap, (width - sum(widths)) / len(widths))
            total = sum(widths) + gap * len(widths)
        if total > width + 0.1:
            raise DoesNotFitError
        left = x + (width - total) / 2
        self._draw_rule(table, left, total, thick=True)
        self._draw_row(table, table.head, widths, gap, left, total, style="B")
        self._draw_rule(table, left, total)
        for index, row in enumerate(table.rows):
            if self._y + 3 * self.size > pdf.h - self.margin:  # it goes on on the next page
                self._draw_rule(table, left, total, thick=True)
                self._add_page()
                self._font()
                self._draw_rule(table, left, total, thick=True)
                if table.repeats_head:
                    self._draw_row(table, table.head, widths, gap, left, total, style="B")
                    self._draw_rule(table, left, total)
            self._draw_row(table, row, widths, gap, left, total)
            if table.rules == "grid" or index + 1 == len(table.rows):
                self._draw_rule(table, left, total, thick=True)
        if not table.caption_above and table.caption:
            self._set_caption(table.caption, x, width)

    def _draw_rule(self, table: TableToSet, x: float, width: float, thick: bool = False) -> None:
        if table.rules == "none":
            return
        self._y += 0.4 * self.size
        if table.rules == "booktabs":
            self._pdf.set_line_width(0.8 if thick else 0.4)
            self._pdf.line(x, self._y, x + width, self._y)

    def _draw_row(
        self,
        table: TableToSet,
        row: Sequence[str],
        widths: Sequence[float],
        gap: float,
        x: float,
        total: float,
        style: str = "",
    ) -> None:
        pdf = self._pdf
        self._font(style)
        labels = self._break_lines(row[0], widths[0] + 0.1)
        top = self._y
        self._y += 1.15 * self.size
        for column, width in enumerate(widths):
            text = row[column]
            if column:
                shift = {"right": 1.0, "center": 0.5, "left": 0.0}[table.figures]
                pdf.text(x + gap / 2 + shift * (width - pdf.get_string_width(text)), self._y, text)
            else:
                base = self._y
                for words in labels:
                    self._draw_line(words, x + gap / 2, width, justify=False)
                    self._y += 1.15 * self.size
                self._y = base
            if table.rules == "grid":
                height = 1.15 * self.size * len(labels) + 0.4 * self.size
                pdf.set_line_width(0.5)
                pdf.rect(x, top, width + gap, height)
            x += width + gap
        self._y += 1.15 * self.size * (len(labels) - 1)

    # ---------------------------------------------------------------------------- figures

    def _set_figure(self, rng: random.Random) -> None:
        """Draw a plot with numbers at its axes and a legend."""
        pdf = self._pdf
        self._make_room(170)
        x, top = self._left() + 40, self._y + 20
        pdf.set_line_width(0.5)
        pdf.rect(x, top, 150, 100)
        self._font(size=7)
        for tick in range(6):
            pdf.text(x - 20, top + 100 - 20 * tick, f"{0.75 + 0.05 * tick:.2f}")
            pdf.text(x + 28 * tick, top + 110, str(2 * tick))
        points = [(x + 10 * i, top + 90 - 5 * i - rng.random() * 5) for i in range(15)]
        pdf.polyline(points)
        pdf.text(x + 90, top + 60, "test accuracy")
        pdf.text(x + 90, top + 70, "train accuracy 0.99")
        self._y = top + 120
        self._set_caption("Figure 1: Accuracy after each of 10 epochs.", self._left(), self._width)
        self._y += 2 * self.size


def typeset_words(
    items: Sequence[tuple[float, float, str]],
    *,
    lines: Sequence[tuple[float, float, float]] = (),
    size: float = 10,
    sideways: bool = False,
) -> bytes:
    """Draw texts at (x, y), and horizontal lines (x0, x1, y), on one page."""
    pdf = FPDF(unit="pt", format="letter")
    pdf.add_page()
    pdf.set_font("times", "", size)
    with pdf.rotation(90 if sideways else 0, x=300, y=400):
        for x, y, text in items:
            # "^" begins what is printed small and raised, "~" ends it.
            parts = text.replace("~", "^").split("^")
            for index, part in enumerate(parts):
                pdf.set_font("times", "", 0.7 * size if index % 2 else size)
                pdf.text(x, y - (0.35 * size if index % 2 else 0), part)
                x += pdf.get_string_width(part)
        for x0, x1, y in lines:
            pdf.line(x0, y, x1, y)
    return bytes(pdf.output())


def _turn_pages(data: bytes, degrees: int) -> bytes:
    """Let a viewer turn each page by so many degrees."""
    return data.replace(b"/Type /Page\n", b"/Type /Page\n/Rotate %d\n" % degrees)
