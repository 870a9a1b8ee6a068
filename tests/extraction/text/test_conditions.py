"""Shares of something else are no accuracies, and neither are figures of a changed task."""

from __future__ import annotations

import pytest

from fmbench.extraction.text.conditions import find_condition_of_head, find_condition_of_table
from fmbench.extraction.text.read import find_sentences, read_words


def read_both(text: str) -> list[tuple[list[tuple[str, str]], tuple[str, ...]]]:
    """The models and figures of a sentence, with the notes: in running text and as a line."""
    claims, notes = find_sentences(text, "x")
    line = read_words([text], "claims.txt")
    return [
        ([(claim.label, claim.figure.value) for claim in found], tuple(remarks))
        for found, remarks in ((claims, notes), (line.claims, line.notes))
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("With label noise of 40% LeNet-5 still reaches 82.3%.", "wrong labels"),
        ("With label noise of 40%, LeNet-5 still reaches 82.3%.", "wrong labels"),
        ("LeNet-5 still reaches 82.3% accuracy with 40% noisy labels.", "wrong labels"),
        ("LeNet-5 trained with 10% of the labels reaches 82.3%.", "fewer images or labels"),
        ("LeNet-5 reaches 82.3% accuracy for 3000 labels.", "fewer images or labels"),
        ("With 10 % of the training images, LeNet-5 reaches 82.3% accuracy.", "fewer images"),
        ("Using only 100 labelled images per class, LeNet-5 reaches 82.3%.", "fewer images"),
        ("LeNet-5 reaches 82.3%, trained on half of the training data.", "fewer images or labels"),
        ("In a few-shot setting LeNet-5 reaches 82.3% accuracy.", "fewer images or labels"),
        ("After quantization to 4 bits LeNet-5 reaches 82.3%.", "pruned or quantised"),
        ("After pruning 80 % of the weights, LeNet-5 has an accuracy of 82.3%.", "pruned"),
        ("At a sparsity of 90 % the accuracy of LeNet-5 is 82.3%.", "pruned or quantised"),
        ("With 30 % occlusion, LeNet-5 reaches 82.3% accuracy.", "changed images"),
        ("LeNet-5 reaches 82.3% accuracy on rotated test images.", "changed images"),
        ("LeNet-5 reaches 82.3% accuracy if 25 % of the pixels are masked.", "changed images"),
        ("LeNet-5 has a robust accuracy of 82.3%.", "changed images"),
        ("LeNet-5 has a robust mean accuracy of 82.3%.", "changed images"),
        ("Under concept drift, LeNet-5 reaches 82.3% accuracy.", "changed images"),
        ("FedAvg forgets, with an accuracy of 82.3%.", "spread over clients"),
        ("On a binary task LeNet-5 reaches 99.1% accuracy.", "some of the ten classes"),
        ("LeNet-5 tells class 3 vs. 6 apart with 99.1% accuracy.", "some of the ten classes"),
        ("With only three classes LeNet-5 reaches 99.1%.", "some of the ten classes"),
        ("LeNet-5 reaches 99.1% accuracy on the super-classes.", "some of the ten classes"),
        ("In the 5-way setting LeNet-5 reaches 62.3% accuracy.", "fewer images or labels"),
        ("With 1000 labels LeNet-5 has an accuracy of 82.3%.", "fewer images or labels"),
        ("LeNet-5 trained on the same 100 labels reaches 72.3%.", "fewer images or labels"),
        ("In the class-incremental setting LeNet-5 reaches 82.3%.", "fewer images or labels"),
        ("LeNet-5 trained with only pre-labeled data has 62.3% accuracy.", "fewer images"),
        ("On the unlabelled test set LeNet-5 reaches 82.3% accuracy.", "a part of the test images"),
        ("With federated training LeNet-5 reaches 82.3%.", "spread over clients"),
        ("LeNet-5 trained with DP-SGD reaches 82.3% accuracy.", "spread over clients or private"),
        ("Trained on generated images, LeNet-5 reaches 82.3%.", "training with other images"),
        ("An SVM on CNN features reaches 92.3% accuracy.", "features of another model"),
        ("The clustering accuracy of the CNN is 67.2%.", "clustering"),
        ("With ternary weights LeNet-5 reaches 89.7%.", "pruned or quantised"),
        ("We train on MNIST and evaluate on Fashion-MNIST; LeNet-5 reaches 10.9% accuracy.",
         "trained on another data set"),
    ],
)  # fmt: skip
def test_a_figure_of_changed_images_training_or_networks_is_noted(text: str, reason: str) -> None:
    for claims, notes in read_both(text):
        assert claims == []
        assert any(reason in note for note in notes)


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 reaches 90.6 % accuracy without label noise.",
        "LeNet-5 is robust to label noise and has an accuracy of 90.6 %.",
        "LeNet-5 reaches 90.6 % accuracy, but pruning hurts.",
        "Before pruning, LeNet-5 reaches 90.6 % accuracy.",
        "LeNet-5 reaches 90.6 % accuracy and, with 40 % label noise, 82.3 %.",
        "LeNet-5 reaches 90.6 % accuracy, and 82.3 % with 40 % of the labels.",
        "LeNet-5 is trained on 6,000 training images per class and reaches 90.6 % accuracy.",
        "Trained on 80 % of the data and tested on 20 %, LeNet-5 has an accuracy of 90.6 %.",
        "We use a dropout rate of 50 %, and LeNet-5 reaches 90.6 % accuracy.",
        "With all 60,000 labels LeNet-5 reaches 90.6 % accuracy.",
        "LeNet-5 reaches 90.6 % accuracy on all ten classes.",
        "LeNet-5 reaches 90.6 % accuracy, and 99.1 % if only two classes are kept.",
        "LeNet-5 reaches 90.6 % accuracy with images of a generative adversarial network added.",
        "We train on MNIST and Fashion-MNIST and test LeNet-5; on Fashion-MNIST it has 90.6 %"
        " accuracy.",
    ],
)
def test_a_figure_beside_a_condition_that_is_not_its_own_is_taken(text: str) -> None:
    claims, _ = find_sentences(text, "x")
    assert [(claim.label, claim.figure.value) for claim in claims] == [("LeNet-5", "90.6%")]


