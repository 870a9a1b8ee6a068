"""Plans the known mistakes, and says which would produce a claimed figure."""
