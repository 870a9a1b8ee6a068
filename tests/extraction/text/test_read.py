"""Claims in words and sentences are found, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.errors import UserError
from fmbench.extraction.found import FoundClaim
from fmbench.extraction.read import read_input
from fmbench.extraction.text.read import (
    MAX_FIGURES,
    MAX_LINES,
    MAX_NOTES,
    find_sentences,
    read_words,
)

THE_COMMAND_LINE = "the command line"
LABELS = [  # of Table 3 of Kayed et al. 2020, and names with digits
    "Three-layer Neural Network", "Support Vector Classifier with rbf kernel",
    "Evolutionary Deep Learning Framework", "CNN using SVM activation function",
    "CNN with Batch Normalization and Residual skip", "Decision Tree Classifier", "GaussianNB",
    "KNeighborsClassifier", "SGDClassifier", "CNN-LeNet-5", "Multilayer perceptron", "ResNet-18",
    "VGG16 + BN", "k-NN (k=5)", "SVM C=10", "WRN-28-10", "EfficientNet-B0", "784-128-10 MLP",
]  # fmt: skip


def read(*texts: str) -> tuple[list[FoundClaim], list[str]]:
    """Read the arguments of a command: the claims and the notes."""
    extraction = read_words(texts, THE_COMMAND_LINE)
    return list(extraction.claims), list(extraction.notes)


def show(claims: list[FoundClaim]) -> list[tuple[str, str, str]]:
    """Label, metric and value of each claim."""
    return [(claim.label, claim.metric, claim.figure.value) for claim in claims]


# ---- one line ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("LeNet-5 98.80 %", "LeNet-5", "98.80%"), ("LeNet-5 98.80", "LeNet-5", "98.80"),
        ("ViT 94.1", "ViT", "94.1"), ("ResNet 0.941", "ResNet", "0.941"),
        ("LeNet-5: 98.80 %", "LeNet-5", "98.80%"), ("LeNet-5 = 98.8", "LeNet-5", "98.8"),
        ("LeNet-5 - 98.80", "LeNet-5", "98.80"), ("LeNet-5 (98.80 %)", "LeNet-5", "98.80%"),
        ("LeNet-5\t98,80", "LeNet-5", "98.80"), ("LeNet-5 | 98.80", "LeNet-5", "98.80"),
        ("| LeNet-5 | 98.80 |", "LeNet-5", "98.80"), ("- LeNet-5: 98.80", "LeNet-5", "98.80"),
        ("1. LeNet-5: 98.80", "LeNet-5", "98.80"), ("LeNet\u20115 98.80 %", "LeNet-5", "98.80%"),
        ("LeNet-5 achieves an accuracy of 98.80 %", "LeNet-5", "98.80%"),
        ("98.80 % accuracy with LeNet-5", "LeNet-5", "98.80%"),
        ("On Fashion-MNIST, LeNet-5 reaches 98.80 %", "LeNet-5", "98.80%"),
        ("LeNet-5 test accuracy: 0.988", "LeNet-5", "0.988"),
        ("LeNet-5 error rate of 1.2 %", "LeNet-5", "98.8%"), ("SVC 89.7", "SVC", "89.7"),
        ("ResNet-18 93.1", "ResNet-18", "93.1"), ("ResNet18 0.9496", "ResNet18", "0.9496"),
        ("VGG16 + BN: 94.2", "VGG16 + BN", "94.2"), ("WRN-28-10 95.9", "WRN-28-10", "95.9"),
        ("k-NN k=5 85.4", "k-NN k=5", "85.4"), ("5-NN 85.4", "5-NN", "85.4"),
        ("SVM (C=10) 89.7", "SVM (C=10)", "89.7"), ("SVC: 90", "SVC", "90"),
        ("SVC accuracy 90", "SVC", "90"), ("SVC 90 %", "SVC", "90%"),
        ("2 Conv+pooling 0.916", "2 Conv+pooling", "0.916"),
        ("3-layer MLP 88.1 %", "3-layer MLP", "88.1%"), ("98.80 %", "", "98.80%"),
        ("CNN 91.6 %, 10 epochs", "CNN", "91.6%"), ("our model: 96.69 %", "", "96.69%"),
        ("Bag of words SVM 80 %", "Bag of words SVM", "80%"),
        ("CNN with Batch Normalization and Residual skip 92.54%",
         "CNN with Batch Normalization and Residual skip", "92.54%"),
    ],
)  # fmt: skip
def test_a_line_gives_its_label_and_figure(text: str, label: str, value: str) -> None:
    claims, notes = read(text)
    assert show(claims) == [(label, "accuracy", value)]
    assert claims[0].where == "argument 1"
    assert not notes


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("LeNet-5: kappa = 0.75", ("LeNet-5", "kappa", "0.75")),
        ("LeNet-5 F1 macro 0.91", ("LeNet-5", "f1", "0.91")),
        ("LeNet-5 MSE: 1.32", ("LeNet-5", "mse", "1.32")),
        ("SVC balanced accuracy 89.7 %", ("SVC", "balanced accuracy", "89.7%")),
        ("LeNet-5 Shirt recall 0.74", ("LeNet-5", "recall", "0.74")),
        ("Shirt: 76 %", ("", "recall", "76%")),
        ("114 shirts taken for T-shirts", ("", "cell", "114")),
    ],
)  # fmt: skip
def test_a_line_names_other_metrics(text: str, claim: tuple[str, str, str]) -> None:
    assert show(read(text)[0]) == [claim]


def test_a_class_and_a_cell_get_their_numbers() -> None:
    (recall, cell), _ = read("LeNet-5 Shirt recall 0.74", "114 shirts taken for T-shirts")
    assert recall.class_ == 6
    assert (cell.class_, cell.predicted_as) == (6, 0)
    (accuracy,), _ = read("The accuracy for the class Shirt is 76 %")
    assert (accuracy.metric, accuracy.class_) == ("recall", 6)
    assert "recall of the class" in accuracy.remark


def test_counts_bounds_and_spreads_are_kept() -> None:
    (counts, bound, spread), _ = read("SVC 58591/60000", "LeNet-5 >98", "CNN 92.16 \u00b1 0.21 %")
    assert (counts.figure.value, counts.figure.out_of) == ("58591", 60_000)
    assert bound.figure.bound == "at least"
    assert (spread.figure.value, spread.figure.sd) == ("92.16%", "0.21%")
    assert spread.figure.printed == "92.16 \u00b1 0.21 %"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CNN 92.1 % averaged over 10 runs", (10, 1, 1)),
        ("CNN 92.1 (mean of ten runs)", (10, 1, 1)),
        ("CNN 92.1 \u00b1 0.2 (10 runs)", (10, 1, 1)), ("CNN 92.1 \u00b1 0.2, n=5", (5, 1, 1)),
        ("CNN 93 % best of 5 runs", (1, 5, 1)), ("CNN 93 % (best of three seeds)", (1, 3, 1)),
        ("CNN 5-fold cross-validation 91.2 %", (1, 1, 5)), ("CNN 91.2 % (10-fold CV)", (1, 1, 10)),
        ("CNN trained for 10 epochs: 91.2 %", (1, 1, 1)), ("CNN 91.2 % (10 runs)", (1, 1, 1)),
        ("CNN reaches a mean accuracy of 91.2 % over ten runs", (10, 1, 1)),
        ("The best accuracy of CNN is 91.2 % over ten runs", (1, 10, 1)),
        ("The mean test accuracy of CNN was 89.70 % across 5 seeds", (5, 1, 1)),
        ("The average 10-fold accuracy of CNN was 89.70 % across 10 folds", (1, 1, 10)),
        ("Our CNN has a maximum accuracy of 92.5 % out of 20 runs", (1, 20, 1)),
        ("CNN 91.2 %, a ten-fold speed-up", (1, 1, 1)),
    ],
)  # fmt: skip
def test_the_number_of_runs_and_folds_is_read(text: str, kind: tuple[int, int, int]) -> None:
    (claim,), _ = read(text)
    assert (claim.mean_of, claim.best_of, claim.folds) == kind
    assert claim.label in ("CNN", "CNN trained for 10 epochs")


def test_several_figures_of_one_line_are_told_apart() -> None:
    claims, _ = read("LeNet-5 98.80 %, SVC 89.7 %", "SVC: accuracy 89.7 %, kappa 0.885")
    assert show(claims) == [
        ("LeNet-5", "accuracy", "98.80%"), ("SVC", "accuracy", "89.7%"),
        ("SVC", "accuracy", "89.7%"), ("SVC", "kappa", "0.885"),
    ]  # fmt: skip


def test_the_complement_in_brackets_is_noted() -> None:
    claims, notes = read("XGBoost: 0.898 (error 0.102)")
    assert show(claims) == [("XGBoost", "accuracy", "0.898")]
    assert "a second figure" in notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("LeNet-5 on MNIST 99.1 %", "of MNIST"), ("LeNet-5 CIFAR-10 67 %", "of CIFAR-10"),
        ("LeNet-5 training accuracy 99 %", "training or validation"),
        ("LeNet-5 val_accuracy 0.93", "training or validation"),
        ("LeNet-5 top-5 accuracy 99.9 %", "not judged"),
        ("LeNet-5 precision 0.91", "without its class or average"),
        ("ResNet 18", "no figure is clear"), ("SVC 90", "no figure is clear"),
        ("SVC 89.7 89.9", "several figures"), ("hello", "no figure in"),
        ("CNN improves accuracy by 2.1 %", "difference"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_noted_with_the_reason(text: str, reason: str) -> None:
    claims, notes = read(text)
    assert not claims
    assert len(notes) == 1
    assert reason in notes[0]


def test_a_figure_out_of_range_is_refused_by_its_place() -> None:
    with pytest.raises(UserError, match=r"argument 2: accuracy 189\.7% is outside"):
        read("LeNet-5 98.80 %", "SVC 189.7 %")


def test_a_line_of_a_file_that_is_no_accuracy_stops_no_other_line() -> None:
    lines = ["LeNet-5: 90.4", "Parameters: 61706", "SVC: 101.2 %", "CNN: 61706", "kNN: 85.4"]
    extraction = read_words(lines, "claims.txt")
    assert show(list(extraction.claims)) == [
        ("LeNet-5", "accuracy", "90.4"), ("kNN", "accuracy", "85.4"),
    ]  # fmt: skip
    assert [note.partition(":")[0] for note in extraction.notes] == ["line 2", "line 3", "line 4"]
    assert extraction.notes[1] == "line 3: not taken: accuracy 101.2% is outside [0, 1]"


@pytest.mark.parametrize(
    "line",
    [
        "313/313 - 1s - loss: 0.2831 - accuracy: 0.9061",
        "157/157 - 0s - 2ms/step - accuracy: 0.9061 - loss: 0.2831",
        "10000/10000 - 1s 95us/sample - loss: 0.2831 - acc: 0.9061",
        "Step 100 | loss 0.28 | test acc 0.9061", "Epoch 10: loss 0.28, test acc 0.9061",
    ],
)  # fmt: skip
def test_a_line_of_a_log_names_no_model(line: str) -> None:
    (claim,) = read_words([line], "log.txt").claims
    assert (claim.label, claim.figure.value) == ("", "0.9061")


@pytest.mark.parametrize("batches", [1875, 938, 469, 60_000])
def test_a_line_of_a_log_that_counts_the_training_images_is_not_taken(batches: int) -> None:
    claims, notes = read(f"{batches}/{batches} - 5s - loss: 0.17 - accuracy: 0.9391")
    assert not claims
    assert "of training or validation images" in notes[0]


def test_a_loss_beside_an_accuracy_is_no_part_of_the_label() -> None:
    claims, _ = read("LeNet-5: loss 0.2831, accuracy 0.9061", "Step 2: LeNet-5 has 90.4 %")
    assert [claim.label for claim in claims] == ["LeNet-5", "LeNet-5"]


def test_lines_of_a_file_keep_their_numbers() -> None:
    extraction = read_words(["# Results", "", "LeNet-5: 98.80 %"], "claims.txt")
    assert [claim.where for claim in extraction.claims] == ["line 3"]
    with pytest.raises(UserError, match="more than"):
        read_words(["SVC 89.7"] * (MAX_LINES + 1), "claims.txt")


@pytest.mark.slow
@given(
    runner=st.sampled_from(LABELS),
    units=st.integers(1, 9999),
    separator=st.sampled_from([" ", ": ", " | ", "\t", " = ", ", ", " - "]),
    sign=st.sampled_from(["%", " %", ""]),
)
@settings(max_examples=60)
def test_any_runner_with_any_figure_is_read(
    runner: str, units: int, separator: str, sign: str
) -> None:
    number = f"{units / 100:.2f}"
    claims, _ = read(f"{runner}{separator}{number}{sign}")
    assert show(claims) == [(runner, "accuracy", number + sign.strip())]


# ---- sentences -----------------------------------------------------------------------------------


def find(text: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Find the claims of a running text: label, metric and value, and the notes."""
    claims, notes = find_sentences(text, "page 3")
    return show(claims), notes


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("Our LeNet-5 model achieved accuracy over 98%.", [("LeNet-5", "98%")]),
        ("The accuracy of ResNet-18 is 93.1 % (p < 0.05).", [("ResNet-18", "93.1%")]),
        ("In Table 3, the accuracy of VGG16 [21] is 94.2 %.", [("VGG16", "94.2%")]),
        ("Xiao et al. (2017) report an accuracy of 89.7 % for SVC.", [("SVC", "89.7%")]),
        ("It has 1.2 M parameters and reaches 93 % top-1 accuracy.", [("", "93%")]),
        ("With batch size 128, learning rate 0.01 and momentum 0.9, accuracy is 91.5 %.",
         [("", "91.5%")]),
        ("We train for 10 epochs on 60,000 images of 28x28 pixels; the accuracy is 0.912.",
         [("", "0.912")]),
        ("LeNet-5 reaches an accuracy of 98.80 %, SVC 89.7 % and kNN 85.4 %.",
         [("LeNet-5", "98.80%"), ("SVC", "89.7%"), ("kNN", "85.4%")]),
        ("SVM and CNN reach an accuracy of 89.7 % and 91.6 %, respectively.",
         [("SVM", "89.7%"), ("CNN", "91.6%")]),
        ("We compare our CNN (accuracy of 92.5%) to SVM (89.7%) and k-NN (85.4%).",
         [("CNN", "92.5%"), ("SVM", "89.7%"), ("k-NN", "85.4%")]),
        ("Accuracy was 91.2 % for LeNet-5 and 89.7 % for SVC.",
         [("LeNet-5", "91.2%"), ("SVC", "89.7%")]),
        ("Compared with LeNet-5, ResNet reaches an accuracy of 93.1 %.", [("ResNet", "93.1%")]),
        ("The CNN with batch normalization and residual skip reaches 92.54% accuracy.",
         [("CNN with batch normalization and residual skip", "92.54%")]),
        ("VGG-16 and ResNet-50 both exceed 93 % accuracy.", [("", "93%")]),
        ("The test error is 6.9 %.", [("", "93.1%")]),
        ("The model misclassifies 8.8 % of the test images.", [("", "91.2%")]),
        ("91.2 % of the test images are classified correctly.", [("", "91.2%")]),
        ("9,123 of the 10,000 test images are classified correctly.", [("", "9123")]),
        ("ResNet achieves 93.1 % on Fashion-MNIST.", [("ResNet", "93.1%")]),
        ("Accuracy increased from 0.89 to 0.92 after 50 epochs.", [("", "0.92")]),
        ("The accuracy of our network on the test set was found to be 0.9234.", [("", "0.9234")]),
        ("It was trained on 80% of the data and tested on 20%, giving an accuracy of 91%.",
         [("", "91%")]),
        ("The accuracy is 91.2 % with 95 % confidence interval [90.6 %, 91.7 %].",
         [("", "91.2%")]),
        ("ResNet-18, pretrained on ImageNet, has an accuracy of 93.4 %.", [("ResNet-18", "93.4%")]),
        ("accuracy\nof 91.2 % was ob-\ntained by LeNet-\n5.", [("LeNet-5", "91.2%")]),
        ("Die Genauigkeit des SVM betr\u00e4gt 89,7 %.", [("SVM", "89.7%")]),
        ("CNN reached an accuracy of ~90.72%, while the CNN-Softmax reached one of ~91.86%.",
         [("CNN", "90.72%"), ("CNN-Softmax", "91.86%")]),
        ("The accuracy of our method is 93.71%, compared to 92.54% of CNN2 + BN + Skip.",
         [("", "93.71%"), ("CNN2 + BN + Skip", "92.54%")]),
        ("We get a top-1 accuracy of 94.6% with 5.8M parameters and 96.1% with 36M parameters.",
         [("", "94.6%"), ("", "96.1%")]),
        ("A study of CNN, ResNet, and other models - achieving 91% accuracy.", [("", "91%")]),
        ("With random erasing the error drops from 4.02% to 3.65%.", [("", "96.35%")]),
        ("the accuracy is $91.2 \\pm 0.1\\,\\%$~\\cite{x}.", [("", "91.2%")]),
    ],
)  # fmt: skip
def test_accuracies_in_sentences_are_found(text: str, claims: list[tuple[str, str]]) -> None:
    found, _ = find(text)
    assert found == [(label, "accuracy", value) for label, value in claims]


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("LeNet-5 has 98.8% on MNIST and 91.2% accuracy on Fashion-MNIST.", "91.2%", "of MNIST"),
        ("On MNIST and Fashion-MNIST, it achieves 99.1% and 91.2% accuracy.", "91.2%", "of MNIST"),
        ("Accuracy: 99.1 % (MNIST), 91.2 % (Fashion-MNIST).", "91.2%", "of MNIST"),
        ("MNIST accuracy is 99.1 %, Fashion-MNIST accuracy is 91.2 %.", "91.2%", "of MNIST"),
        ("The training accuracy is 99 % and the test accuracy 91.2 %.", "91.2%", "training"),
        ("The training and test accuracy are 99.1 % and 91.2 %.", "91.2%", "training"),
        ("Validation accuracy reaches 93 % while test accuracy is 91.2 %.", "91.2%", "training"),
        ("The accuracy of CNN is 91.2 %, 6 % higher than that of SVM.", "91.2%", "difference"),
        ("The accuracy improves from 90.1 % to 91.2 %.", "91.2%", "first of two"),
        ("Scores for training: 99 % accuracy.\nScores for test: 91.2 % accuracy.", "91.2%",
         "training"),
        ("It has 97.94% accuracy on training set and 91.2% accuracy on test set.", "91.2%",
         "training"),
        ("LeNet-5 has an accuracy of train 99.1 % / test 91.2 %.", "91.2%", "training"),
        ("The accuracy is 91.2 %, the dampening of labels 10 %.", "91.2%", "does not say"),
    ],
)  # fmt: skip
def test_only_the_test_images_of_fashion_mnist_count(text: str, value: str, reason: str) -> None:
    found, notes = find(text)
    assert [claim[2] for claim in found] == [value]
    assert len(notes) == 1
    assert reason in notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("On CIFAR-10 the accuracy is 95 %.", "of CIFAR-10"),
        ("We also use MNIST. The accuracy is 99 %.", "of MNIST"),
        ("We reach a training accuracy of 99 %.", "training or validation"),
        ("It improves the accuracy by 2.1 %.", "a difference"),
        ("Accuracies between 90.1 % and 92.2 % were reported.", "a range"),
        ("Accuracies of 90-92 % were reported.", "a range"),
        ("The top-5 accuracy is 99.9 %.", "not judged"),
        ("The accuracy under the FGSM attack is 56 %.", "changed images"),
        ("It can't reach an accuracy of more than 92%.", "not reached"),
        ("Random guessing gives 10% accuracy.", "of guessing"),
        ("The LSTM has the best precision (88.26 %).", "precision without its class or average"),
        ("The results are very high (an average of 99% for each metric).", "does not say"),
        ("Shirts and coats have an accuracy of 76 %.", "names a class"),
        ("Each class has an accuracy above 76 %.", "of each class"),
    ],
)  # fmt: skip
def test_other_figures_in_sentences_are_noted(text: str, reason: str) -> None:
    found, notes = find(text)
    assert not found
    assert notes
    assert all(reason in note for note in notes)


