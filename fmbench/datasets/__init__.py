"""Declares, finds, downloads, checks and reads the data sets."""
