"""The page "Try it" and the ceiling by hand, in a real browser, against Keras and srlib."""

# ruff: noqa: RUF001  (the page writes the sides of a picture with a multiplication sign)

from __future__ import annotations

import base64
import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error

from browser.test_access import violations
from srlib import data, metrics, zoo
from srlib.runs.weights import load_trained

LEMURS = data.sample_folder() / "val" / "lemurs-01.jpg"
ORDER = """async ([url, order]) => {
  const answer = await fetch(url);
  const worker = new Worker("/_static/live/worker.mjs", { type: "module" });
  const seen = { pictures: {} };
  const plain = (numbers) => Array.from(numbers);
  await new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(event.message);
    worker.onmessage = ({ data }) => {
      if (data.kind === "start") {
        seen.ceilings = data.ceilings;
        seen.input = data.input;
        seen.exact = Object.fromEntries(
          Object.entries(data.exact).map(([key, value]) => [key, plain(value)]));
      } else if (data.kind === "picture") {
        const { psnr, ssim, block, exact } = data;
        const key = `${data.method} ${data.head}`;
        seen.pictures[key] = { psnr, ssim, block, exact: plain(exact) };
      } else if (data.kind !== "progress") {
        seen.end = data;
        resolve();
      }
    };
    answer.blob().then((photo) => {
      worker.postMessage({ photo, name: "It", exact: true, ...order });
    });
  });
  worker.terminate();
  return seen;
}"""


@pytest.fixture
def page(browser, site):
    """Open the page; at the end nothing may have failed, nor left this machine."""
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: m.type == "error" and problems.append(m.text))
    page.on(
        "request",
        lambda r: r.url.startswith((site, "data:", "blob:")) or problems.append(r.url),
    )
    page.goto(f"{site}/chapters/try.html")
    yield page
    page.close()
    assert problems == []


def picture_of(numbers, like):
    return np.array(numbers, np.float32).reshape(like.shape)


@pytest.mark.parametrize("recipe", ["article", "antialiased"])
def test_what_the_page_computes_is_what_the_course_computes(page, recipe):
    order = {"input": "square", "recipe": recipe}
    seen = page.evaluate(ORDER, ["/_images/lemurs-01.jpg", order])
    assert seen["end"]["kind"] == "done"
    pair = data.make_pair(data.read_photo(LEMURS), recipe)
    for name, expected in pair._asdict().items():
        found = np.array(seen["exact"][name]).reshape(expected.shape) * 255
        assert np.abs(found - expected).max() < 1.01, name
        assert np.mean(np.abs(found - expected) > 0.5) < 1e-3, name
    lr = picture_of(seen["exact"]["lr"], pair.lr)
    targets = {h: picture_of(seen["exact"][h], getattr(pair, h)) for h in ("x2", "x4")}
    expected = {
        f"{method} {head}": metrics.upscale(lr, int(head[1]), method)
        for method in metrics.BASELINES
        for head in targets
    }
    for name in zoo.FINALS:
        model, _ = load_trained(name)
        made = model(lr[None], training=False)
        expected |= {f"{name} {head}": np.asarray(made[head][0]) for head in targets}
    assert set(expected) == set(seen["pictures"])
    for key, picture in expected.items():
        target, found = targets[key[-2:]], seen["pictures"][key]
        assert np.abs(picture_of(found["exact"], target) - picture).max() < 1e-4, key
        assert found["psnr"] == pytest.approx(metrics.psnr(target, picture), abs=0.01)
        assert found["ssim"] == pytest.approx(metrics.ssim(target, picture), abs=1e-3)
        for block in (2, 4):
            assert metrics.is_block_constant(picture, block) == (found["block"] >= block)
    for head, target in targets.items():
        for block in (2, 4):
            ceiling = seen["ceilings"][head][str(block)]
            assert ceiling == pytest.approx(metrics.ceiling_psnr(target, block), abs=1e-3)


