/**
 * Reading a photo, whatever file it comes in, and making the networks' input from it. What
 * cannot be used is refused in a sentence that says what was found, what is needed, and what
 * to do.
 */

import { SIDE as LOUPE } from "./loupe.mjs";
import { asPicture, fromRgba, shrink } from "./pictures.mjs";

/** The kinds of file that the page takes: all that every recent browser reads. */
export const ACCEPTED = {
  JPEG: "image/jpeg",
  PNG: "image/png",
  WebP: "image/webp",
  GIF: "image/gif",
  BMP: "image/bmp",
  AVIF: "image/avif",
};
const NAMES = Object.keys(ACCEPTED);
export const ACCEPTED_NAMES = `${NAMES.slice(0, -1).join(", ")} or ${NAMES.at(-1)}`;

/** The longest sides of an input that the page offers. */
export const INPUTS = [96, 128, 192];

/** Side of the input in the chapters, and of most photos that it was made from. */
const [COURSE_INPUT, COURSE_PHOTO] = [72, 500];
/** An input's shortest side: the loupe's. SSIM's window would need 6. */
const LEAST_INPUT = LOUPE;
const MOST_BYTES = 100e6;
const MOST_PIXELS = 50e6;
/** Of a photo that is enlarged as it is: its x4 picture has sixteen times as many. */
const MOST_PIXELS_WHOLE = 512 * 512;
/** So that its x4 picture is not longer than browsers can show: 16384. */
const MOST_SIDE_WHOLE = 4096;
/** Of the pieces in which a photo is read. Some browsers have no larger canvas. */
const PIXELS_AT_ONCE = 4e6;

/** A photo that cannot be used. The message says why, and what to do. */
export class Refusal extends Error {}

// --- Reading ---------------------------------------------------------------------------

/**
 * Read a photo, upright, on white where it is transparent.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export async function read(blob, name) {
  if (blob.size > MOST_BYTES) {
    throw new Refusal(
      `${name} has ${Math.round(blob.size / 1e6)} megabytes, and this page takes up to ` +
        `${MOST_BYTES / 1e6}. Save the photo smaller, and choose that.`,
    );
  }
  let start;
  try {
    start = new Uint8Array(await blob.slice(0, 1024).arrayBuffer());
  } catch {
    throw new Refusal(
      `${name} cannot be opened. It may be a folder, or have been moved or renamed. ` +
        `Choose a ${ACCEPTED_NAMES} file.`,
    );
  }
  if (!start.length) throw new Refusal(`${name} is empty. Choose a ${ACCEPTED_NAMES} file.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw unreadable(name, kindOf(start));
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    bitmap.close();
    throw new Refusal(
      `${sized(name, { width, height })}, and this page takes up to ` +
        `${MOST_PIXELS / 1e6} million. Save the photo smaller, and choose that.`,
    );
  }
  const data = new Uint8ClampedArray(width * height * 3);
  const rows = Math.min(Math.max(Math.floor(PIXELS_AT_ONCE / width), 1), height);
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.fillStyle = "white";
  for (let top = 0; top < height; top += rows) {
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    const part = context.getImageData(0, 0, width, Math.min(rows, height - top));
    data.set(fromRgba(part).data, top * width * 3);
  }
  bitmap.close();
  return { data, width, height };
}

function unreadable(name, kind) {
  if (kind in ACCEPTED) {
    return new Refusal(
      `${name} begins like a ${kind} picture, but this browser cannot read it to its end. It ` +
        "may be damaged or incomplete. Copy it again, or open it in a photo program and save " +
        "it as JPEG or PNG.",
    );
  }
  return new Refusal(
    `${name} is ${kind}, and this page takes ${ACCEPTED_NAMES} pictures. Choose one of these; the ` +
      "program that opens this file can often save it as JPEG or PNG.",
  );
}

/** How files begin: what they are, where it stands, and what stands there. */
const BEGINNINGS = [
  ["JPEG", 0, "\xFF\xD8\xFF"],
  ["PNG", 0, "\x89PNG"],
  ["WebP", 8, "WEBP"],
  ["GIF", 0, "GIF8"],
  ["BMP", 0, "BM"],
  ["AVIF", 4, "ftypavi"],
  ["a HEIC photo", 4, "ftyphe"],
  ["a HEIC photo", 4, "ftypmif1"],
  ["a video or another film-like file", 4, "ftyp"],
  ["a TIFF picture or a camera's raw photo", 0, "II*\0"],
  ["a TIFF picture or a camera's raw photo", 0, "MM\0*"],
  ["a JPEG XL picture", 0, "\xFF\x0A"],
  ["a JPEG XL picture", 4, "JXL "],
  ["a Photoshop file", 0, "8BPS"],
  ["a PDF document", 0, "%PDF"],
  ["an archive or an office document", 0, "PK\x03\x04"],
];

/** Say what a file is by its first bytes. Its name may say anything. */
function kindOf(bytes) {
  const text = String.fromCharCode(...bytes);
  const found = BEGINNINGS.find(([, place, word]) => text.startsWith(word, place));
  if (found) return found[0];
  if (/<svg[\s>]/i.test(text)) return "an SVG drawing, which has no pixels";
  if (/^\s*<(!doctype html|html)/i.test(text)) return "a web page";
  return /[\0-\x08\x0E-\x1F]/.test(text) ? "a file of an unknown kind" : "text";
}

