"""Decides whether the figures of a paper can be true together."""
