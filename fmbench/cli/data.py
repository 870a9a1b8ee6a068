"""`fmbench data`: finds or fetches a data set, checks its files and describes them."""

from __future__ import annotations

from pathlib import Path

import click

from fmbench.cli import options
from fmbench.cli.output import print_output
from fmbench.datasets.specs import (
    DATASETS,
    DEFAULT_DATASET,
    FILES,
    LocatedDataset,
    get_dataset,
)
from fmbench.errors import UserError


@click.command(
    help="Find or fetch a data set, check its files, and describe them.\n\n"
    f"NAME is one of: {', '.join(DATASETS)}. By default it is the one whose folder --data names. "
    "The folder may also be torchvision's root folder, Keras's cache, a folder of the data hub's "
    "Parquet files, or an .npz file.",
    epilog="Examples: fmbench data; fmbench data mnist; fmbench data kmnist --data kmnist=DIR",
)
@click.argument("name", required=False)
@options.data
def data(name: str | None, data: dict[str, Path]) -> None:
    """Find or fetch a data set, check its files, and describe them."""
    import numpy as np

    from fmbench.datasets import loading, locate

    spec = get_dataset(name or next(iter(data), DEFAULT_DATASET.name))
    if data.keys() - {spec.name}:
        raise UserError(
            f"`fmbench data` looks only for {spec.title} here: name its folder with {spec.option}"
        )
    source = locate.locate_dataset(spec, data.get(spec.name), fetch=True)
    dataset = loading.load_dataset(source)
    lines = [f"{spec.title}: {source.folder}", f"found in: {source.origin}", ""]
    lines += [_describe_file(source, file) for file in FILES]
    lines.append("")
    for split in ("train", "test"):
        X, y = getattr(dataset, f"X_{split}"), getattr(dataset, f"y_{split}")
        counts = np.bincount(y, minlength=spec.n_classes)
        lines.append(
            f"{split}: X {X.dtype} {X.shape}, y {y.dtype} {y.shape}; images of each class:"
        )
        lines += [
            f"  {title:12} {count}" for title, count in zip(spec.classes, counts, strict=True)
        ]
    print_output("\n".join(lines))


def _describe_file(source: LocatedDataset, file: str) -> str:
    """Return a line with the checksum of one of the four files, and where it is, if elsewhere."""
    from fmbench.datasets.loading import find_genuine_file

    spec = source.spec
    name = spec.file_name(file)
    path = find_genuine_file(spec, source.folder, file).relative_to(source.folder)
    where = "" if str(path) in (name, f"{name}.gz") else f"  in {path}"
    ending = ".gz" if spec.only_gz else ""
    return f"{name}{ending}  SHA-256 {spec.checksums[file]}  genuine{where}"
