"""What :mod:`fmbench.consistency` found, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from fmbench.consistency.check import Findings
from fmbench.consistency.conflicts import Conflict, Extent
from fmbench.suites.claims import Reported
from fmbench.suites.rounding import UNBOUNDED, parse_figure

NAMED = 6  # figures of one conflict that are named; the rest are counted


def as_text(findings: Findings) -> str:
    """The figures with the accuracy that each implies, then what is wrong with them."""
    from tabulate import tabulate

    suite, reported = findings.suite, findings.suite.reported
    sizes = sorted(set(suite.n_per_class))
    each = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    parts = [
        f"{suite.title}\n{sum(suite.n_per_class):,} test images in {len(suite.n_per_class)} "
        f"classes of {each}; figures rounded: {findings.rounding}",
        tabulate(figures(findings), headers="keys", tablefmt="simple", disable_numparse=True),
        "\n".join(_verdict(findings)),
    ]
    if findings.not_checked:
        parts.append("Can't be checked:")
        parts[-1] += "".join(
            f"\n- {_figure(reported[i])}: {why}" for i, why in sorted(findings.not_checked.items())
        )
    if suite.not_transcribed:
        parts.append("Not transcribed, so not checked:")
        parts[-1] += "".join(f"\n- {m.where}, {m.what}: {m.why}" for m in suite.not_transcribed)
    return "\n\n".join(parts) + "\n"


def figures(findings: Findings) -> list[dict[str, str]]:
    """Each reported figure with the accuracy that it implies, all under the same column names."""
    reported, lines = findings.suite.reported, []
    for i, figure in enumerate(reported):
        line = {"of": figure.of or ""} if len({other.of for other in reported}) > 1 else {}
        line |= {
            "where": figure.where,
            "figure": _name(figure),
            "printed": _printed(figure),
            "means": _extent(_meant(figure, findings.rounding), figure),
            "so the accuracy is": _implied(findings, i),
        }
        lines.append(line)
    return lines


def sentence(conflict: Conflict, findings: Findings) -> str:
    """One conflict in one sentence, its forced value last."""
    figures = [findings.suite.reported[i] for i in conflict.members]
    names = _listed([_figure(figure) for figure in figures])
    both = "both" if len(figures) == 2 else "all"
    if len(figures) == 1:
        return f"{names}: no confusion matrix of this test set gives it"
    if len({(figure.metric, figure.class_) for figure in figures}) == 1:
        return f"{names}: no {_name(figures[0])} is printed as {both}"
    if conflict.victim is None or conflict.forced is None:
        return f"{names} cannot {both} be true"
    victim = findings.suite.reported[conflict.victim]
    others = [figure for figure in figures if figure is not victim]
    causes = _listed([f"{_name(figure)} {_printed(figure)}" for figure in others])
    force = "forces" if len(others) == 1 else "force"
    value = _extent(conflict.forced, victim, apart=_meant(victim, findings.rounding))
    return f"{names}: {causes} {force} {_name(victim)} {value}"


def _verdict(findings: Findings) -> Iterator[str]:
    conflicts = findings.conflicts
    if not conflicts:
        kept = len(findings.suite.reported) - len(findings.not_checked)
        figures = "all figures" if not findings.not_checked else f"the {kept} checked figures"
        yield f"Consistent: {figures} can be true together."
        return
    yield (
        f"Contradictory: {len(conflicts)} conflict{'s' * (len(conflicts) > 1)}; in each, one "
        "figure at least is wrong."
    )
    for number, conflict in enumerate(conflicts, 1):
        yield f"{number}. {sentence(conflict, findings)}."
    if not findings.complete:
        yield "The search ended at its limit: there may be more."


def _listed(names: list[str]) -> str:
    if len(names) > NAMED:
        names = [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _name(figure: Reported) -> str:
    name = {"mse": "MSE", "mae": "MAE", "f1": "F1"}.get(figure.metric, figure.metric)
    if figure.class_ is not None:
        name = f"class {figure.class_} {name}"
    if figure.average:
        name = f"{figure.average} {name}"
    return name if figure.mean_of == 1 else f"{figure.mean_of}-run {name}"


def _figure(figure: Reported) -> str:
    name = _name(figure)
    if figure.class_ is not None and figure.where.endswith(f"class {figure.class_}"):
        name = name.replace(f"class {figure.class_} ", "")
    return f"{figure.where} {name} {_printed(figure)}"


def _printed(figure: Reported) -> str:
    """As printed, with a percent sign where it is meant."""
    digits = figure.value.strip().removesuffix("%").strip()
    return f"{digits} %" if _in_percent(figure) else digits


def _in_percent(figure: Reported) -> bool:
    text = figure.value.strip()
    return figure.metric not in UNBOUNDED and (text.endswith("%") or Decimal(text) > 1)


def _meant(figure: Reported, rounding: str) -> Extent:
    within = figure.interval(rounding)
    return within.low, within.high


def _implied(findings: Findings, i: int) -> str:
    if i in findings.not_checked and findings.implied[i] is None:
        return "not checked"
    extent = findings.implied[i]
    if extent is None:
        return "impossible" if any(c.members == (i,) for c in findings.conflicts) else "not decided"
    return _range(extent, 2, percent=True)


def _extent(extent: Extent, figure: Reported, *, apart: Extent | None = None) -> str:
    """Two values as the figure is printed, with so many decimals that they look ``apart``."""
    percent = _in_percent(figure)
    exponent = parse_figure(figure.value, figure.metric).as_tuple().exponent
    decimals = max(0, -int(exponent) - 2 * percent) + 1
    if apart is not None:
        decimals = max(decimals, 2 if percent else 4)
        unit = Fraction(1, 100 if percent else 1)
        for _ in range(8):
            low, high = (unit * Fraction(end) for end in _ends(extent, decimals, percent=percent))
            if high < apart[0] or low > apart[1]:
                break
            decimals += 1
    return _range(extent, decimals, percent=percent)


def _range(extent: Extent, decimals: int, *, percent: bool) -> str:
    low, high = _ends(extent, decimals, percent=percent)
    text = low if low == high else f"{low} to {high}"
    return f"{text} %" if percent else text


def _ends(extent: Extent, decimals: int, *, percent: bool) -> tuple[str, str]:
    """Both ends as text, rounded outwards; a single value to the nearest."""
    low, high = (end * (100 if percent else 1) * 10**decimals for end in extent)
    whole = (floor(low), ceil(high)) if low != high else (round(low), round(low))
    return str(Decimal(whole[0]).scaleb(-decimals)), str(Decimal(whole[1]).scaleb(-decimals))
