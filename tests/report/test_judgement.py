"""Tests of the sentences of a judgement that a reader could misread."""

import fmbench
from fmbench.report.judgement import explain_columns, format_judgement, summarise


def test_a_figure_above_all_that_was_checked_is_said_with_its_distance():
    judgement = fmbench.judge("LeNet-5 98.80 %")
    words = "1 is more than 0.5 points above every result that a third party has checked."
    assert words in summarise(judgement)
    columns = explain_columns(judgement)
    assert "needs margin: the smallest number of points within which it would be rep" in columns


def test_a_review_says_that_there_is_no_rerun_of_a_model():
    one = format_judgement(fmbench.judge("VGG16 93.5 %"), "review")
    assert "No rerun of its models is available." in one
    two = format_judgement(fmbench.judge("VGG16 93.5 %", "LeNet-5 98.80 %"), "review")
    assert "claimed 93.5 %; no rerun of exactly this model is available." in two
