/** The page "Try it": takes a photo, lets worker.mjs work, shows what comes. */

import { Loupe } from "./loupe.mjs";
import { ACCEPTED, ACCEPTED_NAMES, INPUTS } from "./photo.mjs";

/** What is shown beside the networks: key, title. The networks come from their index. */
const TARGET = "target";
const INTERPOLATIONS = { nearest: "Nearest", bilinear: "Bilinear", bicubic: "Bicubic" };
const HEADS = ["x2", "x4"];

const SHRUNK = INPUTS.map(
  (side) => `<option value="${side}">the photo shrunk to ${side} pixels</option>`,
);
const PAGE = `
  <div class="live-photos">
    <div class="live-choices" role="group" aria-label="Photos that come with the course"></div>
    <p class="live-own">
      <input type="file" id="live-file" accept="${Object.values(ACCEPTED)}">
      <label for="live-file">Choose a photo of your own</label>
      <span>or drop one anywhere on this page, or paste it: ${ACCEPTED_NAMES}.</span>
    </p>
  </div>
  <div class="live-settings">
    <label>The networks get
      <select name="input">
        ${SHRUNK.join("")}
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
  <p class="live-note live-small" role="status"></p>
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
      go to the pictures with Tab and use the arrow keys (with Shift: further; Home: back). A
      click of the mouse opens a picture at its own size.</p>
    <div class="live-table" role="region" aria-label="Scores" tabindex="0"></div>
    <p class="live-small live-protocol"></p>
  </div>
  <dialog class="live-full" aria-labelledby="live-full-title">
    <p id="live-full-title" role="status"></p>
    <div class="live-full-picture" tabindex="0" role="region" aria-label="The picture"></div>
    <p class="live-buttons">
      <button type="button" value="-1">Previous</button>
      <button type="button" value="1">Next</button>
      <button type="button" value="save">Save as PNG</button>
      <button type="button" value="close">Close</button>
    </p>
  </dialog>`;

const root = document.querySelector("#live");
root.innerHTML = PAGE;
const $ = (selector) => root.querySelector(selector);

const progress = $(".live-progress");
const problem = $(".live-problem");
const status = $(".live-status");
const results = $(".live-results");
const grid = $(".live-grid");
const full = $(".live-full");
const loupe = new Loupe(grid);

/** @type {Record<string, {box: HTMLElement, caption: HTMLElement, card: HTMLElement}>} by key */
const cards = {};
/** By key, in the order in which they are shown; and the keys of what paints. */
let titles = {};
let methods = [];
/** Keys of the networks. */
let networks = [];

/** What is there of the present photo: by method and head, its canvas and its scores. */
let made = {};
/** @type {{photo: Blob | string, name: string, note: string} | undefined} */
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
    // The worker fetches it, so that of two quick clicks the last one counts.
    button.addEventListener("click", () => choose(image.src, image.alt, { button }));
    $(".live-choices").append(button);
  }
  samples.remove();
}

function choose(source, name, { button, note = "" } = {}) {
  photo = { photo: source, name, note };
  for (const thumb of root.querySelectorAll(".live-thumb")) {
    thumb.setAttribute("aria-pressed", String(thumb === button));
  }
  start();
}

/** Take a file that was chosen, dropped or pasted. */
function takeFiles(files) {
  const [file] = files;
  const note =
    files.length > 1 ? `Of the ${files.length} files this is the first. Choose one at a time.` : "";
  choose(file, file.name || "The picture", { note });
}

