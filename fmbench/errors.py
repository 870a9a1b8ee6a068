"""The one exception whose message is meant for the user."""


class UserError(Exception):
    """Something the user can mend: one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """
