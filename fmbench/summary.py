"""What has been measured of a runner, and how sure it is: records to numbers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.cells import FULL, Cell, Protocol
from fmbench.datasets import FASHION_MNIST
from fmbench.entries import Entry
from fmbench.errors import UserError
from fmbench.files import write_text
from fmbench.records import Name, Record, flagged_array
from fmbench.registry import Runner
from fmbench.store import Contents, Store
from fmbench.suites import CHECKOUT, PACKAGED, find

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
FILE = "summary.json"  # in a results folder


@dataclass(frozen=True)
class Summary:
    """One runner under one protocol. Accuracies are in [0, 1], by seed in ``accuracies``.

    ``low`` and ``high`` bound the accuracy of *one new run* at 95 % (Spence & Stanley 2016). A
    deterministic runner has no spread: both are its accuracy. They are ``None``, as ``sd`` is,
    for a stochastic runner with one seed. ``flagged`` holds the accuracies, by seed, under another
    way of scoring that the source used, by that way in words.
    """

    runner: str
    status: str  # measured | not run | failed: why | stale: why
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    fit_seconds: float | None = None  # mean over the seeds
    device: str = ""
    accuracies: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()  # what the libraries said, and of how many seeds
    flagged: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def summarise(
    entry: Entry, protocol: Protocol, contents: Contents, store: Store, y_true: np.ndarray | None
) -> Summary:
    """Summary of an entry's records.

    ``y_true`` holds the labels of the protocol's images of Fashion-MNIST; ``None`` only where no
    record exists. Records of another data set have their own.
    """
    runner = entry.runner
    cells = answered(entry, protocol, contents)
    records = [record for cell in cells if (record := contents.of(cell))]
    status = _failure(cells, contents)
    if status is None:
        status = "measured" if records else _why_none(entry, protocol, cells, contents)
    if not records:
        return Summary(entry.name, status)
    accuracies = [_accuracy(record, store, y_true) for record in records]
    mean, sd, low, high = spread(accuracies, deterministic=runner.deterministic)
    return Summary(
        runner=entry.name,
        status=status,
        n=len(records),
        mean=mean,
        sd=sd,
        low=low,
        high=high,
        fit_seconds=sum(r.fit_seconds or 0.0 for r in records) / len(records),
        device=", ".join(sorted({r.device for r in records})),
        accuracies=tuple(accuracies),
        warnings=_warnings(records),
        flagged=_flagged(runner, records, store, y_true),
    )


def _accuracy(record: Record, store: Store, y_true: np.ndarray | None) -> float:
    if record.cell["dataset"] == FASHION_MNIST.name:
        return float((store.y_pred(record) == y_true).mean())
    arrays = store.arrays(record, "y_pred", "y_true")
    return float((arrays["y_pred"] == arrays["y_true"]).mean())


def _failure(cells: Sequence[Cell], contents: Contents) -> str | None:
    for cell in cells:
        if failure := contents.failed.get(cell.key):
            seed = "" if cell.runner.deterministic else f" (seed {cell.seed})"
            return f"failed: {failure.why}{seed}"
    return None


def _why_none(entry: Entry, protocol: Protocol, cells: Sequence[Cell], contents: Contents) -> str:
    """Why no record answers for an entry, though ``cells`` may have had one."""
    for cell in cells:
        if why := contents.stale(cell):
            return f"stale: {why}"
    for broken in contents.broken:
        name = Name.parse(broken.path)
        if name is None or (name.runner, name.protocol) != (entry.runner.name, protocol.name):
            continue
        # A runner's own recipe has its folder; entries with parameters share one.
        cell = entry.cell(protocol, name.seed)
        if not cell.variant or name.key == cell.key:
            return f"failed: the record {broken.path.name} is damaged"
    return "not run"


def _warnings(records: Sequence[Record]) -> tuple[str, ...]:
    said = Counter(warning for record in records for warning in record.warnings)
    return tuple(f"{text} ({n} of {len(records)} runs)" for text, n in sorted(said.items()))


def _flagged(
    runner: Runner, records: Sequence[Record], store: Store, y_true: np.ndarray | None
) -> dict[str, tuple[float, ...]]:
    if not runner.flagged:
        return {}
    names = [flagged_array(name) for name in runner.flagged]
    arrays = [store.arrays(record, *names) for record in records]
    return {
        words: tuple(
            float((of[flagged_array(name)] == y_true).mean())
            for of in arrays
            if flagged_array(name) in of  # the recipe may have got this figure later
        )
        for name, words in runner.flagged.items()
    }


def spread(
    accuracies: Sequence[float], *, deterministic: bool
) -> tuple[float, float | None, float | None, float | None]:
    """Mean, standard deviation (n - 1) and the 95 % prediction interval of one new run."""
    from scipy.special import stdtrit

    n = len(accuracies)
    mean = math.fsum(accuracies) / n
    if deterministic:
        return mean, 0.0, mean, mean
    if n == 1:
        return mean, None, None, None
    sd = math.sqrt(math.fsum((a - mean) ** 2 for a in accuracies) / (n - 1))
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * sd * math.sqrt(1 + 1 / n)
    return mean, sd, max(0.0, mean - half), min(1.0, mean + half)


def answered(entry: Entry, protocol: Protocol, contents: Contents) -> list[Cell]:
    """The cells of an entry, by seed, that any record is about: finished, failed or stale."""
    variant = entry.cell(protocol, 0).variant
    question = (entry.runner.name, entry.dataset.name, protocol.name, variant)
    seeds = set()
    for record in (*contents.finished.values(), *contents.failed.values()):
        # The name first: an identity is made anew for each record that is asked for it.
        if record.cell["runner"] == entry.runner.name:
            name, dataset, protocol_name, seed, recorded_variant = record.identity
            if (name, dataset, protocol_name, recorded_variant) == question:
                seeds.add(seed)
    return [entry.cell(protocol, seed) for seed in sorted(seeds)]


def current(entry: Entry, protocol: Protocol, contents: Contents) -> list[Record]:
    """The finished records that answer for an entry today, by seed."""
    found = (contents.of(cell) for cell in answered(entry, protocol, contents))
    return [record for record in found if record]


@dataclass(frozen=True)
class Reference:
    """The summary of fmbench's own committed run."""

    rows: dict[str, Summary]

    @property
    def fit_seconds(self) -> dict[str, float]:
        """Mean seconds of a fit by runner, for time estimates."""
        return {n: s.fit_seconds for n, s in self.rows.items() if s.fit_seconds is not None}


