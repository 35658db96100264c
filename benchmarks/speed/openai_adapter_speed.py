"""Request rate and concurrency of the openai adapter on loopback: `python benchmarks/speed/openai_adapter_speed.py`."""

import asyncio
import json as json_module
import math
import multiprocessing
import os
import re
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.adapters.clip_frames import ClipFrames
from gymqa.cli.main import run_script
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import write_video
from gymqa.io.files import write_json
from gymqa.questions.schema import Question
from gymqa.runtime.runs import environment

IN_FLIGHT, SIZE, LENGTH, CLIPS = 64, 224, 32, 8
REPLY = json_module.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "B"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 1},
    }
).encode()


class Server:
    """Answers every request after `latency` seconds, and counts how many wait at a time."""

    def __init__(self, latency: float) -> None:
        self.latency, self.now, self.most, self.bytes = latency, 0, 0, 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.findall(rb"(?i)content-length: *(\d+)", head)[0])
                await reader.readexactly(length)
                self.now, self.bytes = self.now + 1, self.bytes + length
                self.most = max(self.most, self.now)
                await asyncio.sleep(self.latency)
                self.now -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(REPLY), REPLY))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def serve(latency: float, pipe: Connection) -> None:
    """Send the port, answer until the pipe gets a message, and send the counts."""

    async def run() -> None:
        server = Server(latency)
        listening = await asyncio.start_server(server.answer, "127.0.0.1", 0, limit=1 << 22)
        pipe.send(listening.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        pipe.send((server.most, server.bytes))

    asyncio.run(run())


def questions(n: int) -> list[Question]:
    """Questions about a few clips."""
    asked = "Which move?", tuple("wxyz"), 1, "random", "random", (0, 1, 2, 3), "FX", 1, 1
    return [Question(f"q{i}", f"c{i % CLIPS}", f"v{i % CLIPS}", *asked) for i in range(n)]


def make_cache(folder: Path) -> FrameCache:
    """Noisy clips of 224 pixels, which JPEG finds hard."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (CLIPS, LENGTH, SIZE // 4, SIZE // 4, 3), dtype=np.uint8)
    paths = {f"c{i}": folder / f"c{i}.mp4" for i in range(CLIPS)}
    for frames, path in zip(small, paths.values(), strict=True):
        write_video(path, frames.repeat(4, axis=1).repeat(4, axis=2), 10)
    return FrameCache.build(folder / "cache", paths, paths.__getitem__, SIZE, LENGTH, workers=1)


def measure(n: int, latency: float, frames: ClipFrames | None) -> dict[str, float]:
    """Ask `n` questions of a server of its own; rates, and what the adapter's process used."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(latency, theirs))
    process.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    settings = ApiSettings(base_url=url, key_variable="NO_SUCH_KEY", in_flight=IN_FLIGHT)
    model = OpenAIModel("m", "m", frames, settings, "generate")
    model.answer(questions(IN_FLIGHT))  # warm-up: connections are open
    began, used = time.perf_counter(), time.process_time()
    answers = model.answer(questions(n))
    taken, cpu = time.perf_counter() - began, time.process_time() - used
    model.close()
    ours.send("enough")
    most, sent = ours.recv()
    process.join()
    assert all(answer.choice == 1 for answer in answers)
    ideal = math.ceil(n / IN_FLIGHT) * latency
    return {
        "questions": n,
        "latency_seconds": latency,
        "request_kilobytes": round(sent / (n + IN_FLIGHT) / 1000, 1),
        "seconds": round(taken, 2),
        "seconds_if_always_full": round(ideal, 2),
        "share_of_time_full": round(ideal / taken, 3),
        "most_in_flight": most,
        "questions_per_second": round(n / taken, 1),
        "cpu_milliseconds_a_question": round(1000 * cpu / n, 2),
        "latency_that_one_core_fills_seconds": round(IN_FLIGHT * cpu / n, 2),
        "load_average_of_the_machine": round(os.getloadavg()[0], 1),
    }


def main(json: Path = Path("benchmarks/results/openai_adapter_speed.json"), batches: int = 10) -> None:
    """Ask a loopback server that takes its time, with 8 frames of 224 pixels a question and without any.

    Args:
        json: file of the figures.
        batches: times 64 questions in each measurement.
    """
    with tempfile.TemporaryDirectory() as scratch:
        frames = ClipFrames(make_cache(Path(scratch)), 8)
        found = {
            "8 frames, replies after 2 s": measure(IN_FLIGHT * batches, 2.0, frames),
            "8 frames, replies after 0.5 s": measure(IN_FLIGHT * batches, 0.5, frames),
            "text only, replies after 0.5 s": measure(IN_FLIGHT * batches, 0.5, None),
            "text only, replies after 0.1 s": measure(IN_FLIGHT * batches, 0.1, None),
        }
    write_json(json, {"in_flight": IN_FLIGHT, "measured": found, "environment": environment(0)})
    print(json_module.dumps(found, indent=2))


if __name__ == "__main__":
    sys.exit(run_script(main, "openai_adapter_speed.py"))