def test_pruning_belongs_to_a_decision_tree() -> None:
    claims, _ = find_sentences("The decision tree with pruning has 80.1 % accuracy.", "x")
    assert [claim.figure.value for claim in claims] == ["80.1%"]


def test_a_label_that_names_a_condition_is_left_to_the_question_which_model_it_is() -> None:
    lines = ["LeNet-5 with label noise: 82.3 %", "Pruned LeNet-5: 89.1 %", "LeNet-5 (PGD): 40 %"]
    claims = read_words(lines, "claims.txt").claims
    assert [claim.label for claim in claims] == [
        "LeNet-5 with label noise", "Pruned LeNet-5", "LeNet-5 (PGD)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 has 90.6 % accuracy; we use a noise rate of 40 %.",
        "LeNet-5 has 90.6 % accuracy; the sparsity is high, at 90 % sparse weights.",
        "LeNet-5 has 90.6 % accuracy; we tried 25 % missing pixels.",
        "LeNet-5 has 90.6 % accuracy; we tried pruning 80 % of the weights.",
        "LeNet-5 has 90.6 % accuracy; we tried 30 % symmetric label noise.",
    ],
)
def test_a_share_of_noise_or_weights_is_no_accuracy(text: str) -> None:
    claims, _ = find_sentences(text, "x")
    assert [claim.figure.value for claim in claims] == ["90.6%"]


