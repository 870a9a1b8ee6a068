"""A model of your own for fmbench. Change what you like; every part is explained beside it.

fmbench run ./FILE:make_model --quick            a first look, in a minute
fmbench check-runner ./FILE:make_model           does it keep the rules? In words
fmbench run ./FILE:make_model -p max_depth=20    all images, five seeds, with another value
fmbench compare ./FILE:make_model random-forest  is it better than a row of the paper?
"""

from fmbench.models.features import standardised


def make_model(*, n_estimators=50, max_depth=15, seed):
    """Give a fresh, unfitted classifier. fmbench calls this once for each seed.

    Arguments with a default are the hyperparameters: `-p name=value` sets them, the table names
    them, and their values are kept with every result. An argument called `seed` says that chance
    plays a part: use it for all that is random, and fmbench runs five seeds. Without it, one run
    says all. One called `device` is "cpu" or "cuda".

    What is returned has scikit-learn's two methods. `fit(X, y)` gets the training images, X as
    uint8 (n, 28, 28) and y as uint8 (n,), and returns the classifier; `predict(X)` returns one
    class, 0 to 9, for each image. It never sees the labels of the test images.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(n_estimators=n_estimators, max_depth=max_depth, random_state=seed)
    # Images to 784 features, each with mean 0 and variance 1 over the training images.
    return standardised(forest)


def make_network(*, width=32):
    """Give a network instead: fmbench trains it (-p epochs=5 -p learning_rate=0.01 and so on).

    It gets float32 (n, 1, 28, 28) in [0, 1] and returns logits (n, 10). It needs no seed: fmbench
    seeds its weights. Run it as ./FILE:make_network.
    """
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(width * 13 * 13, 10),
    )


# Where a paper states a value, say so: decorate the function with `@register` and give each
# hyperparameter its origin (fmbench's README, "Adding a runner"); `fmbench show` prints them.