$("#live-file").addEventListener("change", (event) => {
  if (event.target.files.length) takeFiles(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
/** Whether what is dragged is a file, or a link that the browser would otherwise follow. */
const concernsUs = ({ dataTransfer }) =>
  ["Files", "text/uri-list"].some((type) => dataTransfer.types.includes(type));
document.addEventListener("dragover", (event) => {
  if (!concernsUs(event)) return;
  event.preventDefault();
  root.classList.add("live-over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) root.classList.remove("live-over");
});
document.addEventListener("drop", (event) => {
  root.classList.remove("live-over");
  if (!concernsUs(event)) return;
  event.preventDefault();
  const { files } = event.dataTransfer;
  if (files.length) takeFiles(files);
  else complain("A link was dropped, not a file. Save the picture first, and drop the file.");
});
document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData?.files.length) takeFiles(clipboardData.files);
});

// --- The work --------------------------------------------------------------------------

function start() {
  if (busy) stopWorker();
  full.close();
  busy = true;
  problem.hidden = true;
  status.textContent = `Working on ${photo.name}.`;
  ANSWERS.progress({ share: 0, note: "Starting" });
  progress.hidden = false;
  grid.setAttribute("aria-busy", "true");
  order = { ...photo, ...settings(), begin: performance.now() };
  try {
    worker ??= startWorker();
    worker.postMessage(order);
  } catch (error) {
    ANSWERS.failed({ message: `The browser said: ${error.message}.` });
  }
}

function startWorker() {
  const fresh = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
  // One that was stopped has nothing more to say.
  fresh.onmessage = ({ data }) => fresh === worker && ANSWERS[data.kind](data);
  fresh.onerror = ({ message }) =>
    fresh === worker &&
    ANSWERS.failed({
      message: `The script that computes (worker.mjs) did not run${message ? `: ${message}` : ""}.`,
    });
  return fresh;
}

function stopWorker() {
  worker?.terminate();
  worker = undefined;
  finish();
}

function finish() {
  busy = false;
  // Pictures of another photo, or by other settings, are not left under a message about this.
  results.hidden = facts?.order !== order;
  if (progress.contains(document.activeElement)) {
    (results.hidden ? $("#live-file") : grid).focus({ preventScroll: true });
  }
  progress.hidden = true;
  grid.removeAttribute("aria-busy");
  $(".live-note").textContent = results.hidden ? "" : facts.note;
  if (!results.hidden) show(); // what was not made says so
}

function complain(message) {
  status.textContent = "";
  problem.textContent = message;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

/** What to do with each kind of message. */
const ANSWERS = {
  progress({ share, note }) {
    const seconds = (performance.now() - order?.begin) / 1000;
    const left = Math.round((seconds * (1 - share)) / share);
    const rest = share > 0.1 && left > 5 ? `, about ${left} seconds left` : "";
    progress.querySelector("progress").value = share;
    progress.querySelector("label").textContent = `${note}${rest}`;
  },
  start(data) {
    const note = [order.note, data.note].filter(Boolean).join(" ");
    facts = { ...data, note, order };
    $(".live-note").textContent = note;
    made = {};
    networks = data.networks.map(({ name }) => name);
    const found = data.networks.map(({ name, title }) => [name, title]);
    titles = { [TARGET]: "The photo", ...INTERPOLATIONS, ...Object.fromEntries(found) };
    methods = [...Object.keys(INTERPOLATIONS), ...networks];
    makeCards();
    for (const [head, rgba] of Object.entries(data.targets)) keep(TARGET, head, { rgba });
    results.hidden = false;
    const { width, height } = data.input;
    grid.style.setProperty("--live-shape", `${width} / ${height}`);
    grid.classList.toggle("live-wide", width > 3 * height);
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
    complain(message);
  },
  failed({ message }) {
    stopWorker();
    complain(
      `${message} This is not your photo's fault. Reload the page and try again; if that does ` +
        "not help, take a recent version of Firefox, Chrome, Edge or Safari.",
    );
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
  canvas.setAttribute("aria-label", `${titles[method]}, ${rgba.width} by ${rgba.height} pixels`);
  (made[method] ??= {})[head] = { canvas, ...scores };
}

/** Make a card for each title that has none yet: for all, before the first photo is shown. */
function makeCards() {
  for (const [key, title] of Object.entries(titles)) {
    if (cards[key]) continue;
    const card = document.createElement("figure");
    const box = document.createElement("div");
    box.className = "live-picture";
    box.addEventListener("click", (event) => {
      if (event.pointerType === "mouse") open(key); // a finger moves the loupe
    });
    const caption = document.createElement("figcaption");
    const heading = document.createElement("strong");
    heading.textContent = title;
    const text = document.createElement("span");
    const buttons = document.createElement("span");
    buttons.append(
      button("Own size", title, () => open(key)),
      button("Save", title, () => save(key)),
    );
    caption.append(heading, text, buttons);
    card.append(box, caption);
    grid.append(card);
    loupe.add(box);
    cards[key] = { box, caption: text, card, buttons };
  }
}

function button(text, title, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "live-mini";
  made.textContent = text;
  made.setAttribute("aria-label", `${text}: ${title}`);
  made.addEventListener("click", act);
  return made;
}

// --- One picture at its own size -------------------------------------------------------

/** Show a picture so that each of its pixels is one of the page's. */
function open(key) {
  const result = made[key]?.[shownHead()];
  if (!result) return;
  const { canvas } = result;
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  copy.getContext("2d").drawImage(canvas, 0, 0);
  copy.setAttribute("role", "img");
  copy.setAttribute("aria-label", canvas.getAttribute("aria-label"));
  full.dataset.key = key;
  full.querySelector("p").textContent = `${titles[key]}, ${canvas.width} × ${canvas.height}`;
  full.querySelector(".live-full-picture").replaceChildren(copy);
  if (!full.open) full.showModal();
}

/** Open the picture after this one, or before it. The place that is looked at stays. */
function turn(by) {
  const there = Object.keys(titles).filter((key) => made[key]?.[shownHead()]);
  const next = there.indexOf(full.dataset.key) + by;
  open(there.at(next % there.length));
}

function save(key) {
  const head = shownHead();
  const name = [facts.order.name.replace(/\.\w+$/, ""), titles[key], head].join(" ");
  made[key][head].canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

full.querySelector(".live-buttons").addEventListener("click", ({ target }) => {
  if (target.value === "close") full.close();
  else if (target.value === "save") save(full.dataset.key);
  else if (target.value) turn(Number(target.value));
});

// --- The cards and the table -----------------------------------------------------------

const shownHead = () => root.querySelector("[name=live-head]:checked").value;

function show() {
  const head = shownHead();
  const scored = Boolean(facts.targets[head]);
  const [highest, alike] = [best("psnr", head), best("ssim", head)];
  for (const [key, { box, caption, card, buttons }] of Object.entries(cards)) {
    card.hidden = key === TARGET && !scored;
    const result = made[key]?.[head];
    box.querySelector(".live-shown")?.remove();
    if (result) box.prepend(result.canvas);
    buttons.hidden = !result;
    const nothing = busy ? "…" : "not computed";
    caption.replaceChildren(...(result ? describe(key, result, { highest, alike }) : [nothing]));
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
  if (key === TARGET) return [line(`the truth, ${size}`)];
  const lines = [];
  if (psnr !== undefined) {
    lines.push(line(`${decibels(psnr)} dB`, key === highest && "live-best"));
    lines.push(line(`SSIM ${ssim.toFixed(3)}`, key === alike && "live-best"));
  }
  lines.push(line(block > 1 ? `blocks of ${block} × ${block}` : "no blocks"));
  return lines;
}

/** A picture without any error has an infinite PSNR. */
const decibels = (psnr) => (psnr === Infinity ? "∞" : psnr.toFixed(2));

/** The method with the highest score, once all are there. */
function best(score, head) {
  const found = methods.filter((key) => made[key]?.[head]?.[score] !== undefined);
  if (found.length < methods.length) return undefined;
  return found.reduce((a, b) => (made[a][head][score] >= made[b][head][score] ? a : b));
}

function table() {
  const result = document.createElement("table");
  const none = '<td class="text-right">–</td>';
  const cell = (score, write) => {
    if (score === undefined) return busy ? none.replace("–", "…") : none;
    return none.replace("–", write(score));
  };
  const row = (title, name, cells) => {
    const line = document.createElement("tr");
    line.className = name;
    line.innerHTML = `<th scope="row"></th>${cells.join("")}`;
    line.firstElementChild.textContent = title;
    return line;
  };
  const rows = methods.map((key) => {
    const cells = HEADS.map((head) => {
      const { psnr, ssim } = made[key]?.[head] ?? {};
      return cell(psnr, decibels) + cell(ssim, (value) => value.toFixed(3));
    });
    return row(titles[key], "", cells);
  });
  const ceilings = [2, 4].map((block) => {
    const cells = HEADS.map((head) => `${cell(facts.ceilings[head][block], decibels)}${none}`);
    return row(`ceiling of ${block} × ${block} blocks`, "live-ceiling", cells);
  });
  const pair = HEADS.map((head) => `<th scope="colgroup" colspan="2">×${head.slice(1)}</th>`);
  result.innerHTML = `
    <caption>Scores against the photo at the same size: PSNR in dB, and SSIM</caption>
    <colgroup></colgroup>${'<colgroup span="2"></colgroup>'.repeat(HEADS.length)}
    <thead><tr><td></td>${pair.join("")}</tr>
      <tr><td></td>${'<th scope="col">PSNR</th><th scope="col">SSIM</th>'.repeat(HEADS.length)}</tr>
    </thead><tbody></tbody>`;
  result.lastElementChild.append(...rows, ...ceilings);
  return result;
}

/** What the pictures were made from. */
function protocol() {
  const { input, used, photo: size } = facts;
  const { name, recipe } = facts.order;
  const parts = [`${name}, ${size.width} × ${size.height}`];
  if (used && used.width !== size.width) {
    parts.push(`reduced to ${used.width} × ${used.height} by averaging`);
  }
  parts.push(`input ${input.width} × ${input.height}`);
  if (used) parts.push(`${recipe} recipe`, "RGB, nothing cropped");
  const seconds = networks.map((key) => made[key]?.x4?.seconds);
  if (seconds.every((value) => value !== undefined)) {
    const sum = seconds.reduce((a, b) => a + b, 0);
    parts.push(`the ${networks.length} networks took ${sum.toFixed(1)} s`);
  }
  return `${parts.join("; ")}.`;
}

/** One sentence for those who do not see the pictures. */
function summary() {
  if (!facts.used) return `Done: enlarged by all ${methods.length} methods.`;
  const parts = HEADS.map((head) => {
    const winner = best("psnr", head);
    return `${titles[winner]} at ×${head.slice(1)} (${decibels(made[winner][head].psnr)} dB)`;
  });
  return `Done. Highest PSNR: ${parts.join(" and ")}.`;
}

for (const radio of root.querySelectorAll("[name=live-head]")) {
  radio.addEventListener("change", show);
}
offerSamples();
