"""A reply that was paid for is found again: by another process, after a kill, whoever else was writing."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eval.run.response_cache import ResponseCache
from gymqa.errors import GymQAError
from tests.helpers.naming import naming
from tests.helpers.places import ROOT

SETTINGS = {"temperature": 0, "max_tokens": 8}
WRITER = """
import sys
from pathlib import Path
from eval.run.response_cache import ResponseCache
cache = ResponseCache(Path(sys.argv[1]))
for i in range(100):
    cache.put(f"{sys.argv[2]}-{i}", "m", {}, "x" * 500)
"""


def test_a_reply_is_found_again_and_only_for_the_same_prompt_model_and_settings(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path)
    assert cache.get("p", "m", SETTINGS) is None
    reply = "The answer is\u2028B.\n\udc80"
    cache.put("p", "m", SETTINGS, reply)
    for known in (cache, ResponseCache(tmp_path)):
        assert known.get("p", "m", dict(reversed(SETTINGS.items()))) == reply
        assert known.get("p2", "m", SETTINGS) is known.get("p", "m2", SETTINGS) is known.get("p", "m", {}) is None


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_half_a_line_costs_its_reply_only(tmp_path: Path, cut: int) -> None:
    cache = ResponseCache(tmp_path)
    for prompt in "abc":
        cache.put(prompt, "m", {}, prompt.upper())
    cache.path.write_bytes(cache.path.read_bytes()[:-cut])
    again = ResponseCache(tmp_path)
    assert (again.get("a", "m", {}), again.get("b", "m", {})) == ("A", "B")
    again.put("d", "m", {}, "D")
    last = ResponseCache(tmp_path)
    assert [last.get(prompt, "m", {}) for prompt in "abd"] == ["A", "B", "D"]


@pytest.mark.slow
def test_threads_and_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], cwd=ROOT) for name in "ab"]
    cache = ResponseCache(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cache.put(f"t-{i}", "m", {}, "y" * 500), range(100)))
    assert [writer.wait() for writer in writers] == [0, 0]
    found = ResponseCache(tmp_path)
    assert len(found) == 300
    assert all(len(found.get(f"{name}-{i}", "m", {}) or "") == 500 for name in "abt" for i in range(100))


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GymQAError, match=naming(tmp_path / "file")):
        ResponseCache(tmp_path / "file")
