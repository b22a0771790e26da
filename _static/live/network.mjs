/**
 * Runs a network that tools/book/export_networks.py wrote, with TensorFlow.js.
 *
 * Pictures are in [0, 1], three channels a pixel, row by row, as in Keras.
 */

import { interpolate } from "./pictures.mjs";

/** @typedef {{data: Float32Array, width: number, height: number}} Picture */
/** @typedef {{start: number, shape: number[]}} Entry where an array starts in the weights */
/**
 * @typedef {object} Step
 * @property {string} op what to do: one of OPERATIONS
 * @property {string[]} from names of the tensors to do it to
 * @property {string} to name of the result
 * @property {number} [work] multiplications for each pixel of the input
 */

/** The slope of LeakyReLU below zero: Keras's, and the only one that is exported. */
const LEAKY_SLOPE = 0.2;

/** Largest side of a tile in pixels of the input, without what it shares with others. */
export const TILE = 128;

/** The activations; and the names that TensorFlow.js has for what it merges into a convolution. */
const ACTIVATIONS = ["linear", "relu", "relu6", "leaky_relu", "silu"];
const MERGED = { linear: "linear", relu: "relu", relu6: "relu6", leaky_relu: "leakyrelu" };

/** What each operation computes. @type {Record<string, Function>} */
const OPERATIONS = {
  conv: (tf, step, [x]) => convolve(tf, tf.fused.conv2d, step, x),
  depthwise: (tf, step, [x]) => convolve(tf, tf.fused.depthwiseConv2d, step, x),
  activate: (tf, step, [x]) => activate(tf, x, step.activation),
  scale: (tf, step, [x]) => tf.add(tf.mul(x, step.factor), step.offset),
  add: (tf, step, [x, y]) => tf.add(x, y),
  concat: (tf, step, inputs) => tf.concat(inputs, 3),
  reverse: (tf, step, [x]) => tf.reverse(x, 3),
  repeat: (tf, step, [x]) =>
    tf.image.resizeNearestNeighbor(x, [x.shape[1] * step.block, x.shape[2] * step.block]),
  /**
   * Keys' cubic with a = -1/2, without clipping; at the border the weights still sum to 1. Of
   * three channels; sees 2 pixels each way, which `halo` has to contain.
   */
  bicubic: (tf, step, [x]) => {
    const [, height, width] = x.shape;
    const large = interpolate({ data: x.dataSync(), width, height }, step.block, "bicubic");
    return tf.tensor4d(large.data, [1, large.height, large.width, 3]);
  },
  depth_to_space: (tf, step, [x]) => tf.depthToSpace(x, step.block, "NHWC"),
  /** Repeat the last row of an odd height, the last column of an odd width. */
  pad_to_even: (tf, step, [x]) => {
    const [, height, width] = x.shape;
    const pads = [[0, 0], [0, height % 2], [0, width % 2], [0, 0]];
    return tf.mirrorPad(x, pads, "symmetric");
  },
  crop_like: (tf, step, [x, like]) =>
    tf.slice(x, [0, 0, 0, 0], [1, like.shape[1], like.shape[2], x.shape[3]]),
};

function convolve(tf, operation, step, x) {
  const activation = MERGED[step.activation];
  const y = operation({
    x,
    filter: step.kernel,
    bias: step.bias,
    strides: step.stride,
    dilations: step.dilation,
    pad: "same",
    activation: activation ?? "linear",
    leakyreluAlpha: LEAKY_SLOPE,
  });
  return activation ? y : activate(tf, y, step.activation);
}

function activate(tf, x, name) {
  switch (name) {
    case "relu": return tf.relu(x);
    case "relu6": return tf.relu6(x);
    case "leaky_relu": return tf.leakyRelu(x, LEAKY_SLOPE);
    case "silu": return tf.mul(x, tf.sigmoid(x));
    default: return tf.clone(x);
  }
}

/** Refuse a network that needs more than this page knows, before anything is computed. */
function checkKnown(title, { op, activation = "linear" }) {
  for (const [what, name, known] of [
    ["operation", op, Object.keys(OPERATIONS)],
    ["activation", activation, ACTIVATIONS],
  ]) {
    if (known.includes(name)) continue;
    throw new Error(
      `${title} needs the ${what} "${name}", which _static/live/network.mjs does not know. ` +
        `It knows ${known.join(", ")}.`,
    );
  }
}

/** A network, ready to be run. */
export class Network {
  /**
   * @param {object} tf TensorFlow.js, with a backend
   * @param {object} description what the JSON file holds
   * @param {ArrayBuffer} weights what the file beside it holds
   */
  constructor(tf, description, weights) {
    this.tf = tf;
    for (const step of description.steps) checkKnown(description.title, step);
    this.outputs = description.outputs;
    this.halo = description.halo;
    this.steps = description.steps.map((step) => prepared(tf, step, weights));
    this.work = this.steps.reduce((sum, step) => sum + (step.work ?? 0), 0);
    this.lastUse = lastUses(this.steps, this.outputs);
  }

