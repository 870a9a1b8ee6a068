"""Neural networks: layers, losses, optimizers and training loops."""
