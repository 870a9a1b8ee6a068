"""Records a training step as a CUDA graph, so that a GPU can repeat it without Python.

What it computes: the same step, with the same kernels. Why it is faster: a step of a small network
on a small batch is a hundred kernels of a few microseconds each, and starting them one by one from
Python takes several times as long as running them. A recorded graph starts all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fmbench.models.nn.gpu_errors import is_out_of_memory, warn_once

EAGER_STEPS = 3  # steps before the recording, in which libraries choose kernels and take memory

Step = Callable[[Tensor, Tensor], None]


class GraphedStep:
    """A training step that is recorded once and replayed for every full batch.

    The first steps, and batches of another size, run one kernel at a time. ``step`` must do all its
    work on the GPU without reading a value back, and must write its results into tensors that it
    keeps. ``prepare`` is called before each step and is not recorded, so that its random numbers
    are new each time.

    Where a step cannot be recorded, one warning says so, and every step runs one kernel at a time.
    """

    def __init__(self, step: Step, prepare: Callable[[int], None], batch_size: int) -> None:
        self._step, self._prepare, self._batch_size = step, prepare, batch_size
        self._stream = torch.cuda.Stream()  # CUDA cannot record work on the default stream
        self._n_eager = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._can_record = True
        self._inputs: tuple[Tensor, Tensor] | None = None

    def __call__(self, batch: Tensor, target: Tensor) -> None:
        """Do one step on ``uint8 (S, n, 28, 28)`` and ``int64 (S, n)``."""
        n_images = batch.shape[1]
        self._prepare(n_images)
        is_warm = n_images == self._batch_size and self._n_eager >= EAGER_STEPS
        if is_warm and self._graph is None and self._can_record:
            self._record(batch, target)
        if not is_warm or self._graph is None or self._inputs is None:
            self._n_eager += n_images == self._batch_size
            self._run_eagerly(batch, target)
            return
        self._inputs[0].copy_(batch)
        self._inputs[1].copy_(target)
        self._graph.replay()

    def _run_eagerly(self, batch: Tensor, target: Tensor) -> None:
        """Run a step one kernel at a time."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step(batch, target)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _record(self, batch: Tensor, target: Tensor) -> None:
        """Record a step, or note that it cannot be recorded."""
        inputs = batch.clone(), target.clone()
        try:
            graph = torch.cuda.CUDAGraph()
            # PyTorch does not leave the stream of a recording that cannot be ended.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(graph, stream=self._stream),
            ):
                self._step(*inputs)  # only recorded here; replay() runs it
        except RuntimeError as error:  # PyTorch has no narrower class for this
            if is_out_of_memory(error):
                raise
            self._can_record = False
            warn_once(
                "a training step cannot be recorded on this GPU, so each starts its kernels one "
                f"by one, which takes longer: {error}"
            )
        else:
            self._graph, self._inputs = graph, inputs