TILED = """async (names) => {
  await import("/tfjs/tf-core.es2017.min.js");
  await import("/tfjs/tf-backend-wasm.es2017.min.js");
  tf.wasm.setWasmPaths("/tfjs/");
  await tf.setBackend("wasm");
  const { Network } = await import("/_static/live/network.mjs");
  const [width, height] = [75, 61];
  let seed = 1;
  const data = Float32Array.from({ length: width * height * 3 }, () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  });
  const lr = { data, width, height };
  const result = { data: Array.from(data) };
  for (const name of names) {
    const file = `/_static/live/networks/${name}`;
    const description = await (await fetch(`${file}.json`)).json();
    const weights = await (await fetch(`${file}.bin`)).arrayBuffer();
    const network = new Network(tf, description, weights);
    const before = tf.memory().numTensors;
    const run = (options) => network.run(lr, ["x2", "x4"], undefined, options);
    const gap = (a, b) => Math.max(...["x2", "x4"].map((head) => {
      const other = b[head].data;
      return a[head].data.reduce((most, v, k) => Math.max(most, Math.abs(v - other[k])), 0);
    }));
    const whole = run({ tile: 1000 });
    result[name] = {
      tiled: gap(whole, run({ tile: 24 })),
      narrow: gap(whole, run({ tile: 24, halo: 0 })),
      left: tf.memory().numTensors - before,
      x2: Array.from(whole.x2.data), x4: Array.from(whole.x4.data),
    };
  }
  return result;
}"""


def test_tiles_leave_no_seam_and_odd_sizes_agree_with_keras(page):
    seen = page.evaluate(TILED, list(zoo.FINALS))
    lr = np.array(seen["data"], np.float32).reshape(1, 61, 75, 3)
    for name in zoo.FINALS:
        assert seen[name]["tiled"] < 1e-5, name
        assert seen[name]["narrow"] > 1e-3, f"{name}: without a margin there is a seam"
        assert seen[name]["left"] == 0, f"{name}: memory is not given back"
        model, _ = load_trained(name)
        made = model(lr, training=False)
        for head in ("x2", "x4"):
            found = np.array(seen[name][head]).reshape(made[head].shape)
            assert np.abs(found - made[head]).max() < 1e-4, (name, head)


def choose(page, path):
    page.set_input_files("#live-file", path)


def wait_for(page, word="Done"):
    page.wait_for_function(
        "word => document.querySelector('.live-status').textContent.startsWith(word)",
        arg=word,
        timeout=120_000,
    )


def complaint(page):
    page.wait_for_selector(".live-problem:visible", timeout=60_000)
    return page.text_content(".live-problem")


def lemurs(size=None):
    with Image.open(LEMURS) as photo:
        return photo.resize(size) if size else photo.copy()


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("photo", "input", "expected", "note"),
    [
        ((500, 375), "128", "125 × 93", "not 128"),
        ((500, 375), "192", "125 × 93", "only 500 × 375"),
        ((4032, 3024), "96", "96 × 72", ""),
        ((1333, 751), "96", "96 × 54", ""),
        ((211, 333), "128", "52 × 83", "not 128"),
        ((6000, 900), "96", "96 × 14", ""),
        ((61, 37), "96", "15 × 9", "not 96"),
        ((301, 289), "square", "72 × 72", ""),
        ((75, 61), "whole", "75 × 61", ""),
    ],
)
def test_all_scores_are_numbers_and_the_input_is_explained(
    page, tmp_path, photo, input, expected, note
):
    path = tmp_path / "it.png"
    lemurs(photo).save(path)
    page.select_option("[name=input]", input)
    choose(page, path)
    wait_for(page)
    text = page.text_content("#live")
    assert not [word for word in ("NaN", "Infinity", "undefined", "…") if word in text]
    assert f"input {expected}" in text
    explained = page.text_content(".live-note")
    assert note in explained if note else explained == ""


def test_a_photo_without_error_has_an_infinite_psnr(page, tmp_path):
    path = tmp_path / "white.png"
    Image.new("RGB", (400, 300), "white").save(path)
    choose(page, path)
    wait_for(page)
    assert "∞ dB" in page.text_content(".live-grid")
    assert "Infinity" not in page.text_content("#live")


def test_ceilings_of_blocks_that_the_border_cuts(page):
    picture = np.random.default_rng(0).random((5, 7, 3), np.float32)
    cut = np.empty_like(picture)
    for y in range(0, 5, 4):
        for x in range(0, 7, 4):
            tile = (slice(y, y + 4), slice(x, x + 4))
            cut[tile] = picture[tile].mean((0, 1))
    found = page.evaluate(
        """async (numbers) => (await import("/_static/live/pictures.mjs")).ceilingPsnr(
            { data: Float32Array.from(numbers), width: 7, height: 5 }, 4)""",
        picture.ravel().tolist(),
    )
    assert found == pytest.approx(metrics.psnr(picture, cut), abs=1e-4)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
