"""The same training in other ways: plain PyTorch at its best, JAX, and Keras 3. It is no script.

Each way trains the network of fmbench's runner on one thread, with the same initial weights, order
of the images, optimizer, batch size and number of epochs as fmbench. `side_by_side.py` lets them
take turns. Only the masks of dropout differ: each library draws them with its own generator.

JAX and Keras come with the extra ``peers``. They compute networks of convolutions, dense layers,
ReLU, pooling over 2 x 2 and dropout, trained with the cross-entropy and Adam or Adamax
(:func:`is_translated`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from side_by_side import Task, Turn, find_optimizer, start_training

SINGLE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
BETA1, BETA2 = 0.9, 0.999  # of Adam and Adamax, in every library
N_PREDICTED = 1000  # test images at a time


def is_translated(classifier: Any) -> bool:
    """Whether JAX and Keras can train the network of fmbench's classifier."""
    from torch import nn

    from fmbench.models.nn.layers import Pixels
    from fmbench.models.nn.losses import cross_entropy

    known = (
        nn.Conv2d, nn.Linear, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, nn.Dropout
    )  # fmt: skip
    config, (first, *layers) = classifier.config, classifier.network()
    return (
        config.optimizer in ("adam", "adamax")
        and config.loss is cross_entropy
        and type(first) is Pixels
        and first.shift == 0
        and all(type(layer) in known for layer in layers)
    )


# --------------------------------------------------------------------------------------- PyTorch


def best_torch_way(turn: Turn, task: Task, *, bfloat16: bool = False) -> None:
    """PyTorch with tensors in memory, channels last, a fused optimizer, and torch.compile.

    ``bfloat16``: the network computes in bfloat16 where PyTorch's autocast thinks it safe.
    """
    import torch

    torch.set_num_threads(task.threads)
    X_train, y_train, X_test, y_test = task.images()
    classifier = task.classifier()
    config = classifier.config
    full, order = start_training(classifier)
    pixels, network = full[0], full[1:].to(memory_format=torch.channels_last)
    X, y = pixels(torch.tensor(X_train)), torch.tensor(y_train, dtype=torch.long)
    kind, options = find_optimizer(config)
    # Adamax has no fused version; "foreach" is the next best.
    options["fused" if config.optimizer in ("adam", "sgd") else "foreach"] = True
    optimizer = kind(network.parameters(), **options)
    parameters = dict(network.named_parameters())
    compute: Any = network
    if task.compile:
        compute = torch.compile(network)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = compute(X[: config.batch_size])
        config.loss(parameters, logits.float(), y[: config.batch_size]).backward()
    within = task.batches_a_turn(config.batch_size)
    turn.ready()
    for _ in range(task.n_epochs):
        network.train()
        batches = torch.randperm(len(X), generator=order).split(config.batch_size)
        for i, batch in enumerate(batches, 1):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = compute(X[batch])
            config.loss(parameters, logits.float(), y[batch]).backward()
            optimizer.step()
            if i % within == 0 or i == len(batches):
                turn.done()
    network.eval()
    with torch.inference_mode():
        parts = pixels(torch.tensor(X_test)).split(N_PREDICTED)
        found = torch.cat([network(part).argmax(1) for part in parts])
    turn.result(float((found.numpy() == y_test).mean()))


# ------------------------------------------------------------------------------------------- JAX


def jax_way(turn: Turn, task: Task) -> None:
    """JAX: each step is one call of a compiled function.

    It is no compiled scan over the steps: inside a loop, XLA computes convolutions on a CPU many
    times more slowly (jax-ml/jax, issue 12868).
    """
    os.environ["XLA_FLAGS"] = SINGLE_THREAD
    import jax
    import jax.numpy as jnp

    X_train, y_train, X_test, y_test = task.images()
    classifier = task.classifier()
    network, order = start_training(classifier)
    layers = [_translate_to_jax(layer) for layer in network]
    weights = [jnp.array(p.detach().numpy()) for p in network.parameters()]
    step = _make_jax_step(
        layers, classifier.config, jnp.array(X_train), jnp.array(y_train, jnp.int32)
    )
    run = jax.jit(step)
    zeros = [jnp.zeros(w.shape) for w in weights]
    state = (weights, zeros, zeros, 0.0, jax.random.key(0))
    size = classifier.config.batch_size
    turn.ready()
    for _ in range(task.n_epochs):
        for part in _split_epoch(task, order, size):
            for i in range(0, len(part), size):  # the last batch of an epoch may be smaller
                state = run(state, part[i : i + size])
            jax.block_until_ready(state)
            turn.done()
    predict = jax.jit(lambda X: _compute_jax_logits(layers, state[0], X, None).argmax(1))
    starts = range(0, len(X_test), N_PREDICTED)
    found = np.concatenate([np.asarray(predict(X_test[i : i + N_PREDICTED])) for i in starts])
    turn.result(float((found == y_test).mean()))


