/**
 * Shrinking, enlarging and scoring pictures, as srlib does: data.make_pair, metrics.upscale,
 * metrics.psnr, metrics.ssim, metrics.block_means. tests/browser/test_live.py compares.
 *
 * A *photo* holds bytes from 0 to 255, a *picture* numbers in [0, 1]; both have three
 * channels a pixel, row by row.
 */

/** @typedef {{data: Uint8ClampedArray, width: number, height: number}} Photo */
/** @typedef {{data: Float32Array, width: number, height: number}} Picture */
/** @typedef {"article" | "antialiased"} Recipe */
/** @typedef {{width: number, height: number}} Size */

// --- Shrinking, as OpenCV does it to bytes ---------------------------------------------

/**
 * Shrink a photo by one of the course's recipes.
 *
 * @param {Photo} photo
 * @param {Size} size not larger than the photo
 * @param {Recipe} recipe
 * @returns {Photo}
 */
export function shrink(photo, size, recipe) {
  if (size.width === photo.width && size.height === photo.height) return photo;
  // OpenCV, asked to halve without antialiasing, takes the mean all the same.
  const halved = photo.width === 2 * size.width && photo.height === 2 * size.height;
  return recipe === "article" && !halved ? bilinear(photo, size) : average(photo, size);
}

/** `cv2.INTER_LINEAR`: two pixels each way, however many there are; in whole numbers. */
function bilinear(photo, { width, height }) {
  const data = new Uint8ClampedArray(width * height * 3);
  const columns = neighbours(photo.width, width);
  const rows = neighbours(photo.height, height);
  const lines = [0, 1].map(() => new Int32Array(width * 3));
  for (let y = 0; y < height; y += 1) {
    const { at, weights } = rows[y];
    lines.forEach((line, k) => {
      const start = Math.min(at + k, photo.height - 1) * photo.width;
      columns.forEach((column, x) => {
        const [left, right] = column.weights;
        const from = (start + column.at) * 3;
        const next = column.at + 1 < photo.width ? from + 3 : from;
        for (let c = 0; c < 3; c += 1) {
          line[3 * x + c] = photo.data[from + c] * left + photo.data[next + c] * right;
        }
      });
    });
    for (let k = 0; k < 3 * width; k += 1) {
      const upper = (weights[0] * (lines[0][k] >> 4)) >> 16;
      const lower = (weights[1] * (lines[1][k] >> 4)) >> 16;
      data[y * width * 3 + k] = (upper + lower + 2) >> 2;
    }
  }
  return { data, width, height };
}

/** For each new pixel, the first of the two old ones, and both weights of 2048 in all. */
function neighbours(length, count) {
  return Array.from({ length: count }, (_, k) => {
    const place = Math.fround((k + 0.5) * (length / count) - 0.5);
    const at = Math.min(Math.max(Math.floor(place), 0), length - 1);
    const part = place < 0 || at === length - 1 ? 0 : Math.fround(place - at);
    const weights = [Math.fround(1 - part), part].map((weight) => toEven(weight * 2048));
    return { at, weights };
  });
}

/** `cv2.INTER_AREA`: the mean over the area of each new pixel. */
function average(photo, { width, height }) {
  const columns = areas(photo.width, width);
  const rows = areas(photo.height, height);
  // Round as OpenCV does: half up where four pixels become one, otherwise half to even.
  const four = photo.width === 2 * width && photo.height === 2 * height;
  const round = four ? Math.round : toEven;
  const data = new Uint8ClampedArray(width * height * 3);
  const line = new Float64Array(width * 3);
  rows.forEach(({ first, weights }, y) => {
    const sums = new Float64Array(width * 3);
    weights.forEach((weight, k) => {
      line.fill(0);
      const start = (first + k) * photo.width;
      columns.forEach((column, x) => {
        column.weights.forEach((part, j) => {
          const from = (start + column.first + j) * 3;
          for (let c = 0; c < 3; c += 1) line[3 * x + c] += part * photo.data[from + c];
        });
      });
      for (let k = 0; k < line.length; k += 1) sums[k] += weight * line[k];
    });
    for (let k = 0; k < sums.length; k += 1) data[y * width * 3 + k] = round(sums[k]);
  });
  return { data, width, height };
}

/** For each new pixel, the first old one that it covers, and which part of it each is. */
function areas(length, count) {
  const scale = length / count;
  return Array.from({ length: count }, (_, k) => {
    const [start, end] = [k * scale, Math.min((k + 1) * scale, length)];
    const first = Math.floor(start + 1e-3);
    const last = Math.max(Math.ceil(end - 1e-3), first + 1);
    const covered = Array.from({ length: last - first }, (_, j) =>
      Math.min(end, first + j + 1) - Math.max(start, first + j),
    );
    const sum = covered.reduce((a, b) => a + b, 0);
    return { first, weights: covered.map((part) => part / sum) };
  });
}

/** Round, halves to the even neighbour. */
function toEven(x) {
  const whole = Math.floor(x);
  const rest = x - whole;
  if (rest !== 0.5) return rest < 0.5 ? whole : whole + 1;
  return whole + (whole % 2);
}