HALF = {kind: encoded(lemurs(), kind)[:9000] for kind in ("JPEG", "PNG", "WebP", "GIF")}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.jpg", b"hello", ["text.jpg is text", "JPEG, PNG, WebP, GIF, BMP or AVIF"]),
        ("page.png", b"<!DOCTYPE html><p>Hello", ["page.png is a web page", "Choose one"]),
        ("raw.jpg", bytes(range(256)), ["raw.jpg is a file of an unknown kind"]),
        ("photo.heic", HEIC, ["photo.heic is a HEIC photo", "save it as JPEG or PNG"]),
        ("logo.svg", SVG, ["logo.svg is an SVG drawing", "save it as JPEG or PNG"]),
        ("scan.tif", encoded(lemurs(), "TIFF"), ["scan.tif is a TIFF picture", "JPEG"]),
        ("a.pdf", b"%PDF-1.4", ["a.pdf is a PDF document", "Choose one of these"]),
        *(
            ("half.jpg", half, [f"begins like a {kind} picture", "incomplete", "Copy it"])
            for kind, half in HALF.items()
        ),
        ("none.png", b"", ["none.png is empty", "Choose a JPEG, PNG"]),
        ("tiny.png", (40, 20), ["40 × 20 pixels", "36 or more", '"the photo as it is"']),
        ("line.png", (500, 1), ["500 × 1 pixels", "36 or more", "Choose a larger photo"]),
        (
            "strip.png",
            (4000, 50),
            ["4000 × 50", "would be 96 × 1", "9 or more", '"the photo as it is"'],
        ),
        ("strip.png", (6000, 450), ["would be 96 × 7", "shrunk to 128 pixels"]),
        ("huge.png", (9000, 6000), ["9000 × 6000", "up to 50 million", "Save the photo"]),
    ],
)
def test_a_file_that_cannot_be_used_is_answered_kindly(
    page, tmp_path, name, content, words
):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.new("RGB", content, "teal").save(path)
    choose(page, path)
    found = complaint(page)
    assert not [word for word in words if word not in found], found
    assert page.text_content(".live-status") == ""
    assert page.is_hidden(".live-progress")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((800, 600), ["up to 512 × 512", "shrunk to 96 pixels"]),
        ((5000, 40), ["up to 4096 pixels long", "less narrow piece"]),
        ((90, 5), ["needs 9 or more", "larger photo"]),
    ],
)
def test_too_much_for_the_photo_as_it_is(page, tmp_path, size, words):
    path = tmp_path / "it.png"
    Image.new("RGB", size, "teal").save(path)
    page.select_option("[name=input]", "whole")
    choose(page, path)
    found = complaint(page)
    assert not [word for word in words if word not in found], found


def test_pictures_of_another_photo_are_not_left_below_a_refusal(page, tmp_path):
    page.click(".live-thumb >> nth=0")
    wait_for(page)
    (tmp_path / "none.png").write_bytes(b"")
    choose(page, tmp_path / "none.png")
    complaint(page)
    assert page.is_hidden(".live-results")


READ = """async (url) => {
  const { read } = await import("/_static/live/photo.mjs");
  const photo = await read(await (await fetch(url)).blob(), "It");
  return [photo.height, photo.width, Array.from(photo.data)];
}"""


def as_read(page, content):
    url = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
    height, width, numbers = page.evaluate(READ, url)
    return np.array(numbers).reshape(height, width, 3)


def test_the_kinds_that_are_offered_are_read(page):
    offered = page.get_attribute("#live-file", "accept").split(",")
    kinds = ["JPEG", "PNG", "WebP", "GIF", "BMP", "AVIF"]
    assert offered == [f"image/{kind.lower()}" for kind in kinds]
    assert "JPEG, PNG, WebP, GIF, BMP or AVIF" in page.text_content(".live-own")
    photo = lemurs((64, 48))
    for kind in kinds:
        found = as_read(page, encoded(photo, kind))
        assert np.abs(found - np.array(photo)).mean() < 12, kind


def test_uncommon_photos_are_read_as_they_look(page):
    photo = lemurs((64, 48))
    pixels = np.array(photo)
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn, clockwise
    found = as_read(page, encoded(photo, "JPEG", exif=turned, quality=100, subsampling=0))
    assert np.abs(found - np.rot90(pixels, -1)).mean() < 3
    clear = photo.copy()
    clear.putalpha(0)
    assert as_read(page, encoded(clear, "PNG")).min() == 255
    deep = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    found = as_read(page, encoded(Image.fromarray(deep), "PNG"))
    assert np.abs(found - deep[..., None] / 257).max() <= 1
    others = [photo.rotate(180)]
    for kind in ("GIF", "WebP", "PNG"):
        film = encoded(photo, kind, save_all=True, append_images=others)
        assert np.abs(as_read(page, film) - pixels).mean() < 12, kind


