/**
 * The work behind the page "Try it", away from the page itself, so that it stays alive:
 * reads a photo, shrinks it, enlarges it by all methods, and scores them. Which networks there
 * are, and in which order, stands in networks/index.json alone.
 *
 * Takes one `Order` after the other. Answers with messages whose `kind` is "progress",
 * "start", "picture", "done", "refused" (a photo that cannot be used: why, in plain words) or
 * "failed".
 */

import { SIDE as LOUPE } from "./loupe.mjs";
import { Network, SCALES } from "./network.mjs";
import { prepare, read, Refusal } from "./photo.mjs";
import {
  BASELINES, blockSize, busiest, ceilingPsnr, scorer, toRgba, upscale,
} from "./pictures.mjs";

/**
 * @typedef {object} Order
 * @property {Blob | string} photo or its address
 * @property {string} name of the photo, for messages
 * @property {number | "square" | "whole"} input the longest side of the networks' input in
 *   pixels; "square": 72x72, stretched, as in the chapters; "whole": the photo as it is
 * @property {"article" | "antialiased"} recipe
 * @property {boolean} [exact] also send the numbers behind the pixels, for tests
 */

const HEADS = Object.keys(SCALES);
const RUNTIME = new URL("../../tfjs/", import.meta.url);

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
  const index = await (await fetched(new URL("networks/index.json", import.meta.url))).json();
  const blob =
    typeof order.photo === "string" ? await (await fetched(order.photo)).blob() : order.photo;
  const photo = await read(blob, order.name);
  tell(0, "Shrinking the photo");
  const { lr, targets, used, note } = prepare(photo, order, SCALES);
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
    networks: index,
    note,
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
    tell(0, "Interpolating");
    for (const head of HEADS) show(method, head, upscale(lr, SCALES[head], method), null);
  }

  tell(0.02, "Loading the networks");
  const networks = await load(index);
  const total = networks.reduce((sum, { work }) => sum + work, 0);
  let done = 0;
  for (const [number, network] of networks.entries()) {
    const { name, title } = index[number];
    const begin = performance.now();
    const made = network.run(lr, HEADS, (share) => {
      const note = `${title} (${number + 1} of ${networks.length})`;
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

// --- The networks ----------------------------------------------------------------------

/** @type {Promise<Network[]> | undefined} */
let loading;

/** Load TensorFlow.js and the networks, once. */
function load(index) {
  loading ??= loadAll(index);
  return loading;
}

async function loadAll(index) {
  if (typeof WebAssembly === "undefined") {
    throw new Error("This browser has no WebAssembly, or it is switched off. The networks need it.");
  }
  for (const part of ["tf-core.es2017.min.js", "tf-backend-wasm.es2017.min.js"]) {
    const url = new URL(part, RUNTIME);
    await import(url).catch(({ message }) => {
      throw new Error(`${url.pathname} could not be loaded: ${message}.`);
    });
  }
  const { tf } = self;
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.wasm.setWasmPaths(RUNTIME.href);
  if (!(await tf.setBackend("wasm"))) {
    throw new Error("TensorFlow.js found no WebAssembly that it can use. The networks need it.");
  }
  return Promise.all(
    index.map(async ({ name }) => {
      const file = (suffix) => fetched(new URL(`networks/${name}.${suffix}`, import.meta.url));
      const [description, weights] = await Promise.all([
        file("json").then((response) => response.json()),
        file("bin").then((response) => response.arrayBuffer()),
      ]);
      return new Network(tf, description, weights);
    }),
  );
}

async function fetched(address) {
  const url = new URL(address, import.meta.url);
  const response = await fetch(url).catch(({ message }) => ({ status: message }));
  if (response.ok) return response;
  throw new Error(`${url.pathname} could not be loaded: ${response.status}.`);
}
