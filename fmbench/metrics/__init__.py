"""Declares the metrics and computes them."""
