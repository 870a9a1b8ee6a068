"""`fmbench data`: finds or fetches a data set, checks its files and describes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import OutputOptions, print_document
from fmbench.datasets.specs import (
    DATASETS,
    DEFAULT_DATASET,
    FILES,
    LocatedDataset,
    get_dataset,
)
from fmbench.errors import UserError
from fmbench.utils.document import Document, Items, Paragraph
from fmbench.utils.table import COUNT, Column, Table

if TYPE_CHECKING:
    from fmbench.datasets.loading import Dataset

CLASSES = (Column("class"), Column("train", COUNT), Column("test", COUNT))


def complete_datasets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Complete the name of a data set."""
    return [name for name in DATASETS if name.startswith(incomplete)]


@click.command(
    short_help="Find or fetch a data set, and check its files.",
    help="Find or fetch a data set, check its files, and describe them.\n\n"
    f"NAME is one of: {', '.join(DATASETS)}. By default it is the one whose folder --data names, "
    "else fashion-mnist. The folder may also be torchvision's root folder, Keras's cache, a folder "
    "of CSV files or of the data hub's Parquet files, or an .npz file.",
    epilog="Examples: fmbench data; fmbench data mnist; fmbench data kmnist --data kmnist=DIR",
)
@click.argument("name", required=False, shell_complete=complete_datasets)
@options.output()
@options.data
def data(name: str | None, output: OutputOptions, data: dict[str, Path]) -> None:
    """Find or fetch a data set, check its files, and describe them."""
    from fmbench.datasets import loading, locate

    spec = get_dataset(name or next(iter(data), DEFAULT_DATASET.name))
    if data.keys() - {spec.name}:
        raise UserError(
            f"`fmbench data` looks only for {spec.title} here: name its folder with {spec.option}, "
            "and no other folder"
        )
    source = locate.locate_dataset(spec, data.get(spec.name), fetch=True)
    print_document(_build_document(source, loading.load_dataset(source)), output)


def _build_document(source: LocatedDataset, dataset: Dataset) -> Document:
    import numpy as np

    spec = source.spec
    files = [_describe_file(source, file) for file in FILES]
    names = ["file", "state", *(["path"] if any(file["path"] for file in files) else [])]
    # A narrower terminal leaves out the checksums, which would be cut.
    widths = [max(len(file[name] or "") for file in files) + 2 for name in (*names, "sha256")]
    columns = [*map(Column, names), Column("sha256", min_width=sum(widths) - 2)]
    parts, counts, splits = [], {}, {}
    for split in ("train", "test"):
        X, y = getattr(dataset, f"X_{split}"), getattr(dataset, f"y_{split}")
        parts.append(f"{split}: X {X.dtype} {X.shape}, y {y.dtype} {y.shape}")
        counts[split] = np.bincount(y, minlength=spec.n_classes).tolist()
        splits[split] = {
            "X": {"dtype": str(X.dtype), "shape": list(X.shape)},
            "y": {"dtype": str(y.dtype), "shape": list(y.shape)},
        }
    classes = [
        {"class": title, "train": n_train, "test": n_test}
        for title, n_train, n_test in zip(spec.classes, *counts.values(), strict=True)
    ]
    summary = f"4 files, all genuine; {len(dataset.y_train):,} training and "
    summary += f"{len(dataset.y_test):,} test images of {spec.n_classes} classes"
    return Document(
        f"{spec.title}: {source.folder}",
        [
            Paragraph(f"found in: {source.origin}"),
            Table("", tuple(columns), files),
            Table("Images of each class", CLASSES, classes),
            Items(tuple(parts)),
            Paragraph(summary),
        ],
        {
            "name": spec.name, "title": spec.title, "folder": str(source.folder),
            "origin": source.origin, "files": files, **splits, "classes": classes,
        },
    )  # fmt: skip


def _describe_file(source: LocatedDataset, file: str) -> dict[str, str | None]:
    """Return the name of one of the four files, its checksum, and its path, if that differs."""
    from fmbench.datasets.loading import find_genuine_file

    spec = source.spec
    name = spec.file_name(file)
    path = str(find_genuine_file(spec, source.folder, file).relative_to(source.folder))
    return {
        "file": f"{name}{'.gz' if spec.only_gz else ''}", "state": "genuine",
        "path": None if path in (name, f"{name}.gz") else path, "sha256": spec.checksums[file],
    }  # fmt: skip