def _split_epoch(task: Task, order: Any, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the numbers of the images of each turn of an epoch, in fmbench's order."""
    import torch

    images = torch.randperm(task.n_images, generator=order).numpy()
    within = task.batches_a_turn(batch_size) * batch_size
    for i in range(0, len(images), within):
        yield images[i : i + within]


JaxLayer = Callable[[Any, list[Any], Any], Any]  # of maps, the weights that are left, and a key


def _translate_to_jax(layer: Any) -> JaxLayer:
    """Return a function that computes a layer of PyTorch on maps ``(n, h, w, channels)``.

    It takes its weights from the front of a list. Without a key, dropout is off.
    """
    import jax
    import jax.numpy as jnp
    from torch import nn

    def convolve(X: Any, weights: list[Any], key: Any) -> Any:
        kernel, bias = weights.pop(0).transpose(2, 3, 1, 0), weights.pop(0)
        padding = [(int(layer.padding[0]),) * 2] * 2
        names = ("NHWC", "HWIO", "NHWC")
        return bias + jax.lax.conv_general_dilated(X, kernel, (1, 1), padding, (1, 1), None, names)

    def pool(X: Any, start: float, add: Any) -> Any:
        return jax.lax.reduce_window(X, start, add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def drop(X: Any, weights: list[Any], key: Any) -> Any:
        if key is None:
            return X
        return jnp.where(jax.random.bernoulli(key, 1 - layer.p, X.shape), X / (1 - layer.p), 0)

    known: dict[type, JaxLayer] = {
        nn.Conv2d: convolve,
        nn.Linear: lambda X, weights, key: X @ weights.pop(0).T + weights.pop(0),
        nn.ReLU: lambda X, weights, key: jax.nn.relu(X),
        nn.MaxPool2d: lambda X, weights, key: pool(X, -jnp.inf, jax.lax.max),
        nn.AvgPool2d: lambda X, weights, key: pool(X, 0.0, jax.lax.add) / 4,
        nn.Flatten: lambda X, weights, key: X.transpose(0, 3, 1, 2).reshape(len(X), -1),
        nn.Dropout: drop,
    }
    # What is left is the first layer, which scales the pixels.
    return known.get(type(layer), lambda X, weights, key: X[..., None].astype(jnp.float32) / 255)


def _compute_jax_logits(layers: list[JaxLayer], weights: list[Any], X: Any, key: Any) -> Any:
    """Compute the logits ``(n, 10)`` of images ``uint8 (n, 28, 28)``."""
    import jax

    left = list(weights)
    for i, layer in enumerate(layers):
        X = layer(X, left, None if key is None else jax.random.fold_in(key, i))
    return X


def _make_jax_step(layers: list[JaxLayer], config: Any, X: Any, y: Any) -> Callable[..., Any]:
    """Return the function of one training step: from a state and the images' numbers to a state.

    The state is the weights, two moving averages for each, the number of steps, and a key.
    """
    import jax
    import jax.numpy as jnp

    tree = jax.tree.map

    def compute_loss(weights: list[Any], batch: Any, key: Any) -> Any:
        logits = jax.nn.log_softmax(_compute_jax_logits(layers, weights, X[batch], key))
        return -jnp.take_along_axis(logits, y[batch][:, None], 1).mean()

    def step(state: Any, batch: Any) -> Any:
        weights, means, sizes, n, key = state
        key, own = jax.random.split(key)
        gradients = jax.grad(compute_loss)(weights, batch, own)
        n += 1
        means = tree(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, gradients)
        if config.optimizer == "adamax":
            sizes = tree(
                lambda u, g: jnp.maximum(BETA2 * u, jnp.abs(g) + config.epsilon), sizes, gradients
            )
            divisors = sizes
        else:
            sizes = tree(lambda u, g: BETA2 * u + (1 - BETA2) * g * g, sizes, gradients)
            divisors = tree(lambda u: jnp.sqrt(u / (1 - BETA2**n)) + config.epsilon, sizes)
        rate = config.learning_rate / (1 - BETA1**n)
        weights = tree(lambda w, m, d: w - rate * m / d, weights, means, divisors)
        return weights, means, sizes, n, key

    return step


# ----------------------------------------------------------------------------------------- Keras


def keras_way(turn: Turn, task: Task) -> None:
    """Keras 3 on the back end JAX: `fit` on the images of each turn."""
    os.environ["XLA_FLAGS"] = SINGLE_THREAD
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    X_train, y_train, X_test, y_test = task.images()
    classifier = task.classifier()
    config = classifier.config
    network, order = start_training(classifier)
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255)])
    weights: list[Any] = []
    for layer in network[1:]:
        for translated in _translate_to_keras(layer):
            model.add(translated)
        own = [p.detach().numpy() for p in layer.parameters()]
        if own:  # Keras has the outputs last
            weights += [own[0].transpose(2, 3, 1, 0) if own[0].ndim == 4 else own[0].T, own[1]]
    model.set_weights(weights)
    kind = {"adam": keras.optimizers.Adam, "adamax": keras.optimizers.Adamax}[config.optimizer]
    model.compile(
        kind(config.learning_rate, epsilon=config.epsilon),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images, size = X_train[..., None], config.batch_size
    turn.ready()
    for _ in range(task.n_epochs):
        for part in _split_epoch(task, order, size):
            model.fit(images[part], y_train[part], batch_size=size, shuffle=False, verbose=0)
            turn.done()
    found = model.predict(X_test[..., None], batch_size=N_PREDICTED, verbose=0).argmax(1)
    turn.result(float((found == y_test).mean()))


def _translate_to_keras(layer: Any) -> list[Any]:
    """Return the layers of Keras that compute a layer of PyTorch."""
    from keras import layers
    from torch import nn

    if isinstance(layer, nn.Conv2d):
        padding = "same" if layer.padding[0] else "valid"
        return [layers.Conv2D(layer.out_channels, layer.kernel_size, padding=padding)]
    if isinstance(layer, nn.Linear):
        return [layers.Dense(layer.out_features)]
    if isinstance(layer, nn.Dropout):
        return [layers.Dropout(layer.p)]
    if isinstance(layer, nn.Flatten):  # in PyTorch's order, which the dense weights expect
        return [layers.Permute((3, 1, 2)), layers.Flatten()]
    if isinstance(layer, nn.MaxPool2d):
        return [layers.MaxPooling2D(2)]
    if isinstance(layer, nn.AvgPool2d):
        return [layers.AveragePooling2D(2)]
    return [layers.ReLU()]
