/**
 * The work behind the page "Try it", away from the page itself, so that it stays alive:
 * reads a photo, shrinks it, enlarges it by eight methods, and scores them.
 *
 * Takes one `Order` after the other. Answers with messages whose `kind` is "progress",
 * "start", "picture", "done", "refused" (a photo that cannot be used: why, in plain words) or
 * "failed".
 */

import { SIDE as LOUPE } from "./loupe.mjs";
import { Network, SCALES } from "./network.mjs";
import {
  asPicture, BASELINES, blockSize, busiest, ceilingPsnr, fromRgba, scorer, shrink, toRgba, upscale,
} from "./pictures.mjs";

/**
 * @typedef {object} Order
 * @property {Blob} photo
 * @property {string} name of the photo, for messages
 * @property {number | "square" | "whole"} input the longest side of the networks' input in
 *   pixels; "square": 72x72, stretched, as in the chapters; "whole": the photo as it is
 * @property {"article" | "antialiased"} recipe
 * @property {boolean} [exact] also send the numbers behind the pixels, for tests
 */

const NETWORKS = ["basic", "residual", "atrous", "efficientnet_4", "depth_to_space"];
const HEADS = Object.keys(SCALES);
const RUNTIME = new URL("../../tfjs/", import.meta.url);

/** Side of the input in the chapters, and of most photos that it was made from. */
const [COURSE_INPUT, COURSE_PHOTO] = [72, 500];
/** The networks' input has at least so many pixels each way. */
const LEAST_INPUT = 16;
const MOST_BYTES = 100e6;
const MOST_PIXELS = 50e6;
/** Of a photo that is enlarged as it is: its x4 picture has sixteen times as many. */
const MOST_PIXELS_WHOLE = 512 * 512;

/** A photo that cannot be used. The message says why, and what to do. */
class Refusal extends Error {}

self.onmessage = async ({ data }) => {
  try {
    await enlarge(data);
  } catch (error) {
    const kind = error instanceof Refusal ? "refused" : "failed";
    self.postMessage({ kind, message: error.message });
  }
};

/** @param {Order} order */
async function enlarge(order) {
  tell(0, "Reading the photo");
  const photo = await read(order);
  const { lr, targets, used } = prepare(photo, order);
  const scorers = {};
  const ceilings = {};
  for (const head of HEADS) {
    const target = targets[head];
    if (!target) continue;
    scorers[head] = scorer(target);
    ceilings[head] = { 2: ceilingPsnr(target, 2), 4: ceilingPsnr(target, 4) };
  }
  self.postMessage({
    kind: "start",
    photo: { width: photo.width, height: photo.height },
    used: used && { width: used.width, height: used.height },
    input: { width: lr.width, height: lr.height },
    busiest: busiest(lr, LOUPE),
    ceilings,
    targets: mapValues(targets, toRgba),
    ...(order.exact && { exact: { lr: lr.data, ...mapValues(targets, ({ data }) => data) } }),
  });

  const show = (method, head, picture, seconds) => {
    const message = {
      kind: "picture",
      method,
      head,
      rgba: toRgba(picture),
      block: blockSize(picture),
      seconds,
      ...scorers[head]?.(picture),
      ...(order.exact && { exact: picture.data }),
    };
    self.postMessage(message, [message.rgba.data.buffer]);
  };
  for (const method of BASELINES) {
    for (const head of HEADS) show(method, head, upscale(lr, SCALES[head], method), null);
  }

  tell(0.02, "Loading the networks");
  const networks = await load();
  const total = NETWORKS.reduce((sum, name) => sum + networks[name].work, 0);
  let done = 0;
  for (const [number, name] of NETWORKS.entries()) {
    const network = networks[name];
    const note = `Model ${number + 1} of ${NETWORKS.length}`;
    const begin = performance.now();
    const made = network.run(lr, HEADS, (share) => {
      tell(0.05 + (0.95 * (done + share * network.work)) / total, note);
    });
    done += network.work;
    const seconds = (performance.now() - begin) / 1000;
    for (const head of HEADS) show(name, head, made[head], seconds);
  }
  self.postMessage({ kind: "done" });
}