def reference_folder(suite: Path | None = None) -> Path | None:
    """Where a checkout has fmbench's own run of a suite that comes with it; None for any other."""
    if suite is None or suite.resolve() == find().resolve():
        return CHECKOUT / "results" / "reference"
    is_bundled = suite.resolve().parent in (CHECKOUT / "benchmarks", PACKAGED)
    return CHECKOUT / "results" / "reference" / suite.stem if is_bundled else None


def reference(suite: Path | None = None) -> Reference:
    """The committed run's summary, from the checkout or from the installed package.

    ``suite`` is the file of another suite than the paper's; what is no suite of ours has none.
    """
    folder = reference_folder(suite)
    if folder is None:
        return Reference({})
    is_default = folder == reference_folder()
    packaged = PACKAGED / ("reference.json" if is_default else f"reference-{folder.name}.json")
    for path in (folder / FILE, packaged):
        if path.is_file():
            return Reference(read_summary(path))
    if not is_default:  # it has not been run yet
        return Reference({})
    raise UserError("this installation of fmbench lacks its reference results: install it again")


def known_summaries(folder: Path, known: Mapping[str, Runner]) -> dict[str, Summary]:
    """What there is of each runner in a results folder, without reading a record.

    From the summary that the last run wrote and from the names of the records' files: where they
    do not agree, only the count is known.
    """
    path = folder / FILE
    written = read_summary(path) if path.is_file() else {}
    present: dict[str, Summary] = {}
    names = [n for n in Store(folder).names() if n.protocol == FULL.name and n.runner in known]
    for name in sorted({n.runner for n in names}):
        runner = known[name]
        current = {
            finished: sum(
                n.key == Cell(runner, FULL, n.seed).key
                for n in names
                if n.runner == name and n.finished is finished
            )
            for finished in (True, False)
        }
        if current[True] and name in written and written[name].n == current[True]:
            present[name] = written[name]
        elif current[True]:
            present[name] = Summary(name, f"n={current[True]}, see `fmbench table`")
        elif current[False]:
            present[name] = Summary(name, "failed")
        elif name in written:
            present[name] = Summary(name, "stale")
    # Plug-ins, and rows of a suite that name an estimator: whether they are stale is not known.
    return present | {n: s for n, s in written.items() if n not in known}


def read_summary(path: Path) -> dict[str, Summary]:
    """Read what :func:`write_summary` wrote; raises UserError if it is anything else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return {
            name: Summary(
                **row
                | {
                    "accuracies": tuple(row["accuracies"]),
                    "warnings": tuple(row["warnings"]),
                    "flagged": {k: tuple(v) for k, v in row.get("flagged", {}).items()},
                }
            )
            for name, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is damaged: `fmbench table --write --results {path.parent}` writes it anew"
        ) from None


def write_summary(path: Path, summaries: Iterable[Summary], versions: list[dict[str, str]]) -> None:
    """Write the summaries of measured runners, rounded so that the file is the same everywhere."""
    content = {
        "protocol": FULL.title,
        "versions": versions,
        "rows": {
            s.runner: {k: v for k, v in _rounded(asdict(s)).items() if k != "flagged" or v}
            for s in summaries
            if s.n
        },
    }
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(v) for v in value]
    return value
