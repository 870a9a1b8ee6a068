"""Compiling kernels: what is said where it fails, and how it is turned off."""

import sys

import numpy as np
import pytest
import torch

from fmbench.models.nn.gpu_kernels import build, convolution_block, optimizer
from fmbench.models.nn.gpu_kernels.build import KernelError
from tests.helpers.cuda_emulator import use_kernels_on_cpu
from tests.helpers.networks import fit_small_stack

pytestmark = pytest.mark.slow


def test_without_a_compiler_two_lines_say_so_and_pytorchs_kernels_are_used(small, monkeypatch):
    def fail(file, constants):
        raise KernelError("no compiler")

    use_kernels_on_cpu(monkeypatch)
    for module in (convolution_block, optimizer):
        monkeypatch.setattr(module, "load_kernels", fail)
    with pytest.warns(RuntimeWarning, match="no compiler") as warned:
        classifiers = fit_small_stack(small)
    assert len(warned) == 2
    assert len(np.unique(classifiers[0].predict(small[2]))) > 1


def test_the_environment_variable_turns_the_kernels_off(monkeypatch):
    class OnCard:
        is_cuda, dtype = True, torch.float32

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert build.use_kernels(OnCard())
    monkeypatch.setenv("FMBENCH_GPU_KERNELS", "0")
    assert not build.use_kernels(OnCard())
    monkeypatch.delenv("FMBENCH_GPU_KERNELS")
    assert not build.use_kernels(torch.zeros(1))


def test_a_mistake_in_a_kernel_is_named():
    pytest.importorskip("cuda.bindings", reason="no CUDA compiler here")
    with pytest.raises(KernelError, match=r'identifier "ADAM_BETA1" is undefined'):
        build.compile_kernels(optimizer.FILE, (), "sm_90")


def test_without_the_bindings_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(KernelError, match=r"pip install 'cuda-bindings==13\.\*'"):
        build.compile_kernels(optimizer.FILE, optimizer.CONSTANTS, "sm_90")
