"""The loops of a classifier are compiled before its fit, also those of a step of a pipeline."""

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmbench.models.accelerators import compile_loops


class Compiled(StandardScaler):
    """A step that counts how often it compiles its loops."""

    n_calls = 0

    def compile_loops(self):
        self.n_calls += 1


def test_the_loops_of_a_classifier_and_of_each_step_of_a_pipeline_are_compiled():
    alone, step = Compiled(), Compiled()
    compile_loops(alone)
    compile_loops(make_pipeline(StandardScaler(), step))
    compile_loops(StandardScaler())
    assert (alone.n_calls, step.n_calls) == (1, 1)
