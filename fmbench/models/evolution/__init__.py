"""The evolutionary search for networks (EDEN)."""
