"""GymQAError: wrong input, shown to users as one sentence (a file of its own: every module raises it)."""


class GymQAError(Exception):
    """Wrong input or an impossible request; its text is one sentence naming what is wrong and how to correct it.

    `gymqa.cli.main` prints the sentence and exits with status 2; any other exception is a bug in gymqa.
    """
