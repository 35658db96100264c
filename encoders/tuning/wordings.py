"""Ways to ask for the element. Training draws among them; the benchmarks always ask in the first."""

from gymqa.questions.schema import QUESTION_TEXT

WORDINGS = (
    QUESTION_TEXT,
    "Which move is shown?",
    "Name the gymnastics move.",
    "Which gymnastics move is this?",
    "What move is this athlete performing?",
)