@pytest.mark.parametrize(
    "text",
    [
        "Fashion-MNIST has 60,000 training and 10,000 test images in 10 classes.",
        "We use k=5 neighbours, C=10 and 5-fold splits [21] of Table 3.",
        "In 2017, LeNet-5 was trained for 10 epochs with a learning rate of 0.005.",
        "Each of the 120 units is linked to 400 nodes; S2 has 12 trainable parameters.",
        "Informedness = Recall + Inverse Recall - 1 \\quad (5)",
        "$$\\text{Accuracy} = \\frac{TP + TN}{TP + TN + FP + FN} \\quad (3)$$",
        "We use TensorFlow (1.4.0), Keras (2.2.4) and a GTX 1080.",
        "dropout of 0.5",
        "| SVC | 89.7 % |",
        "Three-layer Neural Network 87.23%\nLinearSVC 83.60%\nSVC 89.70%",
        "\\begin{tabular}{lr}\nSVC accuracy & 89.7 \\\\\n\\end{tabular}",
        "References\n[1] A. Author. 99 % accuracy on Fashion-MNIST. 2017.",
        "",
    ],
)
def test_sentences_without_an_accuracy_give_nothing(text: str) -> None:
    assert find(text) == ([], [])


def test_repetitions_belong_to_the_clause_that_says_them() -> None:
    claims, _ = find_sentences(
        "The accuracy average across all 10 trials was 98.9%. The best of 5 runs has an accuracy of"
        " 93.1 %. With 5-fold cross-validation, accuracy is 89.1 %. The accuracy is 91.2 %.",
        "page 3",
    )
    assert [(c.mean_of, c.best_of, c.folds) for c in claims] == [
        (10, 1, 1), (1, 5, 1), (1, 1, 5), (1, 1, 1),
    ]  # fmt: skip


