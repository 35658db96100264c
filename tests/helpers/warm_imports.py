"""The imports of `warm`'s server, which take longest and read nothing of the environment: torch, SciPy and others."""

import av  # noqa: F401
import cv2  # noqa: F401
import jinja2  # noqa: F401
import jsonargparse  # noqa: F401
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pydantic  # noqa: F401
import rich.progress  # noqa: F401
import safetensors.torch  # noqa: F401
import scipy.cluster.vq
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch
import torch._dynamo
import torch.distributed.fsdp
import torch.distributed.tensor
import torch.utils.checkpoint  # noqa: F401
import yaml  # noqa: F401
