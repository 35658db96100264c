"""The one exception that users see as a sentence: what is wrong, which thing, and how to mend it."""


class GymQAError(Exception):
    """Wrong input or an impossible request; its text is one sentence naming the thing and the mend.

    `gymqa.cli.main` prints the sentence and leaves with status 2; any other exception is a defect of ours.
    """