/** Turn bytes into numbers in [0, 1]. @returns {Picture} */
export function asPicture({ data, width, height }) {
  return { data: Float32Array.from(data, (value) => value / 255), width, height };
}

// --- Enlarging, as Pillow does it to numbers -------------------------------------------

/** How far a method looks, in input pixels, and what a pixel at a distance weighs. */
const KERNELS = {
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, weight: keys },
};

/** Keys' cubic with a = -1/2. */
function keys(distance) {
  const x = Math.abs(distance);
  if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  if (x < 2) return -0.5 * (x ** 3 - 5 * x ** 2 + 8 * x - 4);
  return 0;
}

/** The baselines: what a network has to beat. */
export const BASELINES = ["nearest", "bilinear", "bicubic"];

/**
 * Enlarge a picture by interpolation.
 *
 * @param {Picture} lr
 * @param {number} scale whole
 * @param {string} method one of BASELINES
 * @returns {Picture} in [0, 1]
 */
export function upscale(lr, scale, method) {
  if (method === "nearest") return repeatBlocks(lr, scale);
  const large = interpolate(lr, scale, method);
  for (let k = 0; k < large.data.length; k += 1) {
    large.data[k] = Math.min(Math.max(large.data[k], 0), 1);
  }
  return large;
}

/** The same, as a network needs it: overshoot is not clipped. */
export function interpolate(lr, scale, method) {
  const wide = stretch(lr, scale, KERNELS[method], "columns");
  return stretch(wide, scale, KERNELS[method], "rows");
}

/** Make the rows longer, or the columns. */
function stretch(picture, scale, kernel, what) {
  const alongRows = what === "columns";
  const length = alongRows ? picture.width : picture.height;
  const width = alongRows ? picture.width * scale : picture.width;
  const height = alongRows ? picture.height : picture.height * scale;
  const data = new Float32Array(width * height * 3);
  const views = viewsOf(length, scale, kernel);
  const step = alongRows ? 3 : picture.width * 3;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const { first, weights } = views[alongRows ? x : y];
      const origin = alongRows ? y * picture.width * 3 : x * 3;
      for (let c = 0; c < 3; c += 1) {
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) {
          sum += weights[k] * picture.data[origin + (first + k) * step + c];
        }
        data[(y * width + x) * 3 + c] = sum;
      }
    }
  }
  return { data, width, height };
}

/** For each new pixel, the first old one that it looks at, and their weights. */
function viewsOf(length, scale, { support, weight }) {
  return Array.from({ length: length * scale }, (_, k) => {
    const centre = (k + 0.5) / scale;
    const first = Math.max(Math.floor(centre - support + 0.5), 0);
    const last = Math.min(Math.floor(centre + support + 0.5), length);
    const weights = Array.from({ length: last - first }, (_, j) =>
      weight(first + j + 0.5 - centre),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((w) => w / sum) };
  });
}

// --- Scores ----------------------------------------------------------------------------

/** SSIM's window: a Gaussian with sigma 1.5 over 11 pixels. */
const WINDOW = (() => {
  const bell = Array.from({ length: 11 }, (_, k) => Math.exp(-((k - 5) ** 2) / (2 * 1.5 ** 2)));
  const sum = bell.reduce((a, b) => a + b, 0);
  return bell.map((value) => value / sum);
})();
const [C1, C2] = [0.01 ** 2, 0.03 ** 2];

/**
 * Return a function that scores pictures against a target.
 *
 * @param {Picture} target
 * @returns {(picture: Picture) => {psnr: number, ssim: number}}
 */
export function scorer(target) {
  const { width, height } = target;
  const blurred = [0, 1, 2].map((channel) => {
    const plane = planeOf(target, channel);
    const mean = blur(plane, width, height);
    return { plane, mean, square: blur(plane.map((value) => value * value), width, height) };
  });
  const ssimOf = (picture, channel) => {
    const { plane, mean, square } = blurred[channel];
    const other = planeOf(picture, channel);
    const otherMean = blur(other, width, height);
    const otherSquare = blur(other.map((value) => value * value), width, height);
    const product = blur(other.map((value, k) => value * plane[k]), width, height);
    let sum = 0;
    for (let k = 0; k < mean.length; k += 1) {
      const [m, n] = [mean[k], otherMean[k]];
      const variances = square[k] - m * m + otherSquare[k] - n * n;
      const covariance = product[k] - m * n;
      sum += ((2 * m * n + C1) * (2 * covariance + C2)) / ((m * m + n * n + C1) * (variances + C2));
    }
    return sum / mean.length;
  };
  return (picture) => ({
    psnr: psnr(target, picture),
    ssim: (ssimOf(picture, 0) + ssimOf(picture, 1) + ssimOf(picture, 2)) / 3,
  });
}

/** Return the PSNR in dB, the picture clipped to [0, 1]. */
export function psnr(target, picture) {
  let sum = 0;
  for (let k = 0; k < target.data.length; k += 1) {
    sum += (target.data[k] - Math.min(Math.max(picture.data[k], 0), 1)) ** 2;
  }
  return -10 * Math.log10(sum / target.data.length);
}