function tell(share, note) {
  self.postMessage({ kind: "progress", share, note });
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

// --- The photo -------------------------------------------------------------------------

/** Read a photo, upright, on white where it is transparent. */
async function read({ photo: blob, name }) {
  if (blob.size === 0) throw new Refusal(`${name} is empty. Choose another file.`);
  if (blob.size > MOST_BYTES) {
    throw new Refusal(
      `${name} has ${Math.round(blob.size / 1e6)} megabytes, which is too much for this page. ` +
        `It takes files of up to ${MOST_BYTES / 1e6} megabytes.`,
    );
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Refusal(
      `${name} is not a picture that this browser can read. Choose a JPEG, PNG or WebP file; ` +
        "a photo in another form can be saved as one of these in any photo program.",
    );
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    bitmap.close();
    throw new Refusal(
      `${name} has ${width} × ${height} pixels, which is too much for this page. ` +
        `It takes photos of up to ${MOST_PIXELS / 1e6} million pixels.`,
    );
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { ...fromRgba(context.getImageData(0, 0, width, height)), name };
}

/** Make the networks' input, and what they should make of it, from a photo. */
function prepare(photo, { input, recipe }) {
  const { width, height, name } = photo;
  const size = `${width} × ${height} pixels`;
  if (input === "whole") {
    if (width * height > MOST_PIXELS_WHOLE) {
      throw new Refusal(
        `${name} has ${size}. As it is, a photo may have up to 512 × 512 (or as many in ` +
          "another shape): choose one of the smaller inputs, and it is shrunk first.",
      );
    }
    if (Math.min(width, height) < LEAST_INPUT) throw tooSmall(name, size, LEAST_INPUT);
    return { lr: asPicture(photo), targets: {} };
  }
  const used = reduced(photo, input === "square" ? COURSE_INPUT : input, input === "square");
  const lrSize = input === "square" ? square(used, name, size) : sizeWithin(used, input);
  if (Math.min(lrSize.width, lrSize.height) < LEAST_INPUT) {
    throw tooSmall(name, size, 4 * LEAST_INPUT);
  }
  const shrunk = (scale) => {
    const wanted = { width: lrSize.width * scale, height: lrSize.height * scale };
    return asPicture(shrink(used, wanted, recipe));
  };
  return { lr: shrunk(1), targets: mapValues(SCALES, shrunk), used };
}

/**
 * Reduce a photo that is larger than those of the course, in proportion to the input. What
 * a recipe does depends on how much it shrinks.
 */
function reduced(photo, input, stretched) {
  const longest = Math.max(photo.width, photo.height);
  const shortest = Math.min(photo.width, photo.height);
  let factor = (input / COURSE_INPUT) * (COURSE_PHOTO / longest);
  if (stretched) factor = Math.max(factor, (4 * COURSE_INPUT) / shortest);
  if (factor >= 1) return photo;
  const size = {
    width: Math.max(Math.round(photo.width * factor), 1),
    height: Math.max(Math.round(photo.height * factor), 1),
  };
  return shrink(photo, size, "antialiased");
}

/** The input of the chapters: a square, whatever the shape of the photo. */
function square({ width, height }, name, size) {
  if (Math.min(width, height) < 4 * COURSE_INPUT) {
    throw new Refusal(
      `${name} has ${size}. The chapters' input needs photos of 288 × 288 or more, so that ` +
        "nothing has to be invented: choose another input, or a larger photo.",
    );
  }
  return { width: COURSE_INPUT, height: COURSE_INPUT };
}

/** The largest input of the photo's shape whose x4 target is no larger than the photo. */
function sizeWithin({ width, height }, longest) {
  const factor = Math.min(longest / Math.max(width, height), 1 / 4);
  return { width: Math.floor(width * factor), height: Math.floor(height * factor) };
}

function tooSmall(name, size, least) {
  return new Refusal(
    `${name} has ${size}, which is too small or too narrow: this needs ${least} or more each way.`,
  );
}

// --- The networks ----------------------------------------------------------------------

/** @type {Promise<Record<string, Network>> | undefined} */
let loading;

/** Load TensorFlow.js and the networks, once. */
function load() {
  loading ??= loadAll();
  return loading;
}

async function loadAll() {
  await import(new URL("tf-core.es2017.min.js", RUNTIME));
  await import(new URL("tf-backend-wasm.es2017.min.js", RUNTIME));
  const { tf } = self;
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.wasm.setWasmPaths(RUNTIME.href);
  if (!(await tf.setBackend("wasm"))) throw new Error("WebAssembly is not available");
  const entries = NETWORKS.map(async (name) => {
    const file = (suffix) => fetched(new URL(`networks/${name}.${suffix}`, import.meta.url));
    const [description, weights] = await Promise.all([
      file("json").then((response) => response.json()),
      file("bin").then((response) => response.arrayBuffer()),
    ]);
    return [name, new Network(tf, description, weights)];
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname}: ${response.status}`);
  return response;
}
