"""Describe the machine for records of runs: CPU model and its instruction sets, GPUs; imports no torch."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")
FLAGS = (
    "avx2", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
    "asimd", "sve", "bf16",
)  # fmt: skip
"""Instruction sets on which the speed of a network depends, as Linux names them; the last three are Arm's."""
BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")
"""Instruction sets that multiply bfloat16 matrices."""


def machine() -> dict[str, Any]:
    """System, CPU and GPUs as JSON values; the machine is described by its type, never by its name."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": cpu_model(),
        "cores": os.cpu_count(),
        "flags": " ".join(cpu_flags()),
        "gpus": list(gpu_names()),
    }


@cache
def cpu_model(info: Path = CPU_INFO) -> str:
    """The CPU's model name; the name of its architecture where the system does not say more."""
    return _cpu_entry("model name", info) or platform.processor() or platform.machine()


@cache
def cpu_flags(info: Path = CPU_INFO) -> tuple[str, ...]:
    """Those of FLAGS that the CPU has; none where the system does not say."""
    found = (_cpu_entry("flags", info) or _cpu_entry("Features", info)).split()
    return tuple(flag for flag in FLAGS if flag in found)


def _cpu_entry(name: str, info: Path) -> str:
    """The first entry of this name in Linux's description of the CPUs; "" without one."""
    try:
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    entries = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in entries if key.strip() == name), "")


@cache
def gpu_names() -> tuple[str, ...]:
    """Names of the NVIDIA GPUs, as their driver's own command lists them; none without the command."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())
