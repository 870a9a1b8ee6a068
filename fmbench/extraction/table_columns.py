"""Chooses the columns of a table that are read, and says why others are not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from statistics import median

from fmbench.extraction.data_set_names import FASHION_IN_HEADS, find_data_sets, remove_data_sets
from fmbench.extraction.figures import choose_percent, parse_printed_figure
from fmbench.extraction.grid import tidy
from fmbench.extraction.metric_names import (
    MetricName,
    find_mentions,
    find_metric_name,
    is_training_metric,
    is_unjudged_share,
    normalise_name,
)
from fmbench.extraction.runs import names_setting, varies_between_runs
from fmbench.extraction.table_heads import (
    AMBIGUOUS_NAME,
    NOT_A_METRIC,
    NUMBERING,
    OTHER_HEAD,
    REFERENCES,
    TEST_IMAGES,
    AmbiguousColumnsError,
    Column,
    Table,
    clean_label,
    describe_column,
    is_figure,
    is_missing,
    number_columns,
    strip_figure,
)
from fmbench.extraction.text.mentions import find_models
from fmbench.metrics.registry import METRICS
from fmbench.utils.formatting import join_words

_MEAN_HEAD = re.compile(r"(?<![^\W_])(?:mean|average|averaged|avg)(?![^\W_])", re.IGNORECASE)
_BEST_HEAD = re.compile(r"(?<![^\W_])(?:best|max(?:imum)?|highest|peak)(?![^\W_])", re.IGNORECASE)
# Heads that hold one run of several, beside the mean of all.
_ONE_RUN = re.compile(
    r"(?:the |test |overall )*"
    r"(?:best|max(?:imum)?|highest|peak|min(?:imum)?|worst|lowest|median)\.?"
    r"(?: (?:run|value|score|result|seed|test|of all))*\s*(?:[(\[]?\s*%\s*[)\]]?)?",
    re.IGNORECASE,
)
_NOT_OF_IMAGES = re.compile(
    r"\b(?:times?|latency|speed|memory|energy|power|losses|loss|size|flops|parameters)\b",
    re.IGNORECASE,
)
_ALL_IMAGES = re.compile(
    r"\b(?:all|full|whole|entire|complete)\b(?: test)? (?:data|set|images|samples)\b", re.IGNORECASE
)


def give_metric_of_caption(table: Table, *, is_by_class: bool) -> None:
    """Give columns headed by models the metric that the caption names, if no head names one.

    ``Table 2: Test accuracy (%)`` stands above ``Batch size | ResNet-18 | ResNet-50``. At least two
    such columns are needed: a single one may be anything. ``is_by_class``: the rows are classes, so
    that a share without a name may be a precision or a recall.
    """
    caption = table.grid.caption
    if not caption or any(column.metric for column in table.columns):
        return
    metric = None if is_training_metric(caption) else find_metric_name(remove_data_sets(caption))
    columns = [
        column
        for column in table.columns
        if column.role == "" and column.n_figures > column.n_texts and _is_model(column.head)
    ]
    if metric is None and not is_by_class and _are_shares_of_results(table, columns):
        metric = MetricName("accuracy", percent=True)
        table.notes.append(
            f"{table.source}: {join_words(map(describe_column, columns), 6)} name no metric and"
            " were read as the accuracy"
        )
    if metric is None or len(columns) < 2:
        return
    for column in columns:
        column.role, column.metric = "metric", metric


_PERCENT_SIGN = re.compile(r"\s*\(\s*%\s*\)\s*$")
_RESULTS = re.compile(
    rf"\W*(?:table [0-9.]+[:.]? )?(?:(?:results?|on|for|of) )*{FASHION_IN_HEADS.pattern}"
    r" ?(?:test )?(?:results?)?\W*",
    re.IGNORECASE,
)


def _are_shares_of_results(table: Table, columns: Sequence[Column]) -> bool:
    """Whether ``ResNet-18 (%) | ResNet-50 (%)`` stands below ``Fashion-MNIST results``."""
    return (
        len(columns) > 1
        and re.search(r"\bresults?\b", table.grid.caption, re.IGNORECASE) is not None
        and _RESULTS.fullmatch(table.grid.caption) is not None
        and all(_PERCENT_SIGN.search(column.head) for column in columns)
        and all(_is_like_accuracies(table, column) for column in columns)
    )


def _is_model(head: str) -> bool:
    """Whether a head is the name of a known model and no more, perhaps with a percent sign."""
    head = _PERCENT_SIGN.sub("", head)
    return [model.name for model in find_models(head)] == [head.strip()]


def choose_columns(table: Table, *, is_by_class: bool) -> list[Column]:
    """Return the columns to read, at most one for each metric; note the others.

    Raises:
        AmbiguousColumnsError: two columns may hold the accuracy.
    """
    usable = [column for column in table.columns if column.role == "metric" and column.n_figures]
    if not usable or _are_over_data_sets(table, usable):
        usable = _choose_weak_columns(table) or usable
    _note_columns(table)
    groups: dict[tuple[object, ...], list[Column]] = {}
    for column in usable:
        assert column.metric is not None
        key = (column.metric.metric, column.metric.average, column.metric.is_error_rate)
        groups.setdefault(key, []).append(column)
    chosen = []
    for (metric, *_), columns in groups.items():
        left = _narrow(table, columns)
        if (
            len(left) == 1
            or (is_by_class and name_models(left))
            or _name_known_models(left)
            or _have_names_of_each_data_set(table, left)
            or (metric == "accuracy" and _have_names_beside_data_sets(table, left))
            or (metric == "accuracy" and not is_by_class and _name_variants(left))
        ):
            chosen += left
        elif metric == "accuracy":
            raise AmbiguousColumnsError(
                f"{table.source} has {len(left)} columns that may hold the accuracy: "
                f"{join_words(number_columns(left))}; {suggest_column(left)}"
            )
        else:
            table.notes.append(
                f"{table.source}: {join_words(number_columns(left))} may each hold the "
                f"{METRICS[str(metric)].title} and were not read; {suggest_column(left)}"
            )
    return sorted(chosen, key=lambda column: column.index)


_JOINT_HEAD = re.compile(
    r"(?<![^\W_])(?:mean|average|averaged|avg|joint|overall|total)(?![^\W_])", re.IGNORECASE
)


def _are_over_data_sets(table: Table, columns: Sequence[Column]) -> bool:
    """Whether columns of means stand beside one column for each data set: ``Joint accuracy``.

    A rate of another kind beside them, such as ``FPR``, is of all data sets, too.
    """
    heads = [column.head for column in table.columns if column.n_figures]
    return (
        all(
            _JOINT_HEAD.search(column.head)
            or (column.metric and column.metric.metric != "accuracy")
            for column in columns
        )
        and not any(find_data_sets(column.head) for column in columns)
        and any(find_data_sets(head).is_other for head in heads)
        and any(find_data_sets(head).is_fashion for head in heads)
    )


def suggest_column(columns: Sequence[Column]) -> str:
    """Suggest the ``--column`` option that chooses the first of these columns."""
    first = columns[0]
    is_clear = first.head and len({column.head for column in columns}) == len(columns)
    is_plain = re.fullmatch(r"[^\W_][\w .,()%/@+-]{0,60}", first.head) is not None
    name = f"'{first.head}'" if is_clear and is_plain else str(first.index + 1)
    return f"choose one, such as --column {name}"


_VARIANT = re.compile(
    r"(?:(?:test|classification|overall)[ _])*acc(?:uracy|\.)?\s*"
    r"(?:[(\[](?P<variant>(?=[^()]*[^\W\d_])[^()\[\]%]{1,40})[)\]]|-(?P<letter>[a-z])$)",
    re.IGNORECASE,
)
# Not what is done to the images or the model, but whose figure it is, or how it was measured.
_NO_VARIANT = re.compile(
    r"(?<![^\W_])(?:ours?|own|paper|reported|claimed|published|original|reproduced|measured|mean"
    r"|average|avg|best|max|min|worst|median|last|final|std|top|runs?|seeds?|folds?|trials?|cv"
    r"|train\w*|val\w*|test\w*|epochs?|fraction|percent)(?![^\W_])",
    re.IGNORECASE,
)


# Both are measured by the authors: "Acc (baseline)" and "Acc (ours)".
_OWN_MODEL = re.compile(r"baselines?|ours?|proposed|our (?:model|method|approach)", re.IGNORECASE)


def _name_variants(columns: Sequence[Column]) -> bool:
    """Name what tells columns of accuracies apart: ``Accuracy (PCA)`` or ``accuracy-B``.

    Returns whether all of them say it.
    """
    found = [_VARIANT.fullmatch(column.head.strip()) for column in columns]
    names = [(match["variant"] or match["letter"]).strip() for match in found if match is not None]
    is_own = all(map(_OWN_MODEL.fullmatch, names)) and any(n[:4].lower() == "base" for n in names)
    if len(set(names)) < len(columns) or (any(map(_NO_VARIANT.search, names)) and not is_own):
        return False
    for column, name in zip(columns, names, strict=True):
        column.variant = name
    return True


def is_mean_head(head: str) -> bool:
    """Whether a head says that its figures are means: ``Mean accuracy``."""
    return _MEAN_HEAD.search(head) is not None


def is_best_head(head: str) -> bool:
    """Whether a head says that its figures are of the best run: ``Best accuracy``."""
    return _BEST_HEAD.search(head) is not None


def list_settings(table: Table, chosen: Sequence[Column], *, has_name: bool = True) -> list[Column]:
    """Return the columns of numbers that tell two models of one name apart: a depth, a rate.

    ``has_name``: only those that a head names as such; else all that may be settings.
    """
    return [
        column
        for column in table.columns
        if column not in chosen
        and column.role in ("", "other")
        and column.parts
        and column.n_figures > column.n_texts
        and not varies_between_runs(column.head)
        and not REFERENCES.search(column.head)
        and not NUMBERING.fullmatch(column.head)
        and (not has_name or names_setting(normalise_name(column.head)))
    ]


def _narrow(table: Table, columns: list[Column]) -> list[Column]:
    """Leave out columns of another kind: of unnamed data or images, or of the best of several runs.

    Those that name Fashion-MNIST, the test images, or all of them, are read alone; so are means
    beside the best.
    """
    for pattern in (FASHION_IN_HEADS, TEST_IMAGES, _ALL_IMAGES, _MEAN_HEAD):
        kept = [column for column in columns if pattern.search(column.head)]
        left_out = [column for column in columns if column not in kept]
        is_mean = pattern is _MEAN_HEAD
        if kept and left_out and (not is_mean or all(is_best_head(c.head) for c in left_out)):
            table.notes.append(
                f"{table.source}: {join_words(number_columns(kept))} was read, "
                f"{join_words(number_columns(left_out))} was not"
            )
            columns = kept
    plain = [column for column in columns if find_data_sets(column.head).is_only_name]
    if len(plain) == 1 and len(columns) > 1:  # beside "FMNIST (non-IID)"
        others = [column for column in columns if column not in plain]
        table.notes.append(
            f"{table.source}: {join_words(number_columns(plain))} was read, "
            f"{join_words(number_columns(others))} was not"
        )
        columns = plain
    whole = [column for column in columns if _ALL_TRAINING.fullmatch(column.lowest)]
    others = [column for column in columns if column not in whole]
    if len(whole) == 1 and others and all(_N_TRAINING.fullmatch(c.lowest) for c in others):
        table.notes.append(
            f"{table.source}: {join_words(number_columns(others))} are of fewer training images:"
            " not taken"
        )
        return whole
    return columns


# Below one head: 1, 10, 100 or all training images of each class.
_ALL_TRAINING = re.compile(r"\$?(?:full|all|100 ?%)\$?", re.IGNORECASE)
_N_TRAINING = re.compile(r"\$?[1-9][0-9,]* ?%?(?: shots?)?\$?", re.IGNORECASE)


def _choose_weak_columns(table: Table) -> list[Column]:
    """Return the column whose head names no metric but that seems to hold the accuracies."""
    caption = table.grid.caption
    if caption.rstrip(" *_").endswith(":"):  # a paragraph whose last sentence leads to the table
        caption = re.split(r"(?<=[.!?])\s+", caption)[-1]
    if is_training_metric(caption):
        return []
    metric = find_metric_name(remove_data_sets(caption)) or _find_metric_above(table)
    if metric is None and _is_of_unjudged_metric(table.grid.caption):
        if any(column.role == "weak" and column.n_figures for column in table.columns):
            table.notes.append(
                f"{table.source}: its caption names no metric that is judged: not taken"
            )
        return []
    weak = [column for column in table.columns if column.role == "weak" and column.n_figures]
    if metric is None and _NOT_OF_IMAGES.search(table.grid.caption):
        weak = [column for column in weak if not is_mean_head(column.head)]
    if sum(column.n_figures > 0 for column in table.columns) > 1:
        weak = [column for column in weak if not AMBIGUOUS_NAME.match(column.head)]
    weak = _choose_means(table, weak)
    columns = [column for column in weak if FASHION_IN_HEADS.search(column.head)]
    names_models = any(column.role == "label" for column in table.columns)
    if not columns and len(weak) == 1 and (metric or names_models):
        columns = weak
    has_heads = any(column.parts for column in table.columns)
    is_clear = metric or table.grid.is_whole or _lists_models_and_percentages(table)
    if not columns and not has_heads and is_clear:
        columns = [c for c in table.columns if c.n_figures > c.n_texts and c.index]
        columns = columns if len(columns) == 1 else []
    plausible = [column for column in columns if metric or _is_like_accuracies(table, column)]
    for column in plausible:
        column.metric = metric or MetricName("accuracy")
        if metric is None:
            head = f"{column.head!r}" if column.head else f"number {column.index + 1}"
            table.notes.append(
                f"{table.source}: the column {head} names no metric and was read as the accuracy"
            )
    return plausible


_SHOWN_IN_TABLE = re.compile(r"\b(?:tables?|below|following|these figures)\b", re.IGNORECASE)


def _find_metric_above(table: Table) -> MetricName | None:
    """Find the metric that the last line above a table names.

    ``Recall (%):`` is such a line, and ``The error rate is shown in the table.``
    """
    if table.grid.caption:
        return None
    line = remove_data_sets(re.split(r"(?<=[.!?])\s+", table.grid.line_above)[-1])
    metric = None if is_training_metric(line) else find_metric_name(line)
    mentions = list(find_mentions(normalise_name(line)))
    is_name = bool(mentions) and len(line) <= len(mentions[0].text) + 8
    return metric if metric and (is_name or _SHOWN_IN_TABLE.search(line)) else None


def _is_of_unjudged_metric(caption: str) -> bool:
    """Whether a caption names only metrics that fmbench does not judge, such as the AUROC."""
    mentions = list(find_mentions(normalise_name(caption)))
    return is_unjudged_share(caption) and all(mention.name is None for mention in mentions)


def _lists_models_and_percentages(table: Table) -> bool:
    """Whether a table of two columns lists percentages of models, at least two of them known."""
    if len(table.columns) != 2:
        return False
    names, figures = ([cell.text for cell in column.cells] for column in table.columns)
    are_percentages = all(text.rstrip().endswith("%") for text in figures)
    return are_percentages and sum(bool(find_models(name)) for name in names) > 1


def _choose_means(table: Table, weak: list[Column]) -> list[Column]:
    """Return the means where the other columns hold single runs (best, worst), and note these.

    Beside a column of another kind (``claimed``), the means are left out.
    """
    means = [column for column in weak if is_mean_head(column.head)]
    single = [
        column
        for column in table.columns
        if column.n_figures and _ONE_RUN.fullmatch(remove_data_sets(column.head))
    ]
    others = [column for column in weak if column not in means and column not in single]
    if others or not means:
        return [column for column in weak if column not in means]
    if single:
        verb = "holds" if len(single) == 1 else "hold"
        table.notes.append(
            f"{table.source}: {join_words(map(describe_column, single))} {verb} one run of "
            "several, beside their mean: not taken"
        )
    return means


def _is_like_accuracies(table: Table, column: Column) -> bool:
    """Whether the figures can be accuracies: fractions or percentages, most of them above half.

    Rows of differences and the like below the heads of models do not count.
    """
    texts = [
        strip_figure(cell.text)
        for cell, name in zip(column.cells, table.columns[0].cells, strict=True)
        if not (table.is_transposed and NOT_A_METRIC.search(normalise_name(name.text)))
    ]
    percent = choose_percent(texts, None)
    values = []
    for text in texts:
        figure = parse_printed_figure(text, percent=percent)
        if figure is not None and figure.out_of is None:
            value = Decimal(figure.value.rstrip("%"))
            values.append(value.scaleb(-2) if figure.value.endswith("%") else value)
    return (
        bool(values)
        and all(0 <= value <= 1 for value in values)
        and median(values) >= Decimal("0.5")
    )


_SHARE = re.compile(
    r"[~<>\u2248]?\s*(?:\d[\d.,]*\s?%|[01]?\.\d+|0?,\d+|[1-9]\d(?:\.\d+|,\d{1,2}))(?!\d).{0,12}"
)
_USE = re.compile(r"(?<![^\W_])(?:utili[sz]ation|usage|share|overhead)(?![^\W_])", re.IGNORECASE)
_NO_SHARE = re.compile(
    rf"{OTHER_HEAD.pattern}|(?<![^\W_])(?:version|lambda|dim)(?![^\W_])", re.IGNORECASE
)


def holds_shares(table: Table, column: Column) -> bool:
    """Whether half of a column's cells look like accuracies: ``91.2 %``, ``0.912``, ``91.2``.

    Counts do not. In a table that names no models, times and settings do not either.
    """
    names_models = any(other.role == "label" for other in table.columns)
    texts = [strip_figure(cell.text) for cell in column.cells if not is_missing(cell.text)]
    shares = [text for text in texts if is_figure(text) and _SHARE.fullmatch(text)]
    if _USE.search(column.head):
        return False
    if _NO_SHARE.search(column.head) and not names_models and not any("%" in t for t in shares):
        return False
    return bool(shares) and 2 * len(shares) >= len(texts)


def _note_columns(table: Table) -> None:
    for role, reason in (
        ("training", "of training or validation images"),
        ("other data", "of another data set"),
        ("not judged", "not the accuracy"),
    ):
        columns = [column for column in table.columns if column.role == role and column.n_figures]
        if columns:
            verb = "is" if len(columns) == 1 else "are"
            table.notes.append(
                f"{table.source}: {join_words([describe_column(c) for c in columns], 6)} {verb} "
                f"{reason}: not taken"
            )
    changed: dict[str, list[str]] = {}
    for column in table.columns:
        if column.role == "changed" and column.n_figures:
            changed.setdefault(column.condition, []).append(describe_column(column))
    for condition, heads in changed.items():
        verb = "is" if len(heads) == 1 else "are"
        table.notes.append(f"{table.source}: {join_words(heads, 6)} {verb} {condition}: not taken")


def note_double_figures(table: Table, chosen: Sequence[Column]) -> bool:
    """Note the columns in whose cells two figures stand, such as ``90.6 / 99.1``.

    Returns whether there are any.
    """
    roles = ("metric",) if chosen else ("metric", "weak", "")
    n_notes = len(table.notes)
    for column in table.columns:
        names_data = not chosen and find_data_sets(column.head).is_only_name
        texts = [cell.text for cell in column.cells if _are_two_figures(cell.text)]
        if (column.role in roles or names_data) and not column.n_figures and texts:
            table.notes.append(
                f"{table.source}: the cells of {describe_column(column) or 'a column'}, such as "
                f"{texts[0]!r}, hold several figures: not taken; give each a column of its own"
            )
    return len(table.notes) > n_notes


_TWO_FIGURES = re.compile(
    r"[.,][0-9]+\s?%?\s*(?:(?:[/|;]|,\s)\s*[0-9]|\(\s*[0-9]+[.,][0-9]+\s*%?\s*\)$)"
)


def _are_two_figures(text: str) -> bool:
    is_short = len(text) <= 60 and re.search(r"[^\W\d_]", text) is None
    return is_short and _TWO_FIGURES.search(text) is not None


_NO_MODEL = re.compile(
    r"(?:local|colab|kaggle|cpu|gpu|best|final|first|last|second|run|before|after|old|new|top|std)\b",
    re.IGNORECASE,
)


def _name_known_models(columns: Sequence[Column]) -> bool:
    """Whether the heads name models beside the metric: ``Bayes accuracy``, ``SVM accuracy``.

    One of them must be known as a model, so that others of the same form are models, too.
    """
    names = list(name_models(columns).values())
    return any(map(find_models, names)) and not any(map(_NO_MODEL.match, names))


def _have_names_of_each_data_set(table: Table, columns: Sequence[Column]) -> bool:
    """Whether the same names stand below each data set: ``Shallow`` and ``Deep``."""
    names = [column.lowest for column in columns if len(column.parts) > 1]
    others = [
        column.lowest
        for column in table.columns
        if column.role == "other data" and len(column.parts) > 1
    ]
    are_words = all(re.search(r"[^\W\d_]{2}", name) for name in names)
    return (
        len(set(names)) == len(columns)
        and are_words
        and set(names) == set(others)
        and not any(_NO_MODEL.match(name) or _WORDS_OF_METRIC.search(name) for name in names)
    )


def _have_names_beside_data_sets(table: Table, columns: Sequence[Column]) -> bool:
    """Whether heads tell methods apart where the rows are data sets: ``BP accuracy``."""
    roles = {column.role for column in table.columns}
    names = list(name_models(columns).values())
    return (
        "data set" in roles
        and "label" not in roles
        and bool(names)
        and all(re.search(r"[^\W\d_]{2}", name) for name in names)
        and not any(
            _NO_MODEL.match(name) or _NO_VARIANT.search(name) or _WORDS_OF_METRIC.search(name)
            for name in names
        )
    )


_WORDS_OF_METRIC = re.compile(
    r"(?<![^\W_])(?:train\w*|val\w*|test\w*|std|time|iid|noni?iid|clean|noise|noisy|robust|params?)"
    r"(?![^\W_])",
    re.IGNORECASE,
)


def name_models(columns: Sequence[Column]) -> dict[int, str]:
    """Return the models that heads name beside a metric: ``SVM | F1``; empty if not all do."""
    names = {}
    for column in columns:
        rest = [
            part
            for part in column.parts
            if not find_metric_name(remove_data_sets(part))
            and not find_data_sets(part).is_only_name
        ]
        name = clean_label(" ".join(rest) or _remove_metrics(column.head))
        names[column.index] = _PERCENT_SIGN.sub("", name)
    metrics = Counter((str(c.metric), names[c.index]) for c in columns)
    if not all(names.values()) or max(metrics.values(), default=0) > 1:
        return {}
    return names


def _remove_metrics(head: str) -> str:
    """Return a head without the names of metrics and data sets, and without ``test``."""
    rest = normalise_name(remove_data_sets(head))
    for mention in reversed(list(find_mentions(rest))):
        rest = rest[: mention.start] + rest[mention.end :]
    rest = tidy(
        re.sub(rf"{TEST_IMAGES.pattern}|\(\s*%?\s*\)", " ", rest, flags=re.IGNORECASE)
    ).strip(" :-%")
    printed = re.search(r"\s*".join(map(re.escape, rest.split())), head)
    return printed[0] if printed else rest  # "ResNet", and not "Res Net"
