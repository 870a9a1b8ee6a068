"""Cells and protocols, and the records of measured cells in a results folder."""
