"""PyTorch's own optimizers over a list of parameters, as a tutorial would use them."""

import torch


def optimizer(config, parameters):
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, lr=config.learning_rate, momentum=config.momentum)
        case "adam":
            return torch.optim.Adam(parameters, lr=config.learning_rate, eps=config.epsilon)
        case "adamax":
            return torch.optim.Adamax(parameters, lr=config.learning_rate, eps=config.epsilon)
    raise AssertionError(f"no plain counterpart of {config.optimizer}")
