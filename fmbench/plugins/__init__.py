"""Turns what a user names (a file, a class) into a runner."""
