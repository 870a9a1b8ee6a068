"""Reads the columns of models in a table whose caption alone names the metric.

``Table 2: Test accuracy (%)`` stands above ``Batch size | ResNet-18 | ResNet-50``.
"""

from __future__ import annotations

from fmbench.extraction.data_set_names import remove_data_sets
from fmbench.extraction.metric_names import find_metric_name, is_training_metric
from fmbench.extraction.table_heads import Table
from fmbench.extraction.text.mentions import find_models


def give_metric_of_caption(table: Table) -> None:
    """Give columns headed by models the metric that the caption names, if no head names one.

    At least two such columns are needed: a single one may be anything.
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
    if metric is None or len(columns) < 2:
        return
    for column in columns:
        column.role, column.metric = "metric", metric


def _is_model(head: str) -> bool:
    """Whether a head is the name of a known model and no more."""
    return [model.name for model in find_models(head)] == [head.strip()]
