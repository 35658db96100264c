"""Show a clip to an image-text model: a video with its frame rate and times, or images with their times as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from transformers.video_utils import VideoMetadata

from eval.adapters.clip_frames import ClipFrames, stamp
from eval.adapters.vlm.families import Family
from gymqa.frames.sampling import ClipTimes
from gymqa.frames.video import Frames

Part = dict[str, str]  # of a conversation's turn


class Showing:
    """The frames of clips, as a family's processor and chat template take them.

    Args:
        family: of the model.
        frames: frames of the clips; None shows none.
    """

    def __init__(self, family: Family, frames: ClipFrames | None) -> None:
        self._family, self._frames = family, frames

    def why_unseen(self, clip_id: str) -> str | None:
        """The reason why a clip cannot be shown; None where it can."""
        if self._frames is None:
            return None
        unseen = self._frames.why_unseen(clip_id)
        if unseen is None and self._family.as_video and self._frames.times(clip_id) is None:
            return f"the frame rate of clip {clip_id} is not known; cache its images with --image_fps"
        return unseen

    def take(self, clip_ids: Sequence[str]) -> list[Frames]:
        """Frames of clips, each uint8 [N, H, W, 3]; none without frames."""
        if self._frames is None:
            return []
        read = {clip_id: self._frames.take(clip_id) for clip_id in dict.fromkeys(clip_ids)}
        return [read[clip_id] for clip_id in clip_ids]

    def parts(self, clip_id: str | None) -> list[Part]:
        """The clip's parts of a turn; of no clip in particular, one without times."""
        if self._frames is None:
            return []
        if self._family.as_video:
            return [{"type": "video"}]
        if clip_id is None:
            return [{"type": "image"}]
        seconds = self._frames.seconds(clip_id)
        if seconds is None:
            return [{"type": "image"}] * len(self._frames.indices(clip_id))
        return [part for second in seconds for part in ({"type": "text", "text": stamp(second)}, {"type": "image"})]

    def inputs(self, clip_ids: Sequence[str], clips: Sequence[Frames]) -> dict[str, Any]:
        """Arguments of the processor for a batch of clips: videos with their metadata, or lists of images."""
        if self._frames is None:
            return {}
        if not self._family.as_video:
            rows = [[Image.fromarray(frame) if self._family.pil else frame for frame in clip] for clip in clips]
            return {"images": rows, **self._family.image_options}
        least = self._family.least_frames
        videos, metadata = [], []
        for clip_id, clip in zip(clip_ids, clips, strict=True):
            times, seconds = self._frames.times(clip_id), self._frames.seconds(clip_id)
            assert times is not None and seconds is not None  # refused by why_unseen
            missing = max(0, least - len(clip))
            videos.append(np.concatenate([clip, np.repeat(clip[-1:], missing, 0)]))
            metadata.append(video_metadata(times, [*seconds, *[seconds[-1]] * missing], clip.shape[1:3]))
        return {"videos": videos, "video_metadata": metadata, "do_sample_frames": False, **self._family.video_options}

    def fingerprint(self) -> Mapping[str, Any] | None:
        """Everything that what is shown depends on, as JSON values."""
        if self._frames is None:
            return None
        form = "video with metadata" if self._family.as_video else "images with times"
        options = self._family.video_options if self._family.as_video else self._family.image_options
        return {**self._frames.fingerprint(), "shown_as": form, "processor_options": dict(options)}


def video_metadata(times: ClipTimes, seconds: Sequence[float], shape: tuple[int, ...]) -> VideoMetadata:
    """What processors are told of a video: true frame rate and duration, and the numbers of the frames shown.

    Args:
        times: of the clip.
        seconds: when each frame is shown [N].
        shape: height and width of the frames, pixels.
    """
    numbers = [round(second * times.fps) for second in seconds]
    return VideoMetadata(
        total_num_frames=max(times.source_frames, numbers[-1] + 1),
        fps=times.fps,
        width=shape[1],
        height=shape[0],
        duration=times.duration,
        video_backend="pyav",
        frames_indices=numbers,
    )
