"""Construction of video encoders by kind, folder or plug-in; a file of its own, since it needs torch."""

from collections.abc import Collection

from encoders.video.base import VideoEncoder
from encoders.video.registry import ENCODERS, EncoderOptions, options_of, parse
from gymqa.errors import GymQAError
from gymqa.runtime.registry import DOCS


def create_encoder(spec: str, options: EncoderOptions | None = None, device: str = "cpu") -> VideoEncoder:
    """Build an encoder.

    Args:
        spec: a kind; kind:source, the source being a folder or owner/name@revision on the Hub; the folder of a trained
            recognizer; or a plug-in, `package.module:function` or `package.module:function:source`.
        options: of the encoder; unset ones are the kind's defaults.
        device: device it runs on.

    Raises:
        GymQAError: no such kind or source, an unsupported option, invalid files, or a plug-in that does not fit.
    """
    kind, source = parse(spec)
    options = options or EncoderOptions()
    if kind in ENCODERS:
        _require_options(kind, options, ENCODERS.entry(kind).options)
    made = ENCODERS.make(kind, VideoEncoder, source, options, device)  # type: ignore[type-abstract]
    if kind not in ENCODERS:
        _require_fingerprint(kind, made, options)
    return made


def _require_options(kind: str, options: EncoderOptions, known: Collection[str]) -> None:
    """Raise an error for options that an encoder does not support."""
    unsupported = [name for name in options.given() if name not in known]
    if unsupported:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise GymQAError(f"the encoder {kind} has no option {unsupported[0]}; {has}")


def _require_fingerprint(kind: str, made: VideoEncoder, options: EncoderOptions) -> None:
    """Raise an error for a plug-in whose fingerprint lacks its name or its options.

    Features are identified by the fingerprint, and the encoder is rebuilt from it (`options_of`).
    """
    fingerprint = made.fingerprint()
    if fingerprint.get("encoder") != kind:
        raise GymQAError(f"encoder {kind}: its fingerprint must say 'encoder': {kind!r}; {DOCS}")
    _require_options(kind, options, options_of(kind, fingerprint).given())
