"""Joins all that is known about a paper into one story; the page and README.md both begin with it.

It says what was claimed, what honest reruns get, what cannot be true, and what could explain it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fmbench.analysis.forensics.findings import ForensicsFindings
from fmbench.analysis.predictions import SuitePredictions
from fmbench.consistency.check import ConsistencyResult
from fmbench.report.commands import Commands
from fmbench.report.mistakes import explain_with_mistakes
from fmbench.report.sentences import Sentence, write_answer


def write_story(
    predictions: SuitePredictions,
    consistency: ConsistencyResult | None,
    findings: Sequence[ForensicsFindings],
    commands: Commands,
) -> list[Sentence]:
    """Write the answer, then what could explain the figures of the model the suite is about.

    ``findings`` may be about other models, too; their explanations are not a part of the story.
    """
    subject = predictions.results.suite.subject
    explanations = [explain_with_mistakes(f) for f in findings if f.plan.runner.name == subject]
    answer = write_answer(predictions, consistency, commands)
    return [*answer, *filter(None, explanations)]