// --- The networks' input ---------------------------------------------------------------

/**
 * Make the networks' input, and what they should make of it, from a photo.
 *
 * @param {import("./pictures.mjs").Photo} photo
 * @param {{name: string, input: number | "square" | "whole", recipe: string}} order
 * @param {Record<string, number>} scales by head
 */
export function prepare(photo, { name, input, recipe }, scales) {
  const size = { width: photo.width, height: photo.height };
  if (input === "whole") {
    checkWhole(name, size);
    return { lr: asPicture(photo), targets: {} };
  }
  const lrSize = input === "square" ? square(name, size) : sizeWithin(name, size, input);
  const used = reduced(photo, lrSize, input);
  const shrunk = (scale) => {
    const wanted = { width: lrSize.width * scale, height: lrSize.height * scale };
    return asPicture(shrink(used, wanted, recipe));
  };
  const targets = Object.fromEntries(
    Object.entries(scales).map(([head, scale]) => [head, shrunk(scale)]),
  );
  const filled = typeof input !== "number" || Math.max(lrSize.width, lrSize.height) === input;
  const note = filled
    ? ""
    : `The networks get ${shown(lrSize)} pixels, not ${input}. Four times as large, the picture ` +
      `must fit into the photo, and ${name} has only ${shown(size)}.`;
  return { lr: shrunk(1), targets, used, note };
}

/**
 * Reduce a photo that is larger than those of the course, in proportion to the input. What
 * a recipe does depends on how much it shrinks.
 */
function reduced(photo, lrSize, input) {
  const longest = Math.max(photo.width, photo.height);
  const side = input === "square" ? COURSE_INPUT : input;
  const factor = Math.max(
    (side / COURSE_INPUT) * (COURSE_PHOTO / longest),
    // Not below the x4 target.
    (4 * lrSize.width) / photo.width,
    (4 * lrSize.height) / photo.height,
  );
  if (factor >= 1) return photo;
  const size = {
    width: Math.round(photo.width * factor),
    height: Math.round(photo.height * factor),
  };
  return shrink(photo, size, "antialiased");
}

/** The input of the chapters: a square, whatever the shape of the photo. */
function square(name, size) {
  const least = 4 * COURSE_INPUT;
  if (Math.min(size.width, size.height) < least) {
    throw new Refusal(
      `${sized(name, size)}, and the chapters' input needs ${least} or more each way, so that ` +
        `nothing has to be invented. ${advice(size)}`,
    );
  }
  return { width: COURSE_INPUT, height: COURSE_INPUT };
}

function sizeWithin(name, size, input) {
  const result = largestWithin(size, input);
  if (isEnough(result)) return result;
  const problem = isEnough({ width: size.width / 4, height: size.height / 4 })
    ? `. Shrunk to ${Math.max(result.width, result.height)}, it would be ${shown(result)}, and ` +
      `the networks' input needs ${LEAST_INPUT} or more each way`
    : `, and a photo that is shrunk needs ${4 * LEAST_INPUT} or more each way`;
  throw new Refusal(`${sized(name, size)}${problem}. ${advice(size)}`);
}

/** The largest input of the photo's shape whose x4 target is no larger than the photo. */
function largestWithin({ width, height }, input) {
  const longest = Math.max(width, height);
  const shortest = Math.min(width, height);
  const long = Math.min(input, Math.floor(longest / 4));
  const short = Math.min(Math.round((shortest * long) / longest), Math.floor(shortest / 4));
  return width >= height ? { width: long, height: short } : { width: short, height: long };
}

const isEnough = ({ width, height }) => Math.min(width, height) >= LEAST_INPUT;

function checkWhole(name, size) {
  const problem = wholeProblem(size);
  if (!problem) return;
  throw new Refusal(
    `${sized(name, size)}, and a photo that is taken as it is ${problem}. ${advice(size)}`,
  );
}

/** What a photo would need to be enlarged as it is; undefined if it has all. */
function wholeProblem(size) {
  if (!isEnough(size)) return `needs ${LEAST_INPUT} or more each way`;
  if (Math.max(size.width, size.height) > MOST_SIDE_WHOLE) {
    return `may be up to ${MOST_SIDE_WHOLE} pixels long`;
  }
  return size.width * size.height > MOST_PIXELS_WHOLE
    ? "may have up to 512 × 512, or as many in another shape"
    : undefined;
}

/** What to do with a photo that is refused: something that then works. */
function advice(size) {
  const side = INPUTS.find((input) => isEnough(largestWithin(size, input)));
  if (side) return `Choose "the photo shrunk to ${side} pixels".`;
  if (!wholeProblem(size)) return 'Choose "the photo as it is", or a larger or less narrow photo.';
  return "Choose a larger photo, or cut a less narrow piece out of this one.";
}

const shown = ({ width, height }) => `${width} × ${height}`;
const sized = (name, size) => `${name} has ${shown(size)} pixels`;
