"""What the tools refuse, in a sentence that says what to do."""


class Refused(Exception):  # noqa: N818 -- it reads as what happened: "bundle: refused"
    """The input cannot become a bundle that serves, or a step would undo what must stay."""
