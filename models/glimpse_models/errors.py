"""What the tools refuse, in a sentence that says what to do."""


class Refused(Exception):
    """The input cannot become a bundle that serves."""