def test_averages_are_shared_by_the_metrics_of_an_enumeration() -> None:
    claims, _ = find_sentences("Macro precision, recall and F1 are 0.912, 0.911 and 0.910.", "x")
    assert [(c.metric, c.average, c.figure.value) for c in claims] == [
        ("precision", "macro", "0.912"), ("recall", "macro", "0.911"), ("f1", "macro", "0.910"),
    ]  # fmt: skip


def test_a_claim_quotes_the_words_around_its_figure() -> None:
    (claim,), _ = find_sentences("We find that the accuracy of our SVC is 89.7 %.", "page 3")
    assert claim.where == 'page 3, "We find that the accuracy of our SVC is 89.7 %."'
    assert claim.source == "text"
    assert claim.where.isprintable()


def test_headings_name_the_data_set_of_what_follows() -> None:
    text = "## MNIST\n- LeNet-5: 99.1 %\n\n## Fashion-MNIST\n- LeNet-5: 91.1 %\n- SVC: 89.7 %\n"
    found, notes = find(text)
    assert [claim[2] for claim in found] == ["91.1%", "89.7%"]
    assert len(notes) == 1
    assert "of MNIST" in notes[0]


def test_of_a_log_only_the_last_epoch_is_taken() -> None:
    log = "\n".join(f"Epoch {i}: test accuracy {80 + i}.5 %" for i in range(5))
    found, notes = find(log)
    assert [claim[2] for claim in found] == ["84.5%"]
    assert "printed 5 times" in notes[0]
    keras = "1875/1875 [===] - 5s - loss: 0.5 - accuracy: 0.82 - val_accuracy: 0.85"
    found, notes = find(f"Epoch 1/5\n{keras}\nTest accuracy: 0.8912")
    assert [claim[2] for claim in found] == ["0.8912"]
    assert notes == ["page 3: not read: 2 lines of a training log"]


