"""Reads suites: a paper's claims and the runner that measures each."""
