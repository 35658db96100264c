"""The words by which a reply states, closes, denies or takes back an answer; without case."""

ANSWER = frozenset({
    "ans", "answer", "antwort", "resposta", "respuesta", "risposta", "réponse", "ответ", "正解", "答え", "答案", "정답"
})  # fmt: skip
"""Nouns that an answer follows."""
OPTION = frozenset({"choice", "letter", "option"})
"""Nouns that one follows where they are called right, or are names in JSON."""
RIGHT = frozenset({"accurate", "appropriate", "best", "correct", "right"})
"""What a right option is called."""
CALLED = frozenset({"accurate", "answer", "appropriate", "best", "correct", "right"})
"""What a letter is that is stated to be right."""
CHOOSE = frozenset({"choose", "pick", "select"})
"""Verbs that an answer follows."""
BEFORE_CHOOSE = frozenset({"i", "i'd", "i'll", "must", "therefore", "will", "would"})
"""Words that these verbs follow when they state an answer; or none."""
CLOSING = frozenset({"conclusion", "final", "finally", "hence", "overall", "so", "therefore", "thus"})
"""Words in a statement that closes a reply."""
FILLERS = frozenset({
    "answer", "be", "best", "certainly", "choice", "clearly", "correct", "definitely", "es", "est", "is", "ist",
    "letter", "likely", "mathbf", "mathrm", "most", "must", "obviously", "option", "probably", "question", "right",
    "should", "surely", "text", "textbf", "the", "therefore", "this", "to", "was", "would", "é", "は", "为", "是"
})  # fmt: skip
"""Words between "answer" and what it is."""
LEADING = frozenset({
    "believe", "choice", "definitely", "i", "is", "it", "it's", "its", "letter", "option", "probably", "say",
    "that's", "think", "would"
})  # fmt: skip
"""Words that a reply may begin with before its letter."""
NEGATIONS = frozenset({"against", "cannot", "doubt", "neither", "never", "no", "nor", "not", "unlikely", "without"})
"""Words that deny what follows in their clause, beside those that end in n't."""
CONDITIONS = frozenset({"assuming", "either", "if", "suppose", "supposing", "unless", "whether"})
"""Words that make their sentence a condition."""
CLAUSE_ENDS = frozenset({"!", ",", ".", ";", "?", "because", "but", "hence", "so", "therefore", "thus", "。", "，"})
SENTENCE_ENDS = frozenset({"!", ".", "?", "。"})
SECOND_THOUGHTS = frozenset({
    "correcting", "correction", "hmm", "mistake", "mistaken", "nevermind", "oops", "reconsider", "reconsidering",
    "scratch", "sorry", "wait"
})  # fmt: skip
INTERJECTIONS = frozenset({"actually", "instead", "no", "rather"})
"""Second thoughts where a clause begins with them."""
REFUSALS = frozenset({"can't", "cannot", "impossible", "insufficient", "unable", "uncertain", "unclear", "unsure"})
UNSURE = frozenset({"believe", "certain", "clear", "know", "possible", "sure", "think"})
"""Refusals after "not"."""
HESITANT = frozenset({"also", "even", "maybe", "perhaps", "possibly"})
"""Words that may stand before a further letter."""
LINKS = frozenset({"and", "et", "nor", "o", "oder", "or", "ou", "und", "y", "和", "或"})
"""What joins a letter to a further one, as words and as signs."""
LINK_SIGNS = frozenset({"&", "+", ",", "/", ";", "|", "、"})
REASONS = frozenset({"as", "based", "because", "due", "for", "given", "since"})
"""Words that may follow a letter or a text without a sign between."""
WRONG = frozenset({"false", "improbable", "inaccurate", "incorrect", "mistaken", "unlikely", "worst", "wrong"})
"""What a choice is called that is not meant; also before "answer"."""
COPULAS = frozenset({
    "a", "also", "an", "are", "be", "certainly", "clearly", "definitely", "highly", "is", "looks", "most", "obviously",
    "probably", "quite", "seems", "surely", "that", "that's", "the", "this", "very", "was", "which", "would"
})  # fmt: skip
"""Words between a choice and what it is called."""
AFFIRMED = RIGHT | {"answer", "it", "likely", "possible", "true"}
"""What is denied where it follows "not"."""
CONDITIONS_AFTER = frozenset({"assuming", "if", "otherwise", "provided", "unless"})
"""Words that make a condition of what stands before them in their sentence."""
DENIALS_CJK = ("ではない", "ではなく", "じゃない", "ではありません", "不是", "不对", "不正确", "错", "吗")
"""Denials, and the Chinese mark of a question, that follow a letter."""