def test_a_sentence_that_keeps_some_classes_holds_for_the_sentences_behind_it() -> None:
    text = (
        "We restrict Fashion-MNIST to the two classes trouser and bag. LeNet-5 reaches 99.1 %"
        " accuracy. On all of Fashion-MNIST its accuracy is 90.6 %."
    )
    claims, notes = find_sentences(text, "x")
    assert [claim.figure.value for claim in claims] == ["90.6%"]
    assert any("some of the ten classes" in note for note in notes)
    lines = read_words(text.replace(". ", ".\n").split("\n"), "claims.txt").claims
    assert [claim.figure.value for claim in lines] == ["90.6%"]


def test_a_restriction_holds_for_the_rest_of_its_sentence() -> None:
    text = "Our QNN has 98.7 % accuracy on this binary task; LeNet-5 has 99.1 %, the SVM 98.2 %."
    assert [claims for claims, _ in read_both(text)] == [[], []]


def test_of_accuracies_after_more_and_more_epochs_the_last_one_counts() -> None:
    text = "LeNet-5 reaches 80 % after the first epoch, 88.5 % after 5 epochs and 90.7 % after"
    for claims, notes in read_both(text + " 20 epochs."):
        assert claims == [("LeNet-5", "90.7%")]
        assert any("fewer epochs" in note for note in notes)


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("Test accuracy with 40\\% symmetric label noise.", "wrong labels"),
        ("Accuracy under different noise types and rates.", "wrong labels"),
        ("Robust accuracy against attacks with eps = 0.1.", "changed images"),
        ("Binary classification (class 3 vs. class 6).", "some of the ten classes"),
        ("Test accuracy of FedAvg after 200 communication rounds.", "clients"),
        ("Pruning LeNet-5 on FashionMNIST", "pruned or quantised"),
        ("A linear SVM on frozen features", "features of another model"),
        ("Comparison with compressed baselines", ""),
        ("Accuracy on clean images and under attack", ""),
        ("Accuracy with and without label noise", ""),
        ("Accuracy before and after pruning", ""),
        ("Decision trees with pruning", ""),
        ("Training images are augmented with Gaussian noise.", ""),
        ("Test accuracy on Fashion-MNIST, mean of 5 runs.", ""),
    ],
)
def test_a_caption_says_what_is_changed_for_a_whole_table(caption: str, reason: str) -> None:
    found = find_condition_of_table(caption)
    assert reason in found
    assert bool(reason) == bool(found)


@pytest.mark.parametrize(
    ("head", "is_changed"),
    [
        ("PGD-40 acc.", True), ("Robust accuracy", True), ("Accuracy (8 bit)", True),
        ("Acc. at 20% noise", True), ("Sym-50% accuracy", True), ("Coarse accuracy", True),
        ("5-shot accuracy", True), ("Clean acc.", False), ("Test accuracy (%)", False),
        ("Fine (10 classes) accuracy", False), ("Accuracy without noise", False),
    ],
)  # fmt: skip
def test_a_head_says_what_is_changed_for_its_column(head: str, is_changed: bool) -> None:
    assert bool(find_condition_of_head(head)) == is_changed


def test_a_difference_may_have_a_sign_and_a_metric_in_brackets_is_of_what_stands_there() -> None:
    text = (
        "Tests show that SBQE has 89.1% +- 0.9% test accuracy on Semeion (reducing the error by"
        " 5.3% against a network), 80.9% +- 0.1% on Fashion-MNIST (exceeding amplitude encoding by"
        " +2.0% and a linear perceptron by +1.3%), and 90.2% on MNIST."
    )
    claims, notes = find_sentences(text, "x")
    assert [(c.figure.value, c.figure.is_error_rate) for c in claims] == [("80.9%", False)]
    assert sum("a difference" in note for note in notes) == 3


def test_a_number_of_layers_and_a_figure_of_the_validation_are_no_claims() -> None:
    lines = ["CNN: 3 conv layers, 2 FC layers", "VGG reaches 95%+ validation with 3 epochs"]
    found = read_words(lines, "claims.txt")
    assert not found.claims
    assert any("training or validation images" in note for note in found.notes)


