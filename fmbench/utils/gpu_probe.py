"""Finds out whether PyTorch can use a GPU here. ``gpu.ask`` runs this file as a program.

It imports nothing of fmbench, and prints one line of JSON: the name of the GPU and its free memory,
or the problem.
"""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MAX_TEXT = 300  # characters of PyTorch's own text


def probe(torch: Any) -> dict[str, Any]:
    """Run one small kernel on the GPU. Return what is known of the GPU, or why it failed."""
    try:
        torch.ones(1, device="cuda").add_(1).item()
        free, _ = torch.cuda.mem_get_info()
        return {"name": torch.cuda.get_device_name(), "free_memory": free}
    except Exception as error:  # noqa: BLE001 - whatever PyTorch raises is the answer
        return {"problem": explain(torch, shorten(error))}


def explain(torch: Any, text: str) -> str:
    """Return one line that says why PyTorch cannot use a GPU; ``text`` is its own error."""
    version = f"this PyTorch, {torch.__version__},"
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return f"{version} is built for CPUs only: install one for CUDA from pytorch.org"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and "No CUDA GPUs" in text:
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides the GPUs: unset this variable"
    if "no kernel image" in text:
        major, minor = torch.cuda.get_device_capability()
        return (
            f"{version} has no code for {torch.cuda.get_device_name()} (compute capability "
            f"{major}.{minor}): install one that has, see pytorch.org"
        )
    return f"PyTorch says: {text}"


def shorten(error: BaseException) -> str:
    """Return the first line of an error's text, which says what has happened."""
    lines = str(error).splitlines() or [type(error).__name__]
    return " ".join(lines[0].split()).rstrip(".")[:MAX_TEXT]


def read_build() -> Any:
    """Read PyTorch's file ``version.py``, since an import takes seconds; None without the file."""
    found = importlib.util.find_spec("torch")
    path = Path(found.origin).with_name("version.py") if found and found.origin else None
    if path is None or not path.is_file():
        return None
    return SimpleNamespace(**runpy.run_path(str(path)))


def answer() -> dict[str, Any]:
    """Return the name of the GPU and its free memory, or the problem."""
    try:
        build = read_build()
        if build is not None and build.cuda is None and getattr(build, "hip", None) is None:
            unloaded = SimpleNamespace(__version__=build.__version__, version=build)
            return {"problem": explain(unloaded, "")}
        import torch
    except Exception as error:  # noqa: BLE001 - whatever a library raises while it is loaded
        return {"problem": f"PyTorch cannot be imported: {shorten(error)}"}
    return probe(torch)


def main() -> None:
    """Print the answer; the first argument is the path for modules, as JSON."""
    sys.path[:] = json.loads(sys.argv[1])
    print(json.dumps(answer()))


if __name__ == "__main__":
    main()
