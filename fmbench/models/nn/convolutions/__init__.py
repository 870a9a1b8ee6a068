"""Faster ways to compute some convolutions on a CPU."""
