"""Questions of another set, as `gymqa questions import` makes them: 2 to 26 choices, pairs, no element."""

from collections.abc import Sequence

from gymqa.finegym.clip_ids import make_clip_id
from gymqa.questions.schema import IMPORTED, LETTERS, Question


def imported(number: int, n_choices: int = 4, answer: int = 0, video: str = "a/run.mp4", group: str = "") -> Question:
    choices = tuple(f"the {LETTERS[index].lower()} way" for index in range(n_choices))
    clip = make_clip_id(video.removesuffix(".mp4"), video.split("/")[0], "here")
    return Question(
        f"tiny-{number}", clip, clip.split("@")[1], "Which way?", choices, answer, kind=IMPORTED, group=group,
        source="tiny", task="order" if number % 2 else "count", video=video,
    )  # fmt: skip


def tiny_set() -> Sequence[Question]:
    """Six questions of 2, 3, 4 and 26 choices about three clusters of videos; the last two are a pair."""
    return [
        imported(0, 2, 1),
        imported(1, 3, 0, "a/jump.mp4"),
        imported(2, 4, 3, "b/run.mp4"),
        imported(3, 26, 25, "b/jump.mp4"),
        imported(4, 4, 0, "c/run.mp4", "pair"),
        imported(5, 4, 1, "c/jump.mp4", "pair"),
    ]
