"""Vocabulary of the reply parser: casefolded words that state, conclude, negate, condition or retract an answer."""

ANSWER = frozenset({
    "ans", "answer", "antwort", "resposta", "respuesta", "risposta", "réponse", "ответ", "正解", "答え", "答案", "정답"
})  # fmt: skip
"""Nouns followed by an answer."""
OPTION = frozenset({"choice", "letter", "option"})
"""Nouns followed by an answer where they are called right, or are JSON keys."""
RIGHT = frozenset({"accurate", "appropriate", "best", "correct", "right"})
"""Adjectives of the right option."""
CALLED = frozenset({"accurate", "answer", "appropriate", "best", "correct", "right"})
"""Predicates that state a letter to be right ("B is correct")."""
CHOOSE = frozenset({"choose", "pick", "select"})
"""Verbs followed by an answer."""
BEFORE_CHOOSE = frozenset({"i", "i'd", "i'll", "must", "therefore", "will", "would"})
"""Words before these verbs when they state an answer; or none."""
CLOSING = frozenset({"conclusion", "final", "finally", "hence", "overall", "so", "therefore", "thus"})
"""Words in a concluding statement."""
FILLERS = frozenset({
    "answer", "be", "best", "certainly", "choice", "clearly", "correct", "definitely", "es", "est", "is", "ist",
    "letter", "likely", "mathbf", "mathrm", "most", "must", "obviously", "option", "probably", "question", "right",
    "should", "surely", "text", "textbf", "the", "therefore", "this", "to", "was", "would", "é", "は", "为", "是"
})  # fmt: skip
"""Words between "answer" and its value."""
LEADING = frozenset({
    "believe", "choice", "definitely", "i", "is", "it", "it's", "its", "letter", "option", "probably", "say",
    "that's", "think", "would"
})  # fmt: skip
"""Words that may precede the letter at the beginning of a reply."""
NEGATIONS = frozenset({"against", "cannot", "doubt", "neither", "never", "no", "nor", "not", "unlikely", "without"})
"""Words that negate what follows in their clause, beside those ending in n't."""
CONDITIONS = frozenset({"assuming", "either", "if", "suppose", "supposing", "unless", "whether"})
"""Words that make their sentence conditional."""
CLAUSE_ENDS = frozenset({"!", ",", ".", ";", "?", "because", "but", "hence", "so", "therefore", "thus", "。", "，"})
SENTENCE_ENDS = frozenset({"!", ".", "?", "。"})
SECOND_THOUGHTS = frozenset({
    "correcting", "correction", "hmm", "mistake", "mistaken", "nevermind", "oops", "reconsider", "reconsidering",
    "scratch", "sorry", "wait"
})  # fmt: skip
INTERJECTIONS = frozenset({"actually", "instead", "no", "rather"})
"""Self-corrections at the beginning of a clause."""
REFUSALS = frozenset({"can't", "cannot", "impossible", "insufficient", "unable", "uncertain", "unclear", "unsure"})
UNSURE = frozenset({"believe", "certain", "clear", "know", "possible", "sure", "think"})
"""Words that make a refusal after "not"."""
HESITANT = frozenset({"also", "even", "maybe", "perhaps", "possibly"})
"""Words that may stand before a further letter."""
LINKS = frozenset({"and", "et", "nor", "o", "oder", "or", "ou", "und", "y", "和", "或"})
"""Words that join a letter to a further one; LINK_SIGNS are the signs."""
LINK_SIGNS = frozenset({"&", "+", ",", "/", ";", "|", "、"})
REASONS = frozenset({"as", "based", "because", "due", "for", "given", "since"})
"""Words that may follow a letter or a text without a sign between."""
WRONG = frozenset({"false", "improbable", "inaccurate", "incorrect", "mistaken", "unlikely", "worst", "wrong"})
"""Predicates of a rejected choice; also before "answer"."""
COPULAS = frozenset({
    "a", "also", "an", "are", "be", "certainly", "clearly", "definitely", "highly", "is", "looks", "most", "obviously",
    "probably", "quite", "seems", "surely", "that", "that's", "the", "this", "very", "was", "which", "would"
})  # fmt: skip
"""Words between a choice and its predicate."""
AFFIRMED = RIGHT | {"answer", "it", "likely", "possible", "true"}
"""Predicates that make a negation after "not"."""
CONDITIONS_AFTER = frozenset({"assuming", "if", "otherwise", "provided", "unless"})
"""Words that make what precedes them in the sentence conditional."""
DENIALS_CJK = ("ではない", "ではなく", "じゃない", "ではありません", "不是", "不对", "不正确", "错", "吗")
"""Negations, and the Chinese question mark, after a letter."""
