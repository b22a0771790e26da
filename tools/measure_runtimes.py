"""Measure which library should run the networks in the reader's browser.

    python tools/measure_runtimes.py

TensorFlow.js (core and wasm backend) against ONNX Runtime Web (wasm), each in a worker and
on one thread, on what tools/export_networks.py wrote: how many bytes it is, how long it
takes to start, and to enlarge one picture of 128x128 pixels to x2 and x4 with all five
networks. The result is tools/runtimes.json.

It needs Chromium, npm, and the package `onnx` (``pip install onnx``), which the project
needs for nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for `python tools/measure_runtimes.py`

from tools import vendor_mathjax as vendor  # noqa: E402

RESULT = ROOT / "tools" / "runtimes.json"
LIVE = ROOT / "_static" / "live"
NETWORKS = ("basic", "residual", "atrous", "efficientnet_4", "depth_to_space")
SIDE = 128
REPEATS = 5

ORT = "onnxruntime-web@1.30.0"
ORT_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
ORT_FILES = (
    "dist/ort.wasm.min.mjs",
    "dist/ort-wasm-simd-threaded.mjs",
    "dist/ort-wasm-simd-threaded.wasm",
)
TFJS_FILES = (
    "tf-core.es2017.min.js",
    "tf-backend-wasm.es2017.min.js",
    "tfjs-backend-wasm-simd.wasm",
)

# The same loop for both: start, then run all networks some times.
LOOP = """
async function measure(start, names, side, repeats) {
  const picture = new Float32Array(side * side * 3);
  let seed = 1;
  for (let k = 0; k < picture.length; k += 1) {
    seed = (seed * 16807) % 2147483647;
    picture[k] = seed / 2147483647;
  }
  const begin = performance.now();
  const networks = await start(names);
  const started = performance.now() - begin;
  const rounds = [];
  const sums = {};
  for (let round = 0; round < repeats; round += 1) {
    const seconds = {};
    for (const name of names) {
      const from = performance.now();
      const made = await networks[name](picture, side);
      seconds[name] = (performance.now() - from) / 1000;
      sums[name] = made.map((data) => data.reduce((a, b) => a + b, 0) / data.length);
    }
    rounds.push(seconds);
  }
  return { start_seconds: started / 1000, rounds, sums };
}
onmessage = async ({ data }) => {
  try { postMessage(await measure(start, data.names, data.side, data.repeats)); }
  catch (error) { postMessage({ error: String(error.stack ?? error) }); }
};
"""

TFJS = """
import { Network } from "./network.mjs";
async function start(names) {
  await import("./tf-core.es2017.min.js");
  await import("./tf-backend-wasm.es2017.min.js");
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.wasm.setWasmPaths(new URL("./", import.meta.url).href);
  await tf.setBackend("wasm");
  const networks = {};
  for (const name of names) {
    const description = await (await fetch(`networks/${name}.json`)).json();
    const weights = await (await fetch(`networks/${name}.bin`)).arrayBuffer();
    const network = new Network(tf, description, weights);
    networks[name] = (data, side) => {
      const made = network.run({ data, width: side, height: side }, ["x2", "x4"]);
      return [made.x2.data, made.x4.data];
    };
  }
  return networks;
}
"""

ONNX = """
import * as ort from "./ort.wasm.min.mjs";
async function start(names) {
  ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
  ort.env.wasm.numThreads = 1;
  const networks = {};
  for (const name of names) {
    const session = await ort.InferenceSession.create(`networks/${name}.onnx`);
    networks[name] = async (data, side) => {
      const lr = new ort.Tensor("float32", data, [1, side, side, 3]);
      const made = await session.run({ lr });
      return [made.x2.data, made.x4.data];
    };
  }
  return networks;
}
"""


def main() -> None:
    """Measure both, print, and write the result."""
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(temporary)
        files = prepare(site)
        with serve(site) as address:
            results = {name: {**sizes(files[name]), **run(address, name)} for name in files}
    agree(results)
    content = {
        "measured": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread used",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "what": f"one {SIDE}x{SIDE} picture, five networks, x2 and x4, in Chromium",
        "runtimes": results,
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))


def prepare(site: Path) -> dict[str, list[Path]]:
    """Put both runtimes, their workers and the networks into a folder.

    Returns
    -------
    dict
        By runtime, the files that a reader would have to load for it.
    """
    shutil.copytree(LIVE / "networks", site / "networks")
    for name in NETWORKS:
        (site / "networks" / f"{name}.onnx").write_bytes(to_onnx(name))
    shutil.copy(LIVE / "network.mjs", site)
    for name in TFJS_FILES:
        shutil.copy(vendor.VENDOR / "tfjs" / name, site)
    archive = vendor.fetch(ORT, ORT_SHA256, site)
    vendor.unpack(archive, ORT_FILES, site)
    for name in ORT_FILES:
        (site / name).rename(site / Path(name).name)
    (site / "tfjs.mjs").write_text(TFJS + LOOP, encoding="utf-8")
    (site / "onnx.mjs").write_text(ONNX + LOOP, encoding="utf-8")
    (site / "index.html").write_text("<!doctype html><title>Measuring</title>")
    return {
        "tfjs": [site / name for name in TFJS_FILES],
        "onnx": [site / Path(name).name for name in ORT_FILES],
    }


def to_onnx(name: str) -> bytes:
    """Write a network's steps as an ONNX model: NHWC outside, NCHW within."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = LIVE / "networks"
    description = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    numbers = np.frombuffer((folder / f"{name}.bin").read_bytes(), "<f4")
    nodes, constants = [], []

    def constant(label: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), label))
        return label

    def array_of(entry: dict[str, Any]) -> np.ndarray:
        size = int(np.prod(entry["shape"]))
        return numbers[entry["start"] : entry["start"] + size].reshape(entry["shape"])

    def add(kind: str, inputs: list[str], output: str, **settings: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, [output], **settings))

    def activate(kind: str, x: str, output: str) -> None:
        if kind == "silu":
            add("Sigmoid", [x], f"{output}.s")
            add("Mul", [x, f"{output}.s"], output)
        else:
            slope = {"alpha": 0.2} if kind == "leaky_relu" else {}
            add({"relu": "Relu", "leaky_relu": "LeakyRelu"}[kind], [x], output, **slope)

    channels = {"lr": 3}
    add("Transpose", ["lr"], "t.lr", perm=[0, 3, 1, 2])
    for step in description["steps"]:
        x, y = (f"t.{step['from'][0]}", f"t.{step['to']}")
        count = channels[step["from"][0]]
        kind = step["op"]
        if kind in ("conv", "depthwise"):
            kernel = array_of(step["kernel"])
            axes = (2, 3, 0, 1) if kind == "depthwise" else (3, 2, 0, 1)
            group = count if kind == "depthwise" else 1
            inputs = [
                x,
                constant(f"{y}.k", kernel.transpose(axes)),
                constant(f"{y}.b", array_of(step["bias"])),
            ]
            bare = y if step["activation"] == "linear" else f"{y}.c"
            # With dilation ONNX Runtime wants the zeros counted.
            zeros = step["dilation"] * (kernel.shape[0] - 1) + 1 - step["stride"]
            before, after = zeros // 2, zeros - zeros // 2
            add("Conv", inputs, bare, group=group, pads=[before, before, after, after],
                strides=[step["stride"]] * 2, dilations=[step["dilation"]] * 2)  # fmt: skip
            if bare != y:
                activate(step["activation"], bare, y)
            count = step["bias"]["shape"][0]
        elif kind == "activate":
            activate(step["activation"], x, y)
        elif kind == "add":
            add("Add", [f"t.{name}" for name in step["from"]], y)
        elif kind == "concat":
            add("Concat", [f"t.{name}" for name in step["from"]], y, axis=1)
            count = sum(channels[name] for name in step["from"])
        elif kind == "reverse":
            order = np.arange(count - 1, -1, -1, dtype=np.int64)
            add("Gather", [x, constant(f"{y}.i", order)], y, axis=1)
        elif kind == "repeat":
            scales = np.array([1, 1, step["block"], step["block"]], np.float32)
            add("Resize", [x, "", constant(f"{y}.s", scales)], y, mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor")  # fmt: skip
        elif kind == "depth_to_space":
            add("DepthToSpace", [x], y, blocksize=2, mode="DCR")
            count //= 4
        elif kind == "spread":  # in NCHW a group of channels is a picture of its own
            n = constant(f"{y}.n", np.array([-1, count // 4, SIDE, SIDE], np.int64))
            add("Reshape", [x, n], y)
            count //= 4
        elif kind == "gather":
            n = constant(f"{y}.n", np.array([1, -1, SIDE, SIDE], np.int64))
            add("Reshape", [x, n], y)
            count *= step["count"]
        else:  # pad_to_even, crop_like: nothing to do at an even size
            add("Identity", [x], y)
        channels[step["to"]] = count
    for head, output in description["outputs"].items():
        x = f"t.{output['tensor']}"
        if output["block"] > 1:
            scales = np.array([1, 1, output["block"], output["block"]], np.float32)
            add("Resize", [x, "", constant(f"{head}.s", scales)], f"{head}.large",
                mode="nearest", coordinate_transformation_mode="asymmetric",
                nearest_mode="floor")  # fmt: skip
            x = f"{head}.large"
        add("Transpose", [x], head, perm=[0, 2, 3, 1])
    sides = {"lr": SIDE, "x2": 2 * SIDE, "x4": 4 * SIDE}
    values = {
        key: helper.make_tensor_value_info(key, TensorProto.FLOAT, [1, side, side, 3])
        for key, side in sides.items()
    }
    lr = values.pop("lr")
    graph = helper.make_graph(nodes, name, [lr], list(values.values()), constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; give its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A handler that does not write a line for every request."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def run(address: str, name: str) -> dict[str, Any]:
    """Start Chromium, measure one runtime in it, and close it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(address)
        answer = page.evaluate(
            """([file, message]) => new Promise((resolve) => {
              const worker = new Worker(file, { type: "module" });
              worker.onmessage = ({ data }) => resolve(data);
              worker.onerror = (event) => resolve({ error: event.message });
              worker.postMessage(message);
            })""",
            [f"{name}.mjs", {"names": NETWORKS, "side": SIDE, "repeats": REPEATS}],
        )
        version = browser.version
        browser.close()
    if "error" in answer:
        raise SystemExit(f"{name}: {answer['error']}")
    totals = [sum(seconds.values()) for seconds in answer["rounds"]]
    by_network = {
        network: round(float(np.median([r[network] for r in answer["rounds"]])), 3)
        for network in NETWORKS
    }
    return {
        "chromium": version,
        "start_seconds": round(answer["start_seconds"], 3),
        "first_seconds": round(totals[0], 3),
        "median_seconds": round(float(np.median(totals)), 3),
        "median_seconds_by_network": by_network,
        "means": answer["sums"],
    }


def sizes(paths: list[Path]) -> dict[str, int]:
    """Count the bytes that a reader loads, as they are and compressed."""
    contents = [path.read_bytes() for path in paths]
    return {
        "bytes": sum(map(len, contents)),
        "bytes_gzip": sum(len(gzip.compress(content, 9)) for content in contents),
    }


def agree(results: dict[str, Any]) -> None:
    """Refuse to compare two that do not compute the same pictures."""
    means = [np.array(list(result.pop("means").values())) for result in results.values()]
    difference = np.abs(means[0] - means[1]).max()
    if difference > 1e-5:
        raise SystemExit(f"The mean colours of the pictures differ by {difference:.2g}.")


if __name__ == "__main__":
    main()