KAYED_2020 = """\
Shuning Shen [22] used the Short-Term Memory Networks to create a model that uses the Fashion-MNIST
dataset. Results showed that the LSTM model can fit the dataset with the best precision (88.26 %).

In addition, Fashion-MNIST is more difficult than simply digit information from MNIST, while MNIST
has been trained in greater than 99.7%.

In particular, we use the following hyper-parameters: $\\alpha = 0.005$, batch size = 32 and number
of epochs = 10. As shown in the two figures, our experiments show encouraging results. The accuracy
average across all 10 trials was 98.9% for the test set with time-consuming 80 minutes. Figure 5
plots the accuracy of the different training and testing splits for the 10 categories.

LeNet-5 gives a higher performance (an accuracy over 98% was obtained) as compared to other existing
models. We plan to compare CNN architectures (such as VGG16) on other clothes datasets.
"""


def test_sentences_of_a_real_paper() -> None:
    """Kayed et al. 2020, Sections 2, 4.2 and 5: each accuracy is found or noted, none invented."""
    claims, notes = find_sentences(KAYED_2020, "page 1")
    assert [(c.label, c.figure.value, c.figure.bound, c.mean_of) for c in claims] == [
        ("", "98.9%", "", 10),
        ("LeNet-5", "98%", "at least", 1),
    ]
    assert len(notes) == 2
    assert "88.26" in notes[0]
    assert "99.7" in notes[1]