/** Take one channel, clipped to [0, 1]. */
function planeOf({ data, width, height }, channel) {
  const plane = new Float64Array(width * height);
  for (let k = 0; k < plane.length; k += 1) {
    plane[k] = Math.min(Math.max(data[3 * k + channel], 0), 1);
  }
  return plane;
}

/** Average with WINDOW, where it lies inside the plane: 10 pixels less each way. */
function blur(plane, width, height) {
  const rest = width - 10;
  const rows = new Float64Array(rest * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < rest; x += 1) {
      let sum = 0;
      for (let k = 0; k < 11; k += 1) sum += WINDOW[k] * plane[y * width + x + k];
      rows[y * rest + x] = sum;
    }
  }
  const result = new Float64Array(rest * (height - 10));
  for (let k = 0; k < result.length; k += 1) {
    let sum = 0;
    for (let j = 0; j < 11; j += 1) sum += WINDOW[j] * rows[k + j * rest];
    result[k] = sum;
  }
  return result;
}

// --- Blocks ----------------------------------------------------------------------------

/** Return the mean of each `block` x `block` tile. The last ones may be cut by the border. */
export function blockMeans(picture, block) {
  const [width, height] = [picture.width, picture.height].map((side) => Math.ceil(side / block));
  const sums = new Float64Array(width * height * 3);
  const counts = new Float64Array(width * height * 3);
  for (let y = 0; y < picture.height; y += 1) {
    for (let x = 0; x < picture.width; x += 1) {
      const to = (Math.floor(y / block) * width + Math.floor(x / block)) * 3;
      const from = (y * picture.width + x) * 3;
      for (let c = 0; c < 3; c += 1) {
        sums[to + c] += picture.data[from + c];
        counts[to + c] += 1;
      }
    }
  }
  return { data: Float32Array.from(sums, (sum, k) => sum / counts[k]), width, height };
}

/** Draw each pixel as a `block` x `block` tile, within a size. */
export function repeatBlocks(
  picture,
  block,
  { width, height } = { width: picture.width * block, height: picture.height * block },
) {
  const data = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (Math.floor(y / block) * picture.width + Math.floor(x / block)) * 3;
      const to = (y * width + x) * 3;
      for (let c = 0; c < 3; c += 1) data[to + c] = picture.data[from + c];
    }
  }
  return { data, width, height };
}

/** Return the PSNR in dB of the best picture that is made of blocks. */
export function ceilingPsnr(target, block) {
  return psnr(target, repeatBlocks(blockMeans(target, block), block, target));
}

/** Say how large the blocks are of which a picture is made: 4, 2 or 1 (none). */
export function blockSize(picture) {
  return [4, 2].find((block) => isBlockConstant(picture, block)) ?? 1;
}

function isBlockConstant(picture, block) {
  const { data, width } = picture;
  for (let k = 0; k < data.length; k += 1) {
    const pixel = Math.floor(k / 3);
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    const first = ((y - (y % block)) * width + x - (x % block)) * 3 + (k % 3);
    if (Math.abs(data[k] - data[first]) > 1e-5) return false;
  }
  return true;
}

// --- To and from what a canvas holds ---------------------------------------------------

/** Drop the opacity of pixels in RGBA. @returns {Photo} */
export function fromRgba({ data, width, height }) {
  const rgb = new Uint8ClampedArray(width * height * 3);
  for (let k = 0; k < width * height; k += 1) {
    rgb[3 * k] = data[4 * k];
    rgb[3 * k + 1] = data[4 * k + 1];
    rgb[3 * k + 2] = data[4 * k + 2];
  }
  return { data: rgb, width, height };
}

/** Round and clip a picture to bytes, opaque. @returns {ImageData} */
export function toRgba({ data, width, height }) {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let k = 0; k < width * height; k += 1) {
    rgba[4 * k] = data[3 * k] * 255;
    rgba[4 * k + 1] = data[3 * k + 1] * 255;
    rgba[4 * k + 2] = data[3 * k + 2] * 255;
  }
  return new ImageData(rgba, width, height);
}

/**
 * Find where most happens in a picture: the middle of the window of `side` pixels with the
 * largest differences between neighbours.
 */
export function busiest({ data, width, height }, side) {
  let best = { x: width / 2, y: height / 2, sum: -1 };
  const step = Math.max(Math.floor(side / 2), 1);
  for (let top = 0; top + side < height; top += step) {
    for (let left = 0; left + side < width; left += step) {
      let sum = 0;
      for (let y = top; y < top + side; y += 1) {
        for (let x = left; x < left + side; x += 1) {
          const k = (y * width + x) * 3 + 1; // green is enough
          sum += Math.abs(data[k] - data[k + 3]) + Math.abs(data[k] - data[k + 3 * width]);
        }
      }
      if (sum > best.sum) best = { x: left + side / 2, y: top + side / 2, sum };
    }
  }
  return { x: best.x, y: best.y };
}
