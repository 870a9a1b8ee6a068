"""Judges what was measured: statistics, summaries, verdicts, comparisons."""