# ---- hostile input -------------------------------------------------------------------------------


@given(st.text(alphabet="accuracy of98.7%±()[],;:=|-+ CNNSV\n\t\u2009MNIST", max_size=120))
@settings(max_examples=50)
def test_no_text_breaks_the_readers(text: str) -> None:
    for claims in (find_sentences(text, "x")[0], _read_or_refuse(text)):
        assert all(claim.where.isprintable() and claim.label.isprintable() for claim in claims)


def _read_or_refuse(text: str) -> list[FoundClaim]:
    try:
        return read(text)[0]
    except UserError as error:
        assert "\n" not in str(error)
        return []


def test_data_in_disguise_is_not_read() -> None:
    found, notes = find("accuracy " + "0.5 " * 5000)
    assert not found
    assert notes == [f"page 3: not read: 1 line with more than {MAX_FIGURES} numbers"]


def test_notes_are_counted_beyond_a_limit() -> None:
    _, notes = find("We improve the accuracy by 2.1 %. " * (MAX_NOTES + 5))
    assert len(notes) == MAX_NOTES + 1
    assert notes[-1] == "5 more numbers were seen and not taken"


@pytest.mark.parametrize(
    "text",
    [
        "This is the highest of the 19 accuracies in Table 3.",
        "The accuracy of the 12 published networks is compared.",
        "Table 2, MSE: 0.655 to 0.665; severity 3.0; read as MAE: 21.",
        "CNN reaches this accuracy in 95 % of single new runs.",
        "The accuracy of CNN holds at a level of 95 % (95 % prediction interval).",
        "CNN has a high accuracy and needs 30 % of the energy.",
    ],
)
def test_counts_shares_of_other_things_and_levels_are_no_accuracies(text: str) -> None:
    assert find(text)[0] == []


