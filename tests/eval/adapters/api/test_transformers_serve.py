"""`transformers serve` runs a tiny LLaVA on loopback, and the openai adapter asks it over HTTP."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers.utils.import_utils import is_serve_available

from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.adapters.clip_frames import ClipFrames
from eval.adapters.vlm.hf_vlm import HfVlm
from eval.adapters.vlm.loading import load_vlm
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from tests.helpers.questions import question
from tests.helpers.tiny_vlms import save_tiny

pytestmark = pytest.mark.skipif(
    not is_serve_available(), reason="transformers serve needs its extra; pip install 'gymqa[serving]'"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llava", tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The base URL of a server of that model, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(folder)]
    told = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder.parent / "home"), "CUDA_VISIBLE_DEVICES": ""}
    log = folder.parent / "serve.log"
    with log.open("wb") as out:
        served = subprocess.Popen(
            [*words, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"], env=told, stdout=out, stderr=out
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", served, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            served.terminate()
            served.wait(30)


def _wait(health: str, served: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        assert served.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(health, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()}")


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_served_model_sees_the_frames_and_says_what_it_says_when_asked_here(
    url: str, folder: Path, world: tuple[FrameCache, Splits]
) -> None:
    cache = world[0]
    asked = [question(f"q{i}", (0, 1, 2, 3), 0, cache.clip_ids[i]) for i in range(4)]
    settings = ApiSettings(base_url=url, key_variable="NO_SUCH_KEY", in_flight=4, max_tokens=8, jpeg_quality=100)
    served = OpenAIModel("served", str(folder), ClipFrames(cache, 4), settings)
    answers = served.answer(asked)
    served.close()
    here = HfVlm("here", load_vlm(str(folder)), ClipFrames(cache, 4), "generate", max_new_tokens=8).answer(asked)
    said = [[one.detail.reply if one.detail else "" for one in said] for said in (answers, here)]
    assert all(said[0]) and said[0] == said[1]  # a random model babbles, but the same: JPEG changes little
    blind = HfVlm("blind", load_vlm(str(folder)), None, "generate", max_new_tokens=8).answer(asked)
    assert all(one.detail and one.detail.reply != seen for one, seen in zip(blind, said[0], strict=True))
    assert [answer.choice for answer in answers] == [answer.choice for answer in here]
    usage = served.usage()
    assert usage["replies"] == 4 and usage["prompt_tokens"] > 4 * 4 * 4 and usage["completion_tokens"] == 32
