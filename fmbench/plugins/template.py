"""A model of your own for fmbench. Change what you like; comments explain every part.

fmbench run ./FILE:make_model --quick            a first result, in a minute
fmbench check-runner ./FILE:make_model           checks that the model keeps fmbench's rules
fmbench run ./FILE:make_model -p max_depth=20    all images, five seeds, with another value
fmbench run random-forest                        all images: the model to compare with
fmbench compare ./FILE:make_model random-forest  is it better? (when both are measured)
"""

from fmbench import standardised


def make_model(*, n_estimators=50, max_depth=15, seed):
    """Return a new, unfitted classifier. fmbench calls this function once for each seed.

    Arguments with a default are the hyperparameters. `-p name=value` sets them, the table shows
    them, and every result stores their values.

    An argument called `seed` tells fmbench that the result depends on chance. Use it for
    everything that is random; fmbench then runs five seeds. Without it, fmbench runs the model
    once. An argument called `device` gets "cpu" or "cuda".

    The classifier has scikit-learn's two methods. `fit(X, y)` gets the training images, X as
    uint8 (n, 28, 28) and y as uint8 (n,), and returns the classifier. `predict(X)` returns one
    class, 0 to 9, for each image. It never sees the labels of the test images.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(n_estimators=n_estimators, max_depth=max_depth, random_state=seed)
    # Turns images into 784 features, each with mean 0 and variance 1 over the training images.
    return standardised(forest)


def make_network(*, width=32):
    """Return a network. fmbench trains it (-p epochs=5 -p learning_rate=0.01 and so on).

    The network gets float32 (n, 1, 28, 28) in [0, 1] and returns logits (n, 10). The function
    needs no seed: fmbench seeds the weights. Run it as ./FILE:make_network.
    """
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(width * 13 * 13, 10),
    )


# If a paper states a value, say so: decorate the function with `@register` and give each
# hyperparameter its origin ("Add a runner" in fmbench's CONTRIBUTING.md says how). `fmbench show`
# prints it.