def test_an_error_rate_in_a_sentence_keeps_what_is_printed() -> None:
    (claim,), _ = find_sentences("CNN has an error rate of 9.2 %.", "text")
    assert (claim.figure.value, claim.figure.printed) == ("90.8%", "9.2 %")
    assert claim.remark == "printed as an error rate of 9.2 %"


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("ResNet-18 misclassifies 5.1% of the test images", "ResNet-18", "94.9%"),
        ("LeNet-5 fails on 9.2 % of the images", "LeNet-5", "90.8%"),
        ("We trained LeNet-5 for 20 epochs with an accuracy of 91 %", "LeNet-5", "91%"),
        ("Das LeNet-5 erreicht eine Genauigkeit von 90,3 %", "LeNet-5", "90.3%"),
        ("Test set: Average loss: 0.2634, Accuracy: 9082/10000 (91%)", "", "9082"),
        ("Accuracy of the network on the 10000 test images: 90 %", "", "90%"),
    ],
)
def test_a_clause_is_no_name_of_a_model(text: str, label: str, value: str) -> None:
    (claim,) = read_words([text], "x").claims
    assert (claim.label, claim.figure.value) == (label, value)


@pytest.mark.parametrize(
    "text",
    [
        "LeNet-5 -3 %", "An accuracy between 88% and 91% is typical for LeNet-5",
        "Stdev Accuracy: 0.001175", "Accuracy scores: [0.92433, 0.92133, 0.923581, 0.92391]",
    ],
)  # fmt: skip
def test_negative_numbers_ranges_spreads_and_lists_are_no_accuracies(text: str) -> None:
    assert read_words([text], "x").claims == ()


def test_forgotten_quotes_do_not_lose_the_name() -> None:
    found = read_words(["LeNet-5", "98.80", "SVC 89.7"], "the command line")
    assert [(c.label, c.figure.value) for c in found.claims] == [
        ("LeNet-5", "98.80"), ("SVC", "89.7"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["LeNet-5 1.2 % error", "LeNet-5 error 1.2 %", "LeNet-5: 1.2% error"]
)
def test_an_error_rate_may_stand_before_or_behind_its_name(text: str) -> None:
    (claim,), _ = read(text)
    assert (claim.label, claim.figure.value) == ("LeNet-5", "98.8%")


@pytest.mark.parametrize("name", ["GTZAN", "ESC-50", "UCF101", "COIL-20"])
def test_a_name_behind_on_is_a_data_set_even_if_it_is_unknown(name: str) -> None:
    claims, notes = read(f"SVC reaches 81.5 % accuracy on {name}")
    assert claims == []
    assert f"of {name}" in notes[0]


@pytest.mark.parametrize("name", ["a GPU", "GPU", "A100", "TPUs", "MobileNetV2", "the RTX 3090"])
def test_a_device_or_a_model_behind_on_is_no_data_set(name: str) -> None:
    claims, _ = read(f"SVC reaches 81.5 % accuracy on {name}")
    assert [claim.figure.value for claim in claims] == ["81.5%"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MLP - 88.9% test accuracy (91.2% train)", [("MLP", "88.9%")]),
        ("CNN - 91.8% test accuracy (val: 92.3%)", [("CNN", "91.8%")]),
        ("The accuracy is 95.1% (train) and 90.2% (test) for LeNet-5.", [("LeNet-5", "90.2%")]),
        ("LeNet-5 accuracy (train 95.1%, test 90.4%)", [("LeNet-5", "90.4%")]),
        ("ResNet-18 gets 99.1% training and 93.5% test accuracy.", [("ResNet-18", "93.5%")]),
        ("OOB score.....: 0.8801", []),
        ("Out-of-bag accuracy: 88.0 %", []),
        ("Random forest: 87.6 %, OOB estimate 88.1 %", [("Random forest", "87.6%")]),
        ("LeNet-5 training set: 95.1", []),
    ],
)
def test_images_that_are_named_behind_a_figure_or_in_a_label_count(
    text: str, expected: list[tuple[str, str]]
) -> None:
    claims, _ = read(text)
    assert [(claim.label, claim.figure.value) for claim in claims] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The run of 10:00:01,123 used Fashion-MNIST", []),
        ("Fashion-MNIST with a test coverage of 97%", []),
        ("We computed 95% confidence intervals: [91.2%, 92.3%].", []),
        ("LeNet-5 with batch norm and dropout 91.8%", ["91.8%"]),
        ("LeNet-5 with dropout 50%", []),
    ],
)
def test_times_coverages_and_ends_of_intervals_are_no_accuracies(
    text: str, expected: list[str]
) -> None:
    claims, _ = read(text)
    assert [claim.figure.value for claim in claims] == expected


