"""The Python API: what the command line does, for notebooks and scripts.

    import fmbench

    results = fmbench.load_results("results/reference")
    results.to_frame()[["label", "claimed", "mean", "verdict"]]

``import fmbench`` has the functions that most scripts need; the modules here have all of them. The
commands of ``fmbench`` call the same functions and print what they return. Messages for the user go
to the logger ``fmbench``; errors that the user can correct are :class:`fmbench.UserError`.

Accuracies are fractions in [0, 1], seconds are wall time, memory is in bytes.
"""
