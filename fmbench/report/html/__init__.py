"""Builds the HTML page."""
