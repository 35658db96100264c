"""Leave out a reply's reasoning: <think> … </think> and the marks of other chat templates."""

import re

_NAMES = (
    r"think(?:ing)?|thoughts?|reasoning|reason|analysis|scratch_?pad|reflection|rationale|cot|chain_of_thought|"
    r"inner_?monologue|deliberation|planning|internal|seed:think|seed:cot_budget_reflect"
)
_OPEN = re.compile(
    rf"<\s*(?:{_NAMES})(?:\s[^<>\n]{{0,80}})?>|\[\s*(?:think(?:ing)?|thoughts?|reasoning)\s*\]|◁\s*think\s*▷|"
    r"<[|｜](?:begin_of_|start_)?(?:thought|think|thinking|reasoning)[|｜]>|<unused94>|<details type=.reasoning.[^>]*>",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"<\s*\\?/\s*(?:{_NAMES})\s*>|\[\s*/\s*(?:think(?:ing)?|thoughts?|reasoning)\s*\]|◁\s*/\s*think\s*▷|"
    r"<[|｜](?:/|end_of_|end_)(?:thought|think|thinking|reasoning)[|｜]>|<unused95>|"
    r"^[ \t*]{0,8}\.\.\.[ \t]*done thinking\.?|(?<=</summary>)\s*</details>",
    re.IGNORECASE | re.MULTILINE,
)
_MARK = re.compile(f"(?P<open>{_OPEN.pattern})|(?P<close>{_CLOSE.pattern})", re.IGNORECASE | re.MULTILINE)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]{0,80}<\|message\|>")
_END = re.compile(r"<\|(?:end|start|return|call)\|>")
_STRIPPED = re.compile(r"\s*analysis(?=[A-Z\s])")  # harmony whose control tokens the server left out


def leave_out_thoughts(text: str) -> str | None:
    """What a reply says outside its thoughts; None where a thought is left unfinished.

    A closing mark without an opening one ends a thought that the prompt's template has opened.
    """
    channels = list(_CHANNEL.finditer(text))
    if channels:
        return _final_channel(text, channels)
    if _STRIPPED.match(text):
        _, mark, final = text.rpartition("assistantfinal")
        if mark or re.match(r"\s*analysis[A-Z]", text):
            return final if mark else None
    if re.match(r"\s*Thinking\.\.\.\s*\n", text):
        text = "<think>" + text
    spoken, depth, last = [], 0, 0
    for found in _MARK.finditer(text):
        if found["open"]:
            spoken += [text[last : found.start()]] if depth == 0 else []
            depth += 1
        else:
            spoken = spoken if depth else []
            depth = 0  # a nested thought is seldom closed twice
        last = found.end()
    return None if depth else " ".join([*spoken, text[last:]])


def _final_channel(text: str, channels: list[re.Match[str]]) -> str | None:
    """The last message in harmony's channel `final`; None without one."""
    for found in reversed(channels):
        if found[1].lower() == "final":
            end = _END.search(text, found.end())
            return text[found.end() : end.start() if end else len(text)]
    return None
