"""Runs cells: order, locks, child processes, limits, measurements."""