def test_a_photo_is_read_piece_by_piece_without_a_seam(page):
    pixels = np.random.default_rng(0).integers(0, 256, (2100, 2000, 3), np.uint8)
    url = (
        f"data:;base64,{base64.b64encode(encoded(Image.fromarray(pixels), 'BMP')).decode()}"
    )
    seen = page.evaluate(
        READ.replace(
            "Array.from(photo.data)", "photo.data.reduce((s, v, k) => s + v * (k % 97), 0)"
        ),
        url,
    )
    flat = pixels.ravel().astype(np.int64)
    assert seen == [2100, 2000, int((flat * (np.arange(flat.size) % 97)).sum())]


DROP = """([files, link]) => {
  const dataTransfer = new DataTransfer();
  for (const [name, numbers] of files) {
    dataTransfer.items.add(new File([Uint8Array.from(numbers)], name));
  }
  if (link) dataTransfer.setData("text/uri-list", link);
  const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector("h1").dispatchEvent(event);
  return event.defaultPrevented;
}"""


def test_what_is_dropped_is_taken_or_answered(page):
    assert page.evaluate(DROP, [[], "https://example.org/a.jpg"])
    assert "A link was dropped" in complaint(page)
    photo = list(encoded(lemurs(), "JPEG"))
    assert page.evaluate(DROP, [[["one.jpg", photo], ["two.jpg", photo]], ""])
    wait_for(page)
    assert page.is_hidden(".live-problem")
    assert "one.jpg" in page.text_content(".live-protocol")
    assert "Of the 2 files" in page.text_content(".live-note")


def test_of_two_quick_choices_the_last_one_counts(page):
    held = []
    page.context.route(
        "**/lemurs-01.jpg", lambda route: held.append(route)
    )  # it does not come yet
    page.click(".live-thumb >> nth=0")
    page.wait_for_timeout(500)
    page.click(".live-thumb >> nth=1")
    wait_for(page)
    for route in held:
        with contextlib.suppress(Error):  # who asked for it is gone
            route.continue_()
    page.wait_for_timeout(3000)
    assert page.text_content(".live-protocol").startswith("A castle")
    assert page.get_attribute(".live-thumb >> nth=1", "aria-pressed") == "true"
    assert page.text_content(".live-status").startswith("Done")


def test_a_choice_during_a_run_replaces_it(page, tmp_path):
    page.select_option("[name=input]", "whole")
    page.click(".live-thumb >> nth=0")
    page.wait_for_selector(".live-shown")
    assert page.text_content(".live-status").startswith("Working on Two lemurs")
    page.select_option("[name=input]", "96")
    lemurs((300, 200)).save(tmp_path / "mine.png")
    choose(page, tmp_path / "mine.png")
    wait_for(page)
    assert page.text_content(".live-protocol").startswith("mine.png, 300 × 200")


def answering(change):
    """Answer a request with nothing, with a text, or with what `change` makes of it."""

    def answer(route):
        if change is None:
            route.abort()
        elif callable(change):
            response = route.fetch()
            route.fulfill(response=response, body=change(response.text()))
        else:
            route.fulfill(body=change)

    return answer


@pytest.fixture
def broken(browser, site):
    """Return a function that opens the page with some of its files replaced."""
    contexts = []

    def open_page(**files):
        context = browser.new_context()
        contexts.append(context)
        for name, change in files.items():
            context.route(f"**/{name.replace('__', '.')}", answering(change))
        page = context.new_page()
        page.goto(f"{site}/chapters/try.html")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"worker__mjs": None}, "worker.mjs) did not run"),
        (
            {"worker__mjs": lambda text: f"self.WebAssembly = undefined;{text}"},
            "WebAssembly",
        ),
        ({"index__json": None}, "networks/index.json could not be loaded"),
        ({"basic__bin": None}, "networks/basic.bin could not be loaded"),
        ({"tf-core__es2017__min__js": None}, "tf-core.es2017.min.js could not be loaded"),
        ({"lemurs-01__jpg": None}, "lemurs-01.jpg could not be loaded"),
        (
            {
                "basic__json": lambda text: text.replace(
                    '"op": "conv"', '"op": "attention"', 1
                )
            },
            'Model 1 needs the operation "attention", which',
        ),
        (
            {"basic__json": lambda text: text.replace('"relu"', '"gelu"', 1)},
            'Model 1 needs the activation "gelu", which',
        ),
    ],
)
def test_a_page_that_is_broken_says_what_is_missing(broken, files, words):
    page = broken(**files)
    page.click(".live-thumb >> nth=0")
    found = complaint(page)
    assert words in found
    assert "not your photo's fault. Reload the page" in found
    assert "…" not in page.text_content(".live-results")
    assert page.is_hidden(".live-progress")


