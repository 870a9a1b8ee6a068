"""Judges the claims of any paper by what is measured already."""
