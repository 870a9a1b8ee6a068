"""One file a family of runners; each file registers its own and needs no mention elsewhere."""
