"""Reads the tables and the text of a PDF in a process of its own, with limits."""
