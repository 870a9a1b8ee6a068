"""EDEN, an evolutionary search for a network, with a small and with a large budget."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench.models.registry import Hyperparameter, from_source, our_choice, register

EDEN = "Dufourq & Bassett 2017 (arXiv 1709.09161)"
NOT_KNOWN = "we do not know EDEN's value"
FITS = "our budget, meant to end within 30 minutes on one thread of a CPU"
AT_LEAST = f"{NOT_KNOWN}: for GPUs and a search of many hours, as EDEN's was"
SIZES = f"{NOT_KNOWN}: common sizes"
NOTES = (
    "From EDEN: the two genes (a learning rate, and a network of convolutions, max pooling, dense "
    "layers and dropout) and the fitness (accuracy on held-out training images). Our choice: "
    "chromosomes change only by mutation (another learning rate, one layer more, one layer less, "
    "or another property of one layer), parents compete with children, and the winner is trained "
    "on all images.",
    "The network that EDEN evolved for Fashion-MNIST is not published, and we have seen the "
    "claimed 90.60 only as another paper quotes it. So this runner repeats the search, not its "
    "result.",
    "An interrupted search continues where it stopped. The record's `details` hold the winner and "
    "the fitness of each generation.",
)


def _make_hyperparameters(budget: Mapping[str, Hyperparameter]) -> dict[str, Hyperparameter]:
    return {
        "generations": from_source(10, EDEN),
        "last_epochs": from_source(13, f"{EDEN}: the epochs of an evaluation grow up to 13"),
        "first_epochs": our_choice(4, f"{NOT_KNOWN}: one more in each generation ends at 13"),
        **budget,
        "final_epochs": our_choice(13, f"{NOT_KNOWN}: as many as in the last generation"),
        "batch_size": our_choice(64, f"{NOT_KNOWN}: a common size"),
        "optimizer": our_choice("adam", f"{NOT_KNOWN}: a good learning rate is easy to find"),
        "scaling": our_choice("unit", f"{NOT_KNOWN}: pixels in [0, 1]"),
        "learning_rate": our_choice(
            [1e-4, 1e-2], f"{NOT_KNOWN}: from a tenth to ten times Adam's 0.001"
        ),
        "filters": our_choice([8, 16, 32, 64], SIZES),
        "kernel": our_choice([3, 5], SIZES),
        "units": our_choice([32, 64, 128, 256, 512], SIZES),
        "activation": our_choice(["relu", "elu", "tanh", "sigmoid"], f"{NOT_KNOWN}: common ones"),
        "rate": our_choice([0.1, 0.2, 0.3, 0.4, 0.5], f"{NOT_KNOWN}: dropout up to one half"),
        "max_layers": our_choice(10, f"{NOT_KNOWN}: keeps networks readable"),
    }


QUICK = {
    "population": 4,
    "generations": 2,
    "first_epochs": 1,
    "last_epochs": 2,
    "train_images": 1000,
    "validation_images": 500,
    "final_epochs": 3,
    "max_work": 2_000_000,
}


@register(
    "eden",
    title="Evolutionary search for a network (EDEN), our budget",
    aliases=("EDEN", "Evolutionary deep learning"),
    hyperparameters=_make_hyperparameters(
        {
            "population": our_choice(10, FITS),
            "train_images": our_choice(4000, f"{FITS}: images that each network is trained on"),
            "validation_images": our_choice(5000, f"{FITS}: images that fitness is measured on"),
            "max_work": our_choice(
                5_000_000, f"{FITS}: multiply-adds for one image, or other work that takes as long"
            ),
        }
    ),
    revision=1,
    cost="hours",
    quick=QUICK,
    scores="predict_proba",
    notes=(
        "Budget: 10 networks in each of 10 generations, each trained on 4,000 images for 4 to 13 "
        "epochs, one more each generation. `fmbench run eden-full` has a budget nearer to the "
        "source's.",
        *NOTES,
    ),
)
@register(
    "eden-full",
    title="Evolutionary search for a network (EDEN), a budget nearer to the source's",
    hyperparameters=_make_hyperparameters(
        {
            "population": our_choice(100, AT_LEAST),
            "train_images": our_choice(50_000, f"{NOT_KNOWN}: all but the validation images"),
            "validation_images": our_choice(10_000, f"{NOT_KNOWN}: as many as test images"),
            "max_work": our_choice(50_000_000, AT_LEAST),
        }
    ),
    revision=1,
    cost="hours",
    quick=QUICK,
    scores="predict_proba",
    by_name_only=True,
    notes=(
        "Budget: 100 networks in each of 10 generations, each trained on 50,000 images for 4 to 13 "
        "epochs, one more each generation. It takes hours on a GPU, so it runs only if you name "
        "it. If `--timeout` ends it, the next run continues from there.",
        *NOTES,
    ),
)
def eden(
    *,
    population: int,
    generations: int,
    first_epochs: int,
    last_epochs: int,
    train_images: int,
    validation_images: int,
    final_epochs: int,
    batch_size: int,
    optimizer: str,
    scaling: str,
    learning_rate: list[float],
    filters: list[int],
    kernel: list[int],
    units: list[int],
    activation: list[str],
    rate: list[float],
    max_layers: int,
    max_work: int,
    seed: int,
    device: str,
    workspace: Path | None,
) -> Any:
    """An evolutionary search for a network: row 3 in Table 3 of Kayed et al. 2020."""
    from fmbench.models.evolution.chromosome import SearchSpace
    from fmbench.models.evolution.classifier import EvolvedClassifier, TrainingSettings
    from fmbench.models.evolution.search import SearchBudget

    low, high = learning_rate
    space = SearchSpace(
        tuple(filters), tuple(kernel), tuple(units), tuple(activation), tuple(rate), (low, high),
        max_layers, max_work,
    )  # fmt: skip
    budget = SearchBudget(
        population, generations, first_epochs, last_epochs, train_images, validation_images
    )
    training = TrainingSettings(final_epochs, batch_size, optimizer, scaling)
    return EvolvedClassifier(space, budget, training, seed=seed, device=device, workspace=workspace)