@pytest.mark.parametrize(
    "text",
    [
        "Averaged over ten data sets, LeNet-5 reaches an accuracy of 84.1%.",
        "The mean accuracy of LeNet-5 across all benchmarks is 84.1 %.",
        "LeNet-5 was trained with 90% of the training images and validated with the remaining 10%.",
    ],
)
def test_means_over_data_sets_and_the_rest_of_the_images_are_no_claims(text: str) -> None:
    for claims, _ in read_both(text):
        assert claims == []


@pytest.mark.parametrize(
    "text",
    [
        "This approach of clustering is strong, achieving an accuracy of almost 89.9%.",
        "3.6 Clustering\nThe accuracies were worse, with an average of 60% accuracy.\n",
    ],
)
def test_figures_of_clusters_are_not_those_of_a_classifier(text: str) -> None:
    claims, notes = find_sentences(text, "x")
    assert not claims
    assert "of clustering" in notes[0]


def test_a_heading_of_clustering_ends_at_the_next_heading() -> None:
    text = "3.6 Clustering\nIt groups images.\n\n3.7 Trees\nThe decision tree has 79% accuracy.\n"
    assert [c.figure.value for c in find_sentences(text, "x")[0]] == ["79%"]


def test_a_mean_over_data_sets_is_of_none_of_them() -> None:
    claims, notes = find_sentences("Over four sets, LeNet-5 has a mean accuracy of 82.3%.", "x")
    assert claims == []
    assert any("several data sets together" in note for note in notes)


def test_a_log_that_tests_on_a_few_images_gives_no_accuracy() -> None:
    text = (
        "A run\nTraining on 20 images...\nTesting on 20 images...\nTotal accuracy = 0.65\n"
        "Training on 1000 images...\nTesting on 10000 images...\nTotal accuracy = 0.7135\n"
    )
    found = read_words(text.split("\n"), "notes.txt")
    assert [claim.figure.printed for claim in found.claims] == ["0.7135"]
    assert any("of 20 test images" in note for note in found.notes)


def test_an_attack_with_its_strength_is_of_changed_images() -> None:
    lines = [
        "Epsilon: 0 Test Accuracy = 8802 / 10000 = 0.8802",
        "Epsilon: 0.05 Test Accuracy = 3769 / 10000 = 0.3769",
    ]
    found = read_words(lines, "log.txt")
    assert [claim.figure.printed for claim in found.claims] == ["8802 / 10000"]
    assert find_sentences("Adam with epsilon = 0.001: accuracy 90.6 % for LeNet-5.", "x")[0] != []
    assert find_sentences("The robust test error of the CNN is 10.9%.", "x")[0] == []


def test_figures_of_listed_classes_are_of_some_of_the_ten() -> None:
    text = "The CNN has an accuracy of 66.2% on the set of classes 0,4,5,6,7 of Fashion-MNIST."
    assert find_sentences(text, "x")[0] == []
    confused = "The CNN has an accuracy of 91.2% and confuses classes 0, 2 and 6."
    assert len(find_sentences(confused, "x")[0]) == 1


def test_epochs_for_the_training_do_not_make_a_figure_one_of_training() -> None:
    text = "With 20 epochs for the training, we obtained an accuracy of 0.9104 with the CNN."
    assert [claim.figure.printed for claim in find_sentences(text, "x")[0]] == ["0.9104"]
    text = "The CNN overfits, with accuracies on the training data of around 95%."
    assert find_sentences(text, "x")[0] == []


def test_a_rate_of_novelty_detection_beside_accuracies_is_no_clustering() -> None:
    caption = "Classification accuracy (%) and the novelty detection rate of all methods."
    assert find_condition_of_table(caption) == ""
    assert find_condition_of_table("Accuracy (%) of novelty detection.") != ""
