"""The parts of recipes: the registry of runners, features, neural networks, evolution."""
