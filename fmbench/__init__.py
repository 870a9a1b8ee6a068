"""fmbench: are these reported Fashion-MNIST accuracies true?

The way of the data::

    suites (claims) ---------------------------------------------------------------.
                                                                                   v
    datasets -> runner.fit -> runner.predict -> record -> metrics, summary -> verdicts -> tables
                '------- harness, in execution ------'   (on disk)

Two halves meet only in the records on disk. The measuring half (``datasets``, ``registry``,
``runners``, ``training``, ``harness``, ``execution``) never sees a claimed number; the judging
half (``suites``, ``metrics``, ``summary``, ``consistency``, ``verdicts``, ``tables``) never fits a
model. ``forensics`` alone stands above both: it plans runs (``mistakes``) and holds their figures
against a claim.

Accuracies are in [0, 1] everywhere but in what is printed.
"""

from fmbench.errors import UserError
from fmbench.models.registry import from_source, our_choice, register, stated

__all__ = ["UserError", "from_source", "our_choice", "register", "stated"]
