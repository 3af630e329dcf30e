"""The one error that the command line shows to its user without a traceback."""


class UserError(Exception):
    """A request that cannot be met; the message says what is wrong and what to do."""
