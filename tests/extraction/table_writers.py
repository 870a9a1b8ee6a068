"""Writes one table of texts in every format that the readers of tables take."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def write_markdown(rows: Rows, caption: str = "") -> str:
    def escape(text: str) -> str:
        return re.sub(r"([\\`*_|<>\[\]~])", r"\\\1", text)

    lines = ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "|".join(" --- " for _ in rows[0]) + "|")
    return (f"{caption}\n\n" if caption else "") + "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    text = re.sub(r"([%&#_$])", r"\\\1", text)
    return text.replace("±", r"$\pm$").replace("~", r"\textasciitilde{}")


def write_latex(rows: Rows, caption: str = "") -> str:
    lines = [" & ".join(escape_latex(cell) for cell in row) + r" \\" for row in rows]
    return (
        r"\begin{table}[t]" "\n"
        rf"\caption{{{escape_latex(caption)}}}" "\n"
        r"\begin{tabular}{l" + "r" * (len(rows[0]) - 1) + "}\n\\toprule\n"
        + "\n".join([lines[0], r"\midrule", *lines[1:]])
        + "\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )  # fmt: skip


def write_html(rows: Rows, caption: str = "") -> str:
    def line(row: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"

    return (
        f"<html><body><table><caption>{html.escape(caption)}</caption>\n<thead>"
        + line(rows[0], "th") + "</thead>\n<tbody>\n"
        + "\n".join(line(row, "td") for row in rows[1:]) + "\n</tbody></table></body></html>"
    )  # fmt: skip


def write_separated(rows: Rows, delimiter: str = ",", newline: str = "\n") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return text.getvalue()


def write_rst_grid(rows: Rows) -> str:
    widths = _widths(rows)
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [rule]
    for number, row in enumerate(rows):
        cells = (_escape_rst(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        lines += ["| " + " | ".join(cells) + " |", rule.replace("-", "=") if number == 0 else rule]
    return "\n".join(lines) + "\n"


def write_rst_simple(rows: Rows) -> str:
    widths = _widths(rows)
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(_escape_rst(c).ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


def write_rst_list(rows: Rows) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {_escape_rst(cell)}".rstrip())
    return "\n".join(lines) + "\n"


def write_aligned(rows: Rows) -> str:
    widths = _widths(rows)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def write_box(rows: Rows) -> str:
    """Write the table as SQL clients do, with rules around the header only."""
    widths = _widths(rows)
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


def _widths(rows: Rows) -> list[int]:
    return [max(3, *(len(_escape_rst(row[i])) for row in rows)) for i in range(len(rows[0]))]


def _escape_rst(text: str) -> str:
    return re.sub(r"([\\*`|_])", r"\\\1", text)


WRITERS = {
    "Markdown": write_markdown,
    "LaTeX": write_latex,
    "HTML": write_html,
    "CSV": write_separated,
    "TSV": lambda rows: write_separated(rows, "\t"),
    "CSV with semicolons": lambda rows: write_separated(rows, ";", "\r\n"),
    "reStructuredText, grid": write_rst_grid,
    "reStructuredText, simple": write_rst_simple,
    "reStructuredText, list": write_rst_list,
    "aligned text": write_aligned,
    "box of characters": write_box,
}
