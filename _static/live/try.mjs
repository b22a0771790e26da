/** The page "Try it": takes a photo, lets worker.mjs work, shows what comes. */

import { Loupe } from "./loupe.mjs";

/** The cards, in their order: key, title. @type {[string, string][]} */
const CARDS = [
  ["target", "The photo"],
  ["nearest", "Nearest"],
  ["bilinear", "Bilinear"],
  ["bicubic", "Bicubic"],
  ["basic", "Model 1"],
  ["residual", "Model 2"],
  ["atrous", "Model 3"],
  ["efficientnet_4", "Model 4"],
  ["depth_to_space", "Model 5"],
];
const TITLES = Object.fromEntries(CARDS);
const METHODS = CARDS.map(([key]) => key).filter((key) => key !== "target");
const NETWORKS = METHODS.slice(3);
const HEADS = ["x2", "x4"];

const PAGE = `
  <div class="live-photos">
    <div class="live-choices" role="group" aria-label="Photos that come with the course"></div>
    <p class="live-own">
      <input type="file" id="live-file" accept="image/*">
      <label for="live-file">Choose a photo of your own</label>
      <span>or drop one anywhere on this page, or paste it.</span>
    </p>
  </div>
  <div class="live-settings">
    <label>The networks get
      <select name="input">
        <option value="96">the photo shrunk to 96 pixels</option>
        <option value="128">the photo shrunk to 128 pixels</option>
        <option value="192">the photo shrunk to 192 pixels</option>
        <option value="square">72 × 72, stretched, as in the chapters</option>
        <option value="whole">the photo as it is (no scores)</option>
      </select>
    </label>
    <label>It is shrunk
      <select name="recipe">
        <option value="article">by the article's recipe (not antialiased)</option>
        <option value="antialiased">by averaging (antialiased)</option>
      </select>
    </label>
  </div>
  <p class="live-problem" role="alert" hidden></p>
  <div class="live-progress" hidden>
    <label for="live-bar"></label>
    <progress id="live-bar" max="1" value="0"></progress>
    <button type="button">Cancel</button>
  </div>
  <p class="live-status" role="status"></p>
  <div class="live-results" hidden>
    <fieldset class="live-scale">
      <legend>Enlarged</legend>
      <label><input type="radio" name="live-head" value="x2"> ×2</label>
      <label><input type="radio" name="live-head" value="x4" checked> ×4</label>
    </fieldset>
    <div class="live-grid" role="group" tabindex="0" aria-describedby="live-hint"
      aria-label="The pictures, with a loupe"></div>
    <p id="live-hint" class="live-small">The loupe shows the same 9 × 9 pixels of the input
      everywhere. It follows the pointer; on a touch screen, tap or drag it; with the keyboard,
      go to the pictures with Tab and use the arrow keys (with Shift: further; Home: back).</p>
    <div class="live-table" role="region" aria-label="Scores" tabindex="0"></div>
    <p class="live-small live-protocol"></p>
  </div>`;

const root = document.querySelector("#live");
root.innerHTML = PAGE;
const $ = (selector) => root.querySelector(selector);

const progress = $(".live-progress");
const problem = $(".live-problem");
const status = $(".live-status");
const results = $(".live-results");
const grid = $(".live-grid");
const loupe = new Loupe(grid);

/** @type {{box: HTMLElement, caption: HTMLElement, card: HTMLElement}[]} by key */
const cards = {};

/** What is there of the present photo: by method and head, its canvas and its scores. */
let made = {};
/** @type {{blob: Blob, name: string} | undefined} */
let photo;
/** What was asked of the worker; and what it said of the photo whose pictures are shown. */
let order, facts;
/** @type {Worker | undefined} */
let worker;
let busy = false;

// --- The photo -------------------------------------------------------------------------

/** Turn the pictures of the page into buttons. */
function offerSamples() {
  const samples = document.querySelector(".live-samples");
  for (const image of samples.querySelectorAll("img")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "live-thumb";
    button.setAttribute("aria-pressed", "false");
    button.append(image);
    button.addEventListener("click", async () => {
      const response = await fetch(image.src);
      choose(await response.blob(), image.alt, button);
    });
    $(".live-choices").append(button);
  }
  samples.remove();
}