def weights_matrix(length, scale):
    """Keys' cubic with a = -1/2, half-pixel centres, normalised at the border."""
    rows = np.zeros((length * scale, length))
    for row, weights in enumerate(rows):
        x = np.abs(np.arange(length) + 0.5 - (row + 0.5) / scale)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        weights[:] = np.where(x < 1, near, np.where(x < 2, far, 0))
        weights /= weights.sum()
    return rows


def conv(x, kernel, bias):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    height, width, _ = x.shape
    parts = (
        padded[dy : dy + height, dx : dx + width] @ kernel[dy, dx]
        for dy in range(3)
        for dx in range(3)
    )
    return sum(parts) + bias


def depth_to_space(x, block):
    height, width, channels = x.shape
    x = x.reshape(height, width, block, block, channels // block**2).swapaxes(1, 2)
    return x.reshape(height * block, width * block, -1)


class Model6:
    """A network such as may come: its heads correct a bicubic enlargement."""

    def __init__(self):
        random = np.random.default_rng(6)
        self.arrays, self.steps, start = [], [], 0
        shapes = {"body": (3, 8, "relu"), "x2": (8, 12, "linear"), "x4": (8, 48, "linear")}
        self.layers = {}
        for name, (take, give, activation) in shapes.items():
            step = {"op": "conv", "stride": 1, "dilation": 1, "activation": activation}
            step |= {"work": 9 * take * give, "to": name}
            step["from"] = ["lr" if name == "body" else "body"]
            self.layers[name] = []
            for part, shape in (("kernel", (3, 3, take, give)), ("bias", (give,))):
                array = random.normal(0, 0.2, shape).astype(np.float32)
                self.layers[name].append(array)
                step[part] = {"start": start, "shape": shape}
                start += array.size
            self.steps.append(step)
        for head, block in (("x2", 2), ("x4", 4)):
            for op, source, to in (
                ("depth_to_space", [head], f"{head}d"),
                ("bicubic", ["lr"], f"{head}b"),
                ("add", [f"{head}d", f"{head}b"], f"{head}s"),
            ):
                self.steps.append({"op": op, "block": block, "from": source, "to": to})
        self.outputs = {h: {"tensor": f"{h}s", "block": 1} for h in ("x2", "x4")}

    def files(self):
        """Its entry in the index, and its two files."""
        weights = b"".join(a.tobytes() for pair in self.layers.values() for a in pair)
        entry = {"name": "model_6", "title": "Model 6"}
        description = entry | {"halo": 2, "steps": self.steps, "outputs": self.outputs}
        return entry, json.dumps(description), weights

    def __call__(self, lr):
        body = np.maximum(conv(lr, *self.layers["body"]), 0)
        for head, scale in (("x2", 2), ("x4", 4)):
            rows, columns = (weights_matrix(side, scale) for side in lr.shape[:2])
            large = np.einsum("ai,bj,ijc->abc", rows, columns, lr)
            yield head, large + depth_to_space(conv(body, *self.layers[head]), scale)


def test_a_network_that_is_added_to_the_index_is_shown(broken):
    model = Model6()
    entry, description, weights = model.files()
    page = broken(
        index__json=lambda text: json.dumps([entry, *json.loads(text)]),
        model_6__json=description,
        model_6__bin=weights,
    )
    page.click(".live-thumb >> nth=0")
    wait_for(page)
    titles = page.locator(".live-grid figcaption strong").all_text_contents()
    assert titles[4:] == [f"Model {k}" for k in (6, 1, 2, 3, 4, 5)]
    assert "the 6 networks took" in page.text_content(".live-protocol")
    seen = page.evaluate(TILED, ["model_6"])
    lr = np.array(seen["data"]).reshape(61, 75, 3)
    assert seen["model_6"]["tiled"] < 1e-5
    assert seen["model_6"]["narrow"] > 1e-3
    assert seen["model_6"]["left"] == 0
    for head, expected in model(lr):
        found = np.array(seen["model_6"][head]).reshape(expected.shape)
        assert np.abs(found - expected).max() < 1e-4, head


def test_a_picture_at_its_own_size_and_as_a_file(page):
    page.set_viewport_size({"width": 375, "height": 740})
    page.click(".live-thumb >> nth=0")
    wait_for(page)
    page.focus("[aria-label='Own size: Model 1']")
    page.keyboard.press("Enter")
    shown = ".live-full-picture canvas"
    assert page.evaluate(
        f"(({{ clientWidth, clientHeight }}) => [clientWidth, clientHeight])"
        f"(document.querySelector('{shown}'))"
    ) == [384, 288]
    assert "Model 1, 384 × 288" in page.text_content("#live-full-title")
    assert violations(page) == []
    page.click("text=Next")
    assert page.get_attribute(shown, "aria-label").startswith("Model 2")
    with page.expect_download() as download:
        page.click("text=Save as PNG")
    assert download.value.suggested_filename == "two-lemurs-model-2-x4.png"
    with Image.open(download.value.path()) as picture:
        assert (picture.format, picture.size) == ("PNG", (384, 288))
    page.keyboard.press("Escape")
    assert page.is_hidden(".live-full")
    page.check("[value=x2]")
    page.click("[aria-label='Own size: The photo']")
    assert "The photo, 192 × 144" in page.text_content("#live-full-title")
    page.click("text=Previous")
    assert "Model 5, 192 × 144" in page.text_content("#live-full-title")
    page.click("text=Close")
    page.set_viewport_size({"width": 1280, "height": 740})
    page.click(".live-picture >> nth=3")
    assert "Bicubic, 192 × 144" in page.text_content("#live-full-title")


def test_by_keyboard_alone_and_on_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.focus(".live-thumb >> nth=2")
    page.keyboard.press("Enter")
    wait_for(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    table = "document.querySelector('.live-table')"
    assert page.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")
    assert violations(page) == []
    assert page.locator(".live-shown").count() == 9
    assert page.locator(".live-table tbody tr").count() == 10
    page.focus(".live-grid")
    place = "document.querySelectorAll('.live-lens')[4].style.left"
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    before = page.evaluate(place)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert page.evaluate(place) != before


def test_it_can_be_cancelled_and_begun_again(page):
    page.select_option("[name=input]", "192")
    page.click(".live-thumb >> nth=0")
    page.click("text=Cancel")
    assert page.text_content(".live-status").startswith("Cancelled")
    assert page.is_hidden(".live-progress")
    page.select_option("[name=input]", "whole")
    page.wait_for_selector("text=Model 2 (2 of 5)")
    page.click("text=Cancel")
    assert "not computed" in page.text_content(".live-grid")
    assert "…" not in page.text_content(".live-results")
    page.select_option("[name=input]", "square")
    wait_for(page)


def test_nothing_is_loaded_before_it_is_used(browser, site):
    page, urls = browser.new_page(), []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{site}/chapters/try.html", wait_until="networkidle")
    assert not [url for url in urls if "tfjs" in url or "networks" in url]
    page.close()


def test_opened_from_a_folder_it_says_what_to_do(browser, book):
    page = browser.new_page()
    page.goto((book / "chapters" / "try.html").as_uri())
    assert "make serve" in page.inner_text(".live-unserved")
    page.close()


CEILING = "document.querySelector('.ceiling output').textContent"


def test_the_ceiling_by_hand(browser, book):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    # From a folder, where a page may not read pictures beside it.
    page.goto((book / "chapters" / "03-model-1-basic.html").as_uri())
    page.wait_for_selector(".ceiling canvas")
    target = data.as_float(data.make_pair(data.read_photo(LEMURS)).x4)
    page.focus(".ceiling input")
    page.keyboard.press("Home")
    assert "∞" in page.evaluate(CEILING)
    for block in range(2, 17):
        page.keyboard.press("ArrowRight")
        height, width = (side - side % block for side in target.shape[:2])
        expected = metrics.ceiling_psnr(target[:height, :width], block)
        shown = page.evaluate("Number(document.querySelector('.ceiling').dataset.psnr)")
        assert shown == pytest.approx(expected, abs=1e-3), block
        assert f"{expected:.2f} dB" in page.evaluate(CEILING)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()