  /**
   * Enlarge a picture, tile by tile.
   *
   * @param {Picture} lr
   * @param {string[]} heads which outputs to make: "x2", "x4"
   * @param {(share: number) => void} [tell] called with the share of the work done
   * @param {{tile?: number, halo?: number}} [options] for tests
   * @returns {Record<string, Picture>} by head
   */
  run(lr, heads, tell = () => {}, { tile = TILE, halo = this.halo } = {}) {
    const results = Object.fromEntries(heads.map((head) => [head, blank(lr, SCALES[head])]));
    const tiles = tilesOf(lr, tile, halo);
    const area = tiles.reduce((sum, t) => sum + t.outer.width * t.outer.height, 0);
    let done = 0;
    for (const { inner, outer } of tiles) {
      const pixels = outer.width * outer.height;
      const made = this.runWhole(cut(lr, outer), heads, (work) => {
        tell((done + pixels * work) / area);
      });
      done += pixels;
      for (const head of heads) paste(made[head], results[head], inner, outer, SCALES[head]);
    }
    return results;
  }

  /** Enlarge a picture in one piece. The outputs are not yet drawn in blocks. */
  runWhole(lr, heads, tell) {
    const { tf } = this;
    /** @type {Map<string, object>} */
    const tensors = new Map([["lr", tf.tensor4d(lr.data, [1, lr.height, lr.width, 3])]]);
    let work = 0;
    for (const [number, step] of this.steps.entries()) {
      const inputs = step.from.map((name) => tensors.get(name));
      tensors.set(step.to, tf.tidy(() => OPERATIONS[step.op](tf, step, inputs)));
      for (const name of this.lastUse[number]) tensors.get(name).dispose();
      work += step.work ?? 0;
      if (step.work) tell(work / this.work);
    }
    const made = {};
    for (const head of heads) {
      const tensor = tensors.get(this.outputs[head].tensor);
      const [, height, width] = tensor.shape;
      made[head] = { data: tensor.dataSync(), width, height };
    }
    for (const tensor of tensors.values()) tensor.dispose();
    return made;
  }
}

/** How many times larger each head's picture is. */
export const SCALES = { x2: 2, x4: 4 };

/** Turn the step's entries into tensors. */
function prepared(tf, step, weights) {
  const tensorOf = ({ start, shape }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(new Float32Array(weights, 4 * start, size), shape);
  };
  return Object.fromEntries(
    Object.entries(step).map(([key, value]) => [key, value.shape ? tensorOf(value) : value]),
  );
}

/** For each step, the tensors that nothing needs after it. @returns {string[][]} */
function lastUses(steps, outputs) {
  const needed = new Set(Object.values(outputs).map((output) => output.tensor));
  const uses = steps.map(() => []);
  for (let number = steps.length - 1; number >= 0; number -= 1) {
    for (const name of steps[number].from) {
      if (!needed.has(name)) uses[number].push(name);
      needed.add(name);
    }
  }
  return uses;
}

/**
 * Divide a picture into tiles. Each is computed with a margin as wide as the network sees
 * (`halo`), so that nobody can tell afterwards where it was cut. At the picture's own
 * border there is no margin: there the network sees zeros, as it does in one piece.
 */
export function tilesOf({ width, height }, side, halo) {
  const spans = (length) => {
    const count = Math.ceil(length / side);
    const step = 2 * Math.ceil(length / count / 2); // even: some networks halve
    const found = [];
    for (let start = 0; start < length; start += step) {
      const end = Math.min(start + step, length);
      const [from, to] = [Math.max(start - halo, 0), Math.min(end + halo, length)];
      found.push({ start, end, from, to });
    }
    return found;
  };
  return spans(height).flatMap((y) =>
    spans(width).map((x) => ({
      inner: { x: x.start, y: y.start, width: x.end - x.start, height: y.end - y.start },
      outer: { x: x.from, y: y.from, width: x.to - x.from, height: y.to - y.from },
    })),
  );
}

/** Make a black picture. */
function blank({ width, height }, scale) {
  const data = new Float32Array(width * scale * height * scale * 3);
  return { data, width: width * scale, height: height * scale };
}

/** Copy a part of a picture. */
function cut(picture, { x, y, width, height }) {
  if (width === picture.width && height === picture.height) return picture;
  const part = { data: new Float32Array(width * height * 3), width, height };
  for (let row = 0; row < height; row += 1) {
    const start = ((y + row) * picture.width + x) * 3;
    part.data.set(picture.data.subarray(start, start + width * 3), row * width * 3);
  }
  return part;
}

/** Put a tile's result, without its margin, where it belongs; draw its pixels as blocks. */
function paste(tile, result, inner, outer, scale) {
  const block = (outer.width * scale) / tile.width;
  const [left, top] = [(inner.x - outer.x) * scale, (inner.y - outer.y) * scale];
  for (let row = 0; row < inner.height * scale; row += 1) {
    const source = Math.floor((top + row) / block) * tile.width;
    let to = ((inner.y * scale + row) * result.width + inner.x * scale) * 3;
    for (let column = 0; column < inner.width * scale; column += 1) {
      const from = (source + Math.floor((left + column) / block)) * 3;
      result.data[to++] = tile.data[from];
      result.data[to++] = tile.data[from + 1];
      result.data[to++] = tile.data[from + 2];
    }
  }
}