function choose(blob, name, button) {
  photo = { blob, name };
  for (const thumb of root.querySelectorAll(".live-thumb")) {
    thumb.setAttribute("aria-pressed", String(thumb === button));
  }
  start();
}

/** Take a file that was chosen, dropped or pasted. */
function takeFiles(files) {
  if (!files?.length) return;
  choose(files[0], files[0].name || "The picture");
}

$("#live-file").addEventListener("change", (event) => {
  takeFiles(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  root.classList.add("live-over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) root.classList.remove("live-over");
});
document.addEventListener("drop", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  root.classList.remove("live-over");
  takeFiles(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => takeFiles(event.clipboardData?.files));

// --- The work --------------------------------------------------------------------------

function start() {
  if (busy) stopWorker();
  worker ??= startWorker();
  busy = true;
  problem.hidden = true;
  status.textContent = "";
  progress.hidden = false;
  grid.setAttribute("aria-busy", "true");
  order = { photo: photo.blob, name: photo.name, ...settings() };
  worker.postMessage(order);
}

function startWorker() {
  const fresh = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
  fresh.onmessage = ({ data }) => ANSWERS[data.kind](data);
  fresh.onerror = (event) => ANSWERS.failed({ message: event.message ?? "" });
  return fresh;
}

function stopWorker() {
  worker?.terminate();
  worker = undefined;
  finish();
}

function finish() {
  busy = false;
  if (progress.contains(document.activeElement)) grid.focus({ preventScroll: true });
  progress.hidden = true;
  grid.removeAttribute("aria-busy");
}

/** What to do with each kind of message. */
const ANSWERS = {
  progress({ share, note }) {
    progress.querySelector("progress").value = share;
    progress.querySelector("label").textContent = note;
  },
  start(data) {
    facts = { ...data, name: order.name, recipe: order.recipe };
    made = {};
    for (const [head, rgba] of Object.entries(data.targets)) keep("target", head, { rgba });
    results.hidden = false;
    grid.style.setProperty("--live-shape", `${data.input.width} / ${data.input.height}`);
    loupe.reset(data.input, data.busiest);
    show();
  },
  picture({ method, head, ...result }) {
    keep(method, head, result);
    show();
  },
  done() {
    finish();
    status.textContent = summary();
  },
  refused({ message }) {
    finish();
    problem.textContent = message;
    problem.hidden = false;
  },
  failed({ message }) {
    stopWorker();
    problem.textContent =
      "That did not work, and it is not your photo's fault. Reload the page and try again; " +
      `a recent version of any browser should do. (${message})`;
    problem.hidden = false;
  },
};

progress.querySelector("button").addEventListener("click", () => {
  stopWorker();
  status.textContent = "Cancelled. Choose a photo to begin again.";
});

function settings() {
  const input = $("[name=input]").value;
  return {
    input: Number(input) || input,
    recipe: $("[name=recipe]").value,
  };
}

$(".live-settings").addEventListener("change", () => {
  $("[name=recipe]").disabled = $("[name=input]").value === "whole";
  if (photo) start();
});

// --- What is shown ---------------------------------------------------------------------

function keep(method, head, { rgba, ...scores }) {
  const canvas = document.createElement("canvas");
  canvas.width = rgba.width;
  canvas.height = rgba.height;
  canvas.getContext("2d").putImageData(rgba, 0, 0);
  canvas.className = "live-shown";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${TITLES[method]}, ${rgba.width} by ${rgba.height} pixels`);
  (made[method] ??= {})[head] = { canvas, ...scores };
}

function makeCards() {
  for (const [key, title] of CARDS) {
    const card = document.createElement("figure");
    const box = document.createElement("div");
    box.className = "live-picture";
    const caption = document.createElement("figcaption");
    caption.innerHTML = `<strong>${title}</strong><span></span>`;
    card.append(box, caption);
    grid.append(card);
    loupe.add(box);
    cards[key] = { box, caption: caption.lastElementChild, card };
  }
}

const shownHead = () => root.querySelector("[name=live-head]:checked").value;

function show() {
  const head = shownHead();
  const scored = Boolean(facts.targets[head]);
  const [highest, alike] = [best("psnr", head), best("ssim", head)];
  for (const [key, { box, caption, card }] of Object.entries(cards)) {
    card.hidden = key === "target" && !scored;
    const result = made[key]?.[head];
    box.querySelector(".live-shown")?.remove();
    if (result) box.prepend(result.canvas);
    caption.replaceChildren(...(result ? describe(key, result, { highest, alike }) : ["…"]));
  }
  $(".live-table").hidden = !scored;
  if (scored) $(".live-table").replaceChildren(table());
  $(".live-protocol").textContent = protocol();
  loupe.draw();
}

/** The lines under a picture. */
function describe(key, { canvas, psnr, ssim, block }, { highest, alike }) {
  const line = (text, name) => {
    const span = document.createElement("span");
    span.textContent = text;
    if (name) span.className = name;
    return span;
  };
  const size = `${canvas.width} × ${canvas.height}`;
  if (key === "target") return [line(`the truth, ${size}`)];
  const lines = [];
  if (psnr !== undefined) {
    lines.push(line(`${psnr.toFixed(2)} dB`, key === highest && "live-best"));
    lines.push(line(`SSIM ${ssim.toFixed(3)}`, key === alike && "live-best"));
  }
  lines.push(line(block > 1 ? `blocks of ${block} × ${block}` : "no blocks"));
  return lines;
}

/** The method with the highest score, once all are there. */
function best(score, head) {
  const found = METHODS.filter((key) => made[key]?.[head]?.[score] !== undefined);
  if (found.length < METHODS.length) return undefined;
  return found.reduce((a, b) => (made[a][head][score] >= made[b][head][score] ? a : b));
}

function table() {
  const result = document.createElement("table");
  const cell = (score, digits) => `<td>${score === undefined ? "…" : score.toFixed(digits)}</td>`;
  const rows = METHODS.map((key) => {
    const scores = HEADS.map((head) => made[key]?.[head] ?? {});
    const cells = scores.map(({ psnr, ssim }) => cell(psnr, 2) + cell(ssim, 3));
    return `<tr><th scope="row">${TITLES[key]}</th>${cells.join("")}</tr>`;
  });
  const ceilings = [2, 4].map((block) => {
    const cells = HEADS.map((head) => `${cell(facts.ceilings[head][block], 2)}<td>–</td>`);
    return `<tr class="live-ceiling"><th scope="row">ceiling of ${block} × ${block} blocks</th>${cells.join("")}</tr>`;
  });
  result.innerHTML = `
    <caption>Scores against the photo at the same size: PSNR in dB, and SSIM</caption>
    <thead><tr><td></td>
      <th scope="col">×2 PSNR</th><th scope="col">×2 SSIM</th>
      <th scope="col">×4 PSNR</th><th scope="col">×4 SSIM</th></tr></thead>
    <tbody>${rows.join("")}${ceilings.join("")}</tbody>`;
  return result;
}

/** What the pictures were made from. */
function protocol() {
  const { name, recipe, input, used, photo: size } = facts;
  const parts = [`${name}, ${size.width} × ${size.height}`];
  if (used && used.width !== size.width) {
    parts.push(`reduced to ${used.width} × ${used.height} by averaging`);
  }
  parts.push(`input ${input.width} × ${input.height}`);
  if (used) parts.push(`${recipe} recipe`, "RGB, nothing cropped");
  const seconds = NETWORKS.map((key) => made[key]?.x4?.seconds);
  if (seconds.every((value) => value !== undefined)) {
    const sum = seconds.reduce((a, b) => a + b, 0);
    parts.push(`all five networks took ${sum.toFixed(1)} s`);
  }
  return `${parts.join("; ")}.`;
}

/** One sentence for those who do not see the pictures. */
function summary() {
  if (!facts.used) return "Done: enlarged by all eight methods.";
  const parts = HEADS.map((head) => {
    const winner = best("psnr", head);
    return `at ×${head[1]} ${TITLES[winner]} with ${made[winner][head].psnr.toFixed(2)} dB`;
  });
  return `Done. The highest PSNR has ${parts.join(", and ")}.`;
}

for (const radio of root.querySelectorAll("[name=live-head]")) {
  radio.addEventListener("change", show);
}
makeCards();
offerSamples();
