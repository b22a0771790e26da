"""The page "Try it" and the ceiling by hand, in a real browser, against Keras and srlib."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from srlib import data, metrics
from srlib.runs import weights
from tools import export_networks

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
    for name in export_networks.NETWORKS:
        model, _ = weights.load_trained(name)
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
    seen = page.evaluate(TILED, list(export_networks.NETWORKS))
    lr = np.array(seen["data"], np.float32).reshape(1, 61, 75, 3)
    for name in export_networks.NETWORKS:
        assert seen[name]["tiled"] < 1e-5, name
        assert seen[name]["narrow"] > 1e-3, f"{name}: without a margin there is a seam"
        assert seen[name]["left"] == 0, f"{name}: memory is not given back"
        model, _ = weights.load_trained(name)
        made = model(lr, training=False)
        for head in ("x2", "x4"):
            found = np.array(seen[name][head]).reshape(made[head].shape)
            assert np.abs(found - made[head]).max() < 1e-4, (name, head)


def choose(page, path):
    page.set_input_files("#live-file", path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"hello", "notes.txt is not a picture that this browser can read"),
        ("none.png", b"", "none.png is empty"),
        (
            "tiny.png",
            (40, 40),
            "tiny.png has 40 \N{MULTIPLICATION SIGN} 40 pixels, which is too small",
        ),
        (
            "strip.png",
            (2000, 70),
            "strip.png has 2000 \N{MULTIPLICATION SIGN} 70 pixels, which is too small",
        ),
        ("huge.png", (9000, 6000), "It takes photos of up to 50 million pixels"),
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
    page.wait_for_selector(".live-problem:visible")
    assert words in page.text_content(".live-problem")


def test_too_much_for_the_photo_as_it_is(page, tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (800, 600), "teal").save(path)
    page.select_option("[name=input]", "whole")
    choose(page, path)
    page.wait_for_selector(".live-problem:visible")
    assert "512 \N{MULTIPLICATION SIGN} 512" in page.text_content(".live-problem")


def test_by_keyboard_alone_and_on_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.focus(".live-thumb >> nth=2")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('.live-status').textContent.startsWith('Done')",
        timeout=120_000,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
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
    page.select_option("[name=input]", "square")
    page.wait_for_function(
        "document.querySelector('.live-status').textContent.startsWith('Done')",
        timeout=120_000,
    )


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
