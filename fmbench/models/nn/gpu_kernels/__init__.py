"""CUDA kernels for stacks of small networks. They are compiled on the machine with the GPU."""
