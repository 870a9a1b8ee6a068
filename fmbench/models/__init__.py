"""What recipes are made of: the registry, features, networks, evolution."""
