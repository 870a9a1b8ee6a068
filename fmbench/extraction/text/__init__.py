"""Reads claims from words: lines such as ``LeNet-5: 98.80 %``, and running text."""
