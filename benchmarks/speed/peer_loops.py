"""The same training in other ways: plain PyTorch at its best, JAX, and Keras 3. It is no script.

Each way trains the network of fmbench's runner from the same initial weights, with the same
optimizer, batch size and number of epochs, on one thread. `side_by_side.py` lets them take turns.
JAX and Keras come with ``pip install jax keras``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from side_by_side import Task, Turn, find_optimizer

SINGLE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def best_torch_way(turn: Turn, task: Task) -> None:
    """PyTorch with tensors in memory, channels last, a fused optimizer, and torch.compile."""
    import torch

    torch.set_num_threads(task.threads)
    X_train, y_train, X_test, y_test = task.images()
    ours = task.classifier()
    config = ours.config
    pixels, *_ = full = ours.network()
    network = full[1:].to(memory_format=torch.channels_last)
    X, y = pixels(torch.tensor(X_train)), torch.tensor(y_train, dtype=torch.long)
    kind, options = find_optimizer(config)
    # Adamax has no fused version; "foreach" is the next best.
    options["fused" if config.optimizer in ("adam", "sgd") else "foreach"] = True
    optimizer = kind(network.parameters(), **options)
    parameters = dict(network.named_parameters())
    compute: Any = network
    if task.compile:
        compute = torch.compile(network)
        config.loss(parameters, compute(X[: config.batch_size]), y[: config.batch_size]).backward()
    turn.ready()
    for _ in range(task.n_epochs):
        network.train()
        order = torch.randperm(len(X)).split(config.batch_size)
        for i, batch in enumerate(order):
            optimizer.zero_grad()
            config.loss(parameters, compute(X[batch]), y[batch]).backward()
            optimizer.step()
            if (i + 1) % task.batches_a_turn(config.batch_size) == 0 and i + 1 < len(order):
                turn.done()
        turn.done()
    network.eval()
    with torch.inference_mode():
        parts = [network(batch).argmax(1) for batch in pixels(torch.tensor(X_test)).split(1000)]
    turn.result(float((torch.cat(parts).numpy() == y_test).mean()))


def jax_way(turn: Turn, task: Task) -> None:
    """JAX: the steps of a turn are one compiled scan."""
    os.environ["XLA_FLAGS"] = SINGLE_THREAD
    import jax
    import jax.numpy as jnp
    from torch import nn

    X_train, y_train, X_test, y_test = task.images()
    ours = task.classifier()
    config = ours.config
    pixels, *layers = ours.network()
    weights = [p.detach().numpy() for layer in layers for p in layer.parameters()]
    scale = 1 / 255
    assert pixels.shift == 0 and np.isclose(pixels.factor, scale)

    def pool(X: Any, start: float, add: Any) -> Any:
        return jax.lax.reduce_window(X, start, add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def compute(weights: list[Any], X: Any, key: Any) -> Any:
        """Images (n, 28, 28) to logits; without a key, dropout is off."""
        X, left = X[..., None].astype(jnp.float32) * scale, list(weights)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                padding = [(layer.padding[0],) * 2] * 2
                kernel, bias = left.pop(0).transpose(2, 3, 1, 0), left.pop(0)
                X = (
                    jax.lax.conv_general_dilated(
                        X, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
                    )
                    + bias
                )
            elif isinstance(layer, nn.Linear):
                X = X @ left.pop(0).T + left.pop(0)
            elif isinstance(layer, nn.ReLU):
                X = jax.nn.relu(X)
            elif isinstance(layer, nn.MaxPool2d):
                X = pool(X, -jnp.inf, jax.lax.max)
            elif isinstance(layer, nn.AvgPool2d):
                X = pool(X, 0.0, jax.lax.add) / 4
            elif isinstance(layer, nn.Flatten):
                X = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
            elif isinstance(layer, nn.Dropout):
                if key is not None:
                    kept = jax.random.bernoulli(key, 1 - layer.p, X.shape)
                    X = jnp.where(kept, X / (1 - layer.p), 0)
            else:
                raise ValueError(f"{type(layer).__name__} is not translated to JAX")
        return X

    def compute_loss(weights: list[Any], X: Any, y: Any, key: Any) -> Any:
        logits = jax.nn.log_softmax(compute(weights, X, key))
        return -jnp.take_along_axis(logits, y[:, None], 1).mean()

    def step(state: Any, batch: Any) -> Any:
        weights, means, sizes, n, key = state
        key, own = jax.random.split(key)
        gradients = jax.grad(compute_loss)(weights, X[batch], y[batch], own)
        n += 1
        tree = jax.tree.map
        means = tree(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
        rate = config.learning_rate / (1 - 0.9**n)
        if config.optimizer == "adamax":
            sizes = tree(
                lambda u, g: jnp.maximum(0.999 * u, jnp.abs(g) + config.epsilon), sizes, gradients
            )
            weights = tree(lambda w, m, u: w - rate * m / u, weights, means, sizes)
        else:
            sizes = tree(lambda u, g: 0.999 * u + 0.001 * g * g, sizes, gradients)
            weights = tree(
                lambda w, m, u: w
                - rate * m / (jnp.sqrt(u / (1 - 0.999**n)) + config.epsilon),
                weights, means, sizes,
            )  # fmt: skip
        return (weights, means, sizes, n, key), None

    @jax.jit
    def run(state: Any, batches: Any) -> Any:
        return jax.lax.scan(step, state, batches)[0]

    if config.optimizer not in ("adam", "adamax"):
        raise ValueError(f"{config.optimizer} is not translated to JAX")
    X, y = jnp.array(X_train), jnp.array(y_train.astype(np.int32))
    zeros = [jnp.zeros(w.shape) for w in weights]
    state = ([jnp.array(w) for w in weights], zeros, zeros, 0.0, jax.random.key(0))
    generator, size = np.random.default_rng(0), config.batch_size
    within = task.batches_a_turn(size)
    turn.ready()
    for _ in range(task.n_epochs):
        order = generator.permutation(len(X))
        whole = order[: len(order) // size * size].reshape(-1, size)
        parts = [whole[i : i + within] for i in range(0, len(whole), within)]
        if len(parts) != task.n_turns(size):
            raise ValueError("choose a number of images whose last turn has a whole batch")
        for i, part in enumerate(parts):
            state = run(state, part)
            if i == len(parts) - 1 and len(order) % size:
                state = run(state, order[None, len(whole) * size :])
            jax.block_until_ready(state)
            turn.done()
    predict = jax.jit(lambda X: compute(state[0], X, None).argmax(1))
    found = [np.asarray(predict(X_test[i : i + 1000])) for i in range(0, len(X_test), 1000)]
    turn.result(float((np.concatenate(found) == y_test).mean()))


def keras_way(turn: Turn, task: Task) -> None:
    """Keras 3 on the back end JAX: `fit` on the images of each turn."""
    os.environ["XLA_FLAGS"] = SINGLE_THREAD
    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    from torch import nn

    X_train, y_train, X_test, y_test = task.images()
    ours = task.classifier()
    config = ours.config
    layers = list(ours.network())[1:]
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255)])
    weights: list[Any] = []
    for layer in layers:
        own = [p.detach().numpy() for p in layer.parameters()]
        if isinstance(layer, nn.Conv2d):
            padding = "same" if layer.padding[0] else "valid"
            model.add(keras.layers.Conv2D(layer.out_channels, layer.kernel_size, padding=padding))
            weights += [own[0].transpose(2, 3, 1, 0), own[1]]
        elif isinstance(layer, nn.Linear):
            model.add(keras.layers.Dense(layer.out_features))
            weights += [own[0].T, own[1]]
        elif isinstance(layer, nn.ReLU):
            model.add(keras.layers.ReLU())
        elif isinstance(layer, nn.MaxPool2d):
            model.add(keras.layers.MaxPooling2D(2))
        elif isinstance(layer, nn.AvgPool2d):
            model.add(keras.layers.AveragePooling2D(2))
        elif isinstance(layer, nn.Flatten):
            model.add(keras.layers.Permute((3, 1, 2)))
            model.add(keras.layers.Flatten())
        elif isinstance(layer, nn.Dropout):
            model.add(keras.layers.Dropout(layer.p))
        else:
            raise ValueError(f"{type(layer).__name__} is not translated to Keras")
    model.set_weights(weights)
    kind = {"adam": keras.optimizers.Adam, "adamax": keras.optimizers.Adamax}[config.optimizer]
    model.compile(
        kind(config.learning_rate, epsilon=config.epsilon),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = X_train[..., None]
    generator, size = np.random.default_rng(0), config.batch_size
    within = task.batches_a_turn(size) * size
    turn.ready()
    for _ in range(task.n_epochs):
        order = generator.permutation(len(images))
        for i in range(0, len(order), within):
            chosen = order[i : i + within]
            model.fit(images[chosen], y_train[chosen], batch_size=size, shuffle=False, verbose=0)
            turn.done()
    found = model.predict(X_test[..., None], batch_size=1000, verbose=0).argmax(1)
    turn.result(float((found == y_test).mean()))
