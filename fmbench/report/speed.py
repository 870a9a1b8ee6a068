"""Reads what `make speed` has measured, and makes its tables: fmbench beside other libraries.

The file ``speed.json`` is in the folder of a suite's tables. The page shows the tables of it, and
`benchmarks/README.md` has the same ones.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from fmbench.errors import UserError
from fmbench.records.record import Seconds, parse_json
from fmbench.utils.files import read_regular_file, write_text_atomically
from fmbench.utils.table import COUNT, Column, ColumnKind, Table

SPEED_FILE = "speed.json"
MAX_BYTES = 2**20
PLAIN, OURS = "plain loop", "fmbench"
WAYS = (PLAIN, "best PyTorch", "JAX", "Keras 3 on JAX", OURS)
LIBRARIES = ("torch", "numba", "jax", "keras", "scikit-learn", "scikit-learn-intelex")

Percent = Annotated[float, Meta(ge=0, le=100)]
Number = Annotated[int, Meta(ge=0, le=10**7)]


class NetworkSpeed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One network, trained in several ways: seconds of an epoch and accuracies, by way.

    ``rate_share`` is the rate of fmbench's operations over that of one large matrix product.
    """

    seconds: dict[str, Seconds]
    accuracy: dict[str, Percent]
    ratio: Seconds
    rate_share: Seconds
    n: Number
    images: Number
    compiled: bool  # whether PyTorch at its best was compiled


class ClassicalSpeed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One row of scikit-learn's: seconds of fit and predict, and accuracies, by way."""

    seconds: dict[str, Seconds]
    accuracy: dict[str, Percent]
    ratio: Seconds
    n: Number
    n_train: Number
    n_test: Number


class TrialsSpeed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The paper's whole protocol on all cores; seconds of wall time, accuracy in percent."""

    trials: Number
    epochs: Number
    seconds: Seconds
    plain_seconds: Seconds
    n: Number  # epochs of the plain loop that were timed
    jobs: Number
    cores: Number
    accuracy: Percent
    sd: Percent


