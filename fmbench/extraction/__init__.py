"""Reads claims from what papers, logs and pages print."""
