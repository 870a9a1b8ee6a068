"""Tells the errors of a GPU apart, and gives a warning of one line for those that have a remedy."""

from __future__ import annotations

import warnings

import torch

# What cuDNN's front end says if no engine keeps to the settings, such as a fixed order of sums.
NO_ENGINE = ("unable to find an engine", "no valid execution plans")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the GPU, not the host, had too little memory."""
    return isinstance(error, torch.cuda.OutOfMemoryError)


def is_no_engine(error: BaseException) -> bool:
    """Whether cuDNN has no way to compute a convolution under the present settings."""
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in message for part in NO_ENGINE)


def warn_once(message: str) -> None:
    """Give a warning on one line; a record keeps each warning once."""
    warnings.warn(" ".join(message.split())[:300], RuntimeWarning, stacklevel=2)
