"""Clean a reply: normal forms of letters, no invisible characters, no control tokens, no markup."""

import html
import re
import unicodedata

_PIECE = re.compile(r"\S{1,64}|\s+")
_INVISIBLE = frozenset({"Cf", "Co", "Cn", "Cs"})  # format, private use, unassigned, surrogates
_VARIATION = re.compile("[\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff]")
# Letters in circles and squares that NFKC leaves as they are: base code points of their A.
_FRAMED = {base + index: chr(65 + index) for base in (0x1F150, 0x1F170, 0x1F1E6) for index in range(26)}
_FOREIGN = r"[^\W\d_A-Za-z\u00aa-\u024f\u1e00-\u1eff]"  # a letter of another script
_GLUED = re.compile(rf"(?<={_FOREIGN})(?=[A-Za-z](?![A-Za-z]))|(?<=(?<![^\W_])[A-Z])(?={_FOREIGN})")
_TURKISH = re.compile(r"\b([A-Z])['’](?=[dtyn][ıiuü])")  # C'dir: C is

_TOKEN = re.compile(
    r"<[|｜][^<>\n]{0,80}?[|｜]>|</?s>|<(?:bos|eos|pad|unk|unused\d+|0x[0-9a-f]{2})>|\[/?INST\]|<</?SYS>>",
    re.IGNORECASE,
)
_TURN = re.compile(r"</?(?:start|end)_of_(?:turn|image|video)>|<\|?eo[st]_?(?:id)?\|?>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][a-z0-9_:-]{1,30}(?:\s[^<>\n]{0,80})?/?>", re.IGNORECASE)
_BOLD = re.compile(r"<([bip])>([^<>]{0,200})</\1>")
_LATEX = re.compile(r"\\(?:text|math|mbox|bm|bold|large|Large|quad|,|;|!|\(|\)|\[|\])[a-z]*|\\\\")
_ABBREVIATED = re.compile(r"\be\.\s?g\b\.?", re.IGNORECASE)
_MARKS = re.compile(r"[*_`~#$\\{}]+")


def normalize(text: str) -> str:
    """NFKC, without invisible characters; letters in frames are letters, and stand apart from other scripts."""
    text = html.unescape(text) if "&" in text else text
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_FRAMED)
    # Piece by piece: normalising a long run of combining marks is quadratic in its length.
    text = "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(text))
    text = "".join(
        sign for sign in text if sign in "\n\t" or (unicodedata.category(sign) not in _INVISIBLE and sign >= " ")
    )
    return _TURKISH.sub(r"\1 ", _GLUED.sub(" ", _VARIATION.sub("", text)))


def strip_tokens(text: str) -> str:
    """Leave out control tokens of chat templates: `</s>`, `<|im_end|>`, `[/INST]`."""
    return _TURN.sub(" ", _TOKEN.sub(" ", text))


def strip_markup(text: str) -> str:
    """Leave out HTML tags, LaTeX's commands and Markdown's signs; a letter in brackets stays."""
    text = _ABBREVIATED.sub("for example", text)
    return _MARKS.sub(" ", _LATEX.sub(" ", _TAG.sub(" ", _BOLD.sub(r" \2 ", text))))
