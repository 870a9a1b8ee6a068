"""Checks records against today's code, measures them again, removes them."""
