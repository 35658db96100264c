"""Video encoders built by kind, folder, or the user's own `package.module:function` (own file: it needs torch)."""

from collections.abc import Collection

from encoders.video.base import VideoEncoder
from encoders.video.registry import ENCODERS, EncoderOptions, options_of, parse
from gymqa.errors import GymQAError
from gymqa.runtime.registry import DOCS


def create_encoder(spec: str, options: EncoderOptions | None = None, device: str = "cpu") -> VideoEncoder:
    """Build an encoder.

    Args:
        spec: a kind; kind:source, the source being a folder or owner/name@revision on the Hub; the folder of a trained
            recognizer; or the user's own, `package.module:function` or `package.module:function:source`.
        options: of the encoder; those that are not set are the kind's own.
        device: where it runs.

    Raises:
        GymQAError: no such kind or source, an option that the kind does not have, its files do not fit, or a plug-in
            that does not fit.
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
    """Refuse options that an encoder does not have."""
    strange = [name for name in options.given() if name not in known]
    if strange:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise GymQAError(f"the encoder {kind} has no option {strange[0]}; {has}")


def _require_fingerprint(kind: str, made: VideoEncoder, options: EncoderOptions) -> None:
    """Refuse a plug-in whose fingerprint does not say what it is and which options it was built with.

    Its features are told apart by the fingerprint, and the encoder is built again from it (`options_of`).
    """
    fingerprint = made.fingerprint()
    if fingerprint.get("encoder") != kind:
        raise GymQAError(f"encoder {kind}: its fingerprint must say 'encoder': {kind!r}; {DOCS}")
    _require_options(kind, options, options_of(kind, fingerprint).given())