@pytest.mark.parametrize(
    "log",
    [
        "Epoch {n}\nTest set: Average loss: 0.{n}123, Accuracy: 8{n}23/10000 (8{n}%)\n",
        "Epoch {n}\nTest Error: \n Accuracy: 8{n}.2%, Avg loss: 0.{n}00 \n",
        "Epoch {n}: train accuracy 9{n}.1%, test accuracy 8{n}.0%\n",
    ],
)
def test_of_the_epochs_of_a_log_only_the_last_one_counts(log: str) -> None:
    text = "".join(log.format(n=n) for n in range(1, 6))
    (claim,) = read_input(text.encode(), name="train.log").claims
    assert claim.figure.value.startswith("85")


def test_the_time_before_a_line_of_a_log_is_no_figure_and_no_name() -> None:
    text = (
        "2024-03-01 10:00:01,123 INFO Dataset: FashionMNIST\n"
        "2024-03-01 10:09:02,456 INFO LeNet-5 test accuracy: 90.65%\n"
    )
    (claim,) = read_input(text, name="run.log").claims
    assert (claim.label, claim.figure.value) == ("LeNet-5", "90.65%")


def test_the_last_line_of_a_log_with_bars_is_read_and_those_of_training_batches_are_not() -> None:
    text = (
        "| epoch   2 | 400/469 batches | lr 0.0010 | loss  0.41 | acc 86.12\n"
        "| end of epoch   2 | time: 10.10s | valid loss  0.35 | valid acc 87.20\n"
        "| End of training | test loss  0.36 | test acc 86.93\n"
    )
    (claim,) = read_input(text, name="train.log").claims
    assert claim.figure.value == "86.93"


def test_a_number_below_a_call_is_of_the_images_that_the_call_names() -> None:
    text = ">>> clf.score(X_test, y_test)\n0.9001\n>>> clf.score(X_train, y_train)\n0.9771\n"
    found = read_input(text, name="session.txt")
    assert [claim.figure.value for claim in found.claims] == ["0.9001"]
    assert any("training or validation images" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("HOG features with a linear SVM reach 86.5%.", "HOG features with a linear SVM"),
        ("PCA + SVM gets 88.1% accuracy.", "PCA + SVM"),
        ("A linear SVM reaches 83.9% accuracy.", "linear SVM"),
        ("The RBF SVM reaches 89.7% accuracy.", "RBF SVM"),
        ("MultinomialNB reaches 65.5% accuracy.", "MultinomialNB"),
        ("A CNN without augmentation exceeds 91% accuracy.", "CNN without augmentation"),
    ],
)
def test_features_and_the_kernel_belong_to_the_name_of_a_classifier(text: str, label: str) -> None:
    (claim,), _ = find_sentences(text, "text")
    assert claim.label == label


def test_a_clause_behind_a_comma_is_no_entry_of_a_list() -> None:
    claims, _ = read("[3] had 98.8% for LeNet-5, which is not reached: our own run gets 90.7%.")
    assert not any("which" in claim.label for claim in claims)


def test_folds_that_only_chose_the_model_are_not_those_of_its_test() -> None:
    text = (
        "After tuning with 5-fold cross-validation (best CV score 88.9%), gradient boosting attains"
    )
    claims, _ = find_sentences(f"{text} 89.1% on the test set.", "text")
    assert [(c.figure.value, c.folds) for c in claims] == [("88.9%", 5), ("89.1%", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Model: LeNet-5\nLoss: 0.27\nAccuracy: 90.7 %\n\nModel: MLP\nAccuracy: 88.5 %\n",
            [("LeNet-5", "90.7%"), ("MLP", "88.5%")],
        ),
        (
            "Model: Random Forest\nAccuracy: 87.6 %\nModel: SVC (rbf)\nAccuracy: 89.8 %\n",
            [("Random Forest", "87.6%"), ("SVC (rbf)", "89.8%")],
        ),
        ("Accuracy: 90.7 %\nModel....: LeNet-5\n", [("LeNet-5", "90.7%")]),
        ("Model...: SVC(C=10)\nTest accuracy...: 0.90\n", [("SVC(C=10)", "0.90")]),
        ("Model: LeNet-5\n\nAccuracy: 90.7 %\n", [("", "90.7%")]),
    ],
)
def test_a_record_names_the_model_of_its_metrics(
    text: str, expected: list[tuple[str, str]]
) -> None:
    found = read_input(f"Results on the test images\n==========\n\n{text}")
    assert [(claim.label, claim.figure.value) for claim in found.claims] == expected