class Equivalence(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Accuracies of LeNet-5 in percent, one for each seed, and the test that they are equal."""

    fmbench: list[Percent]
    plain: list[Percent]
    p: Annotated[float, Meta(ge=0, le=1)]
    margin: Percent
    epochs: Number


class Speed(msgspec.Struct, forbid_unknown_fields=True):
    """The content of the file. ``machine`` has the processor and the versions of the libraries."""

    machine: dict[str, str] = {}
    networks: dict[str, NetworkSpeed] = {}
    classical: dict[str, ClassicalSpeed] = {}
    trials: TrialsSpeed | None = None
    equivalence: Equivalence | None = None


def read_speed(folder: Path) -> Speed | None:
    """Read the file in a suite's results folder; None if there is none.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / SPEED_FILE
    try:
        return msgspec.convert(parse_json(read_regular_file(path, MAX_BYTES)), Speed)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise UserError(
            f"{path} is damaged: remove it, and `make speed` measures it again"
        ) from None


def write_speed(folder: Path, speed: Speed) -> None:
    """Write the file into a suite's results folder."""
    text = json.dumps(msgspec.to_builtins(speed), indent=1, ensure_ascii=False)
    write_text_atomically(folder / SPEED_FILE, text + "\n")


# ---------------------------------------------------------------------------------------- tables

RATIO = ColumnKind("ratio", lambda ratio: f"{ratio:.2f}", float, "right")
SHARE = ColumnKind("percent", lambda share: f"{100 * share:.0f} %", str, "right")
MEASURED = ColumnKind("seconds (accuracy)", align="right")
NETWORK_TITLE = "An epoch of training beside other libraries"
CLASSICAL_TITLE = "Fit and predict with scikit-learn alone, and with fmbench[fast]"
NOTE_ON_NETWORKS = (
    "CPU seconds of one epoch on one thread, the median of n epochs after one that warms up; in "
    "brackets the accuracy after these n + 1 epochs, on as many test images as there are training "
    "images, at most 10,000. All ways start from the "
    "same weights and see the images in the same order; only the masks of dropout are drawn by "
    "each library itself. Best PyTorch: tensors in memory, channels last, an optimizer that is "
    "fused or takes all tensors at once, {compiled} torch.compile. JAX: one call of a compiled "
    "function for each step. fmbench / plain: the median of the ratios of single epochs. Empty: "
    "the network was not translated to that library (batch normalisation, the squared hinge loss), "
    "or the library was not installed."
)
NOTE_ON_SHARES = (
    "Of product rate: the floating-point operations that the network defines, for each second of "
    "fmbench, over the rate of one large matrix product, which was measured between the epochs. It "
    "can exceed 100 %, because fmbench computes some layers with fewer operations."
)
NOTE_ON_CLASSICAL = (
    "CPU seconds of fit and predict on one thread, with {n_train:,} training and {n_test:,} test "
    "images: a part of them, which favours scikit-learn. In brackets the accuracy."
)


def build_speed_tables(speed: Speed) -> list[Table]:
    """Build the tables of what was measured; the notes of the first one name the machine."""
    tables = []
    if speed.networks:
        tables.append(_build_network_table(speed.networks))
    if speed.classical:
        tables.append(_build_classical_table(speed.classical))
    on_lenet = describe_lenet(speed)
    if on_lenet and not tables:
        tables.append(Table("LeNet-5", (Column("network"),), [{"network": "lenet5"}], ()))
    if tables:
        first = tables[0]
        notes = (describe_machine(speed.machine), *first.notes, *on_lenet)
        tables[0] = Table(first.title, first.columns, first.rows, notes)
    return tables


def describe_machine(machine: Mapping[str, str]) -> str:
    """Name the processor and the versions of the libraries in one sentence."""
    versions = ", ".join(f"{library} {machine.get(library, 'unknown')}" for library in LIBRARIES)
    return (
        f"Measured on {machine.get('processor', 'an unknown processor')} with "
        f"{machine.get('instructions', 'unknown instructions')} and {machine.get('cores', '?')} "
        f"cores; {versions}."
    )


def describe_lenet(speed: Speed) -> list[str]:
    """Describe LeNet-5's whole protocol, and whether it reaches the plain loop's accuracy."""
    sentences = []
    if (trials := speed.trials) is not None:
        times = trials.plain_seconds / max(trials.seconds, 1e-9)
        sentences.append(
            f"{trials.trials} trials of LeNet-5 of {trials.epochs} epochs: {trials.seconds:.0f} s "
            f"with fmbench, {trials.jobs} cells at a time, and {trials.plain_seconds:.0f} s with "
            f"the plain loop on {trials.cores} threads (the median of n={trials.n} epochs, "
            f"times {trials.trials * trials.epochs}): {times:.1f} times as fast. Wall time. "
            f"Accuracy {trials.accuracy:.2f} ± {trials.sd:.2f} % (n={trials.trials})."
        )
    if (found := speed.equivalence) is not None and found.fmbench and found.plain:
        sentences.append(
            f"LeNet-5 after {found.epochs} epochs: {statistics.mean(found.fmbench):.2f} % with "
            f"fmbench, {statistics.mean(found.plain):.2f} % with the plain loop "
            f"(n={len(found.plain)} seeds each). Two one-sided tests of a difference of "
            f"{found.margin:g} percentage points or more: p = {found.p:.4f} (below 0.05: the means "
            "differ by less)."
        )
    return sentences


def _build_network_table(networks: Mapping[str, NetworkSpeed]) -> Table:
    columns = (
        Column("network"),
        Column("images", COUNT),
        *(Column(f"{way} s", MEASURED) for way in WAYS),
        Column("fmbench / plain", RATIO),
        Column("of product rate", SHARE),
        Column("n", COUNT),
    )
    rows = [
        {
            "network": name,
            "images": row.images,
            **{f"{way} s": _format_way(row, way) for way in WAYS},
            "fmbench / plain": row.ratio,
            "of product rate": row.rate_share,
            "n": row.n,
        }
        for name, row in networks.items()
    ]
    compiled = "with" if all(row.compiled for row in networks.values()) else "without"
    notes = (NOTE_ON_NETWORKS.format(compiled=compiled), NOTE_ON_SHARES)
    return Table(NETWORK_TITLE, columns, rows, notes)


def _build_classical_table(classical: Mapping[str, ClassicalSpeed]) -> Table:
    columns = (
        Column("row"),
        Column("scikit-learn s", MEASURED),
        Column("fmbench[fast] s", MEASURED),
        Column("ratio", RATIO),
        Column("n", COUNT),
    )
    rows = [
        {
            "row": name,
            "scikit-learn s": _format_way(row, PLAIN),
            "fmbench[fast] s": _format_way(row, OURS),
            "ratio": row.ratio,
            "n": row.n,
        }
        for name, row in classical.items()
    ]
    first = next(iter(classical.values()))
    note = NOTE_ON_CLASSICAL.format(n_train=first.n_train, n_test=first.n_test)
    return Table(CLASSICAL_TITLE, columns, rows, (note,))


def _format_way(row: NetworkSpeed | ClassicalSpeed, way: str) -> str | None:
    """Format the seconds and the accuracy of one way; None if it was not measured."""
    seconds, accuracy = row.seconds.get(way), row.accuracy.get(way)
    if seconds is None or accuracy is None:
        return None
    return f"{seconds:.{1 if seconds >= 10 else 2}f} ({accuracy:.1f} %)"
