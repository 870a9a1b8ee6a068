"""TODO docstring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import options
from fmbench.cli.output import output

if TYPE_CHECKING:
    pass


@click.command(epilog="Example: fmbench data --data ~/fashion-mnist")
@options.data
def data(data: Path | None) -> None:
    """Find or fetch the data, check it, and say what it is."""
    import numpy as np

    from fmbench.datasets import loading, locate, specs
    from fmbench.datasets.download import fetch

    source = locate.locate(data=data, fetch=fetch)
    dataset = loading.load(source)
    lines = [f"{source.spec.title}: {source.folder}", f"found as: {source.origin}", ""]
    lines += [f"{name}  SHA-256 {source.spec.sha256[name]}  genuine" for name in specs.FILES]
    lines.append("")
    for split in ("train", "test"):
        X, y = getattr(dataset, f"X_{split}"), getattr(dataset, f"y_{split}")
        counts = np.bincount(y, minlength=10)
        lines.append(
            f"{split}: X {X.dtype} {X.shape}, y {y.dtype} {y.shape}; images of each class:"
        )
        lines += [
            f"  {title:12} {count}"
            for title, count in zip(source.spec.classes, counts, strict=True)
        ]
    output("\n".join(lines))