@pytest.mark.parametrize(
    "line", ["Shards: 6", "3.6 Results", "Score offset: 0.25", "Port: 31", "Rest: 20%"]
)
def test_a_low_number_of_a_list_is_no_accuracy_if_nothing_says_so(line):
    found = read_words([line, "SmallNet: 91.2"], "claims.txt")
    assert show(found.claims) == [("SmallNet", "accuracy", "91.2")]


def test_a_low_number_is_an_accuracy_if_a_metric_a_model_or_the_user_says_so():
    found = read_words(["SmallNet accuracy: 10", "SVC: 10"], "claims.txt")
    assert [claim.figure.value for claim in found.claims] == ["10", "10"]
    assert [claim.figure.value for claim in read("SmallNet: 10")[0]] == ["10"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A maximum allowed error of 0.1 was set for PCA.", "only allowed"),
        ("PCA allows for 0.1 error.", "only allowed"),
        ("The model(valid) accuracy increased up to 88.8.", "of training or validation images"),
        ("It gives 93.7% accuracy (91.4% test accuracy).", "the test accuracy stands behind it"),
        ("Labeling accuracy: 0.8799", "of labels that a program gives"),
        ("Quant MSE: 0.0133", "Quant MSE is not judged"),
        ("MSE: 0.00000113", "too small for errors in the class numbers"),
    ],
)
def test_what_is_no_accuracy_of_the_test_images_is_left_out_with_the_reason(text, reason):
    claims, notes = find_sentences(text, "x")
    assert [claim.figure.value for claim in claims if claim.figure.value != "91.4%"] == []
    assert reason in notes[0]


def test_the_losses_of_a_log_are_one_note_and_lines_without_figures_none():
    losses = [f"[Epoch: 1, Batch: {k}000] loss: 1.16" for k in range(1, 9)]
    found = read_words(["Start training", *losses, "Accuracy: 90.1"], "log.txt")
    assert show(found.claims) == [("", "accuracy", "90.1")]
    assert found.notes == ("not read: 8 lines of a training log",)


def test_the_kind_of_a_figure_that_is_not_judged_is_named():
    notes = read_words(["AUC = 0.97 of SmallNet", "Accuracy: 90.1"], "log.txt").notes
    assert notes == ('line 1: not taken (AUC is not judged): "AUC = 0.97 of SmallNet"',)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The best validation accuracy is 92.15%. The CNN reaches 92.15% accuracy.", []),
        (
            "It ended at 91.717% accuracy (90.4% test accuracy). The CNN achieved 91.717%.",
            ["90.4%"],
        ),
        ("The validation accuracy is 90.02%. The test accuracy is 90.02%.", ["90.02%"]),
        ("The validation accuracy is 92%. The CNN reaches 92% accuracy.", ["92%"]),
    ],
)
def test_a_figure_that_is_elsewhere_one_of_validation_images_is_none_of_the_test(text, expected):
    claims, notes = find_sentences(text, "x")
    assert [claim.figure.value for claim in claims] == expected
    assert all("not taken" in note for note in notes)


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("The network is small for a phone, and it reaches a test accuracy of 91.04%.", ""),
        ("SVC has 100% training and 89.1% test accuracy", "SVC"),
        (
            "NeuralNetworkClassifier() achieved a test accuracy of 85.78%.",
            "NeuralNetworkClassifier",
        ),
        ("CNN with batch norm, dropout: 91.2 %", "CNN with batch norm, dropout"),
    ],
)
def test_what_has_a_verb_is_no_name_of_a_model(line, label):
    (claim,) = read_words([line], "claims.txt").claims
    assert claim.label == label


def test_the_last_epoch_of_a_log_without_test_images_must_be_a_share_of_them() -> None:
    lines = [f"loss: 0.3{n}\naccuracy: 0.9{n}35432161\n" for n in range(1, 8)]
    claims, notes = find_sentences("".join(lines), "text")
    assert claims == []
    assert any("no share of 10,000 images" in note for note in notes)
    lines[-1] = "loss: 0.37\naccuracy: 0.9342\n"
    assert show(find_sentences("".join(lines), "text")[0]) == [("", "accuracy", "0.9342")]
    lines[-1] = "loss: 0.37\ntest accuracy: 0.934432\n"
    assert show(find_sentences("".join(lines), "text")[0]) == [("", "accuracy", "0.934432")]


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("Epoch 9: Cost - 0.30 Train Acc - 89.09 Test Acc - 86.78", ["86.78"]),
        ("Test accuracy [%]: 94.29", ["94.29"]),
        ("Validation: accuracy=0.9005", []),
        ("F1 score: 0.8824 Accuracy score: 0.8829 Precision score: 0.8825", ["0.8829"]),
    ],
)
def test_signs_between_a_metric_and_its_figure(text: str, figures: list[str]) -> None:
    claims, _ = find_sentences(text, "text")
    assert [claim.figure.printed for claim in claims] == figures


def test_a_model_in_the_next_clause_does_not_get_the_figure_of_another() -> None:
    text = (
        "The dense model with five units has an accuracy of 0.659, and the CNN with 32 filters and"
        " a small kernel has a score of 0.890."
    )
    claims, _ = find_sentences(text, "text")
    assert [claim.label for claim in claims if claim.figure.printed == "0.659"] == [""]
