"""The errors of a GPU are told apart by their texts, and each comes with what to do."""

import pytest
import torch

from fmbench.models.nn import gpu_errors

OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate {}. GPU 0 has a total capacity of 7.79 GiB of which {} "
    "is free. 4.00 GiB allowed; Of the allocated memory 3.90 GiB is allocated by PyTorch"
)
SHARE_IS_USED_UP = OUT_OF_MEMORY.format("20.00 MiB", "3.00 GiB")
CARD_IS_FULL = OUT_OF_MEMORY.format("2.00 GiB", "11.25 MiB")
AT_CREATION = (
    "CUDA error: out of memory Search for `cudaErrorMemoryAllocation' in https://docs.nvidia.com "
    "for more information. CUDA kernel errors might be asynchronously reported."
)
CUBLAS = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
FEWER = (
    "start fewer launches at a time on it, such as --gpu-jobs 1, or end other programs that use it"
)


class AcceleratorError(RuntimeError):
    """As PyTorch's, which older versions lack."""


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"),
        torch.cuda.OutOfMemoryError("HIP out of memory"),
        AcceleratorError(AT_CREATION),
        RuntimeError(CUBLAS),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ],
    ids=str,
)
def test_missing_memory_is_noticed_whichever_library_lacks_it(error):
    assert gpu_errors.is_out_of_memory(error)
    text = gpu_errors.describe_gpu_error(type(error).__name__, str(error))
    assert "memory" in text.partition("(")[0]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: not enough memory"),
        MemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
    ],
    ids=str,
)
def test_other_errors_are_not_taken_for_missing_memory_of_the_gpu(error):
    assert not gpu_errors.is_out_of_memory(error)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "OutOfMemoryError", SHARE_IS_USED_UP,
            "ran out of the GPU's memory (CUDA out of memory): allow more with --gpu-memory",
        ),
        (
            "OutOfMemoryError", CARD_IS_FULL,
            f"the GPU's memory is full (CUDA out of memory): {FEWER}",
        ),
        (
            "AcceleratorError", AT_CREATION,
            f"the GPU's memory is full (CUDA error: out of memory): {FEWER}",
        ),
        ("RuntimeError", CUBLAS, f"the GPU's memory is full ({CUBLAS}): {FEWER}"),
        (
            "GpuStartError", "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "another process has the GPU (CUDA error: CUDA-capable device(s) is/are busy or "
            "unavailable): if its compute mode is EXCLUSIVE_PROCESS, add --gpu-jobs 1; otherwise "
            "end the other process",
        ),
        (
            "RuntimeError", "No CUDA GPUs are available",
            "the GPU failed (No CUDA GPUs are available): if nvidia-smi finds it, run the same "
            "command again",
        ),
        (
            "KernelError", "CUDA_ERROR_ILLEGAL_ADDRESS",
            "a kernel failed on the GPU (CUDA_ERROR_ILLEGAL_ADDRESS): run the same command with "
            "FMBENCH_GPU_KERNELS=0, so that only PyTorch's own kernels are used",
        ),
        ("RuntimeError", "the matrix is singular", None),
    ],
)  # fmt: skip
def test_each_error_of_a_gpu_is_told_with_what_to_do(name, text, expected):
    assert gpu_errors.describe_gpu_error(name, text) == expected
