/* Before and after: under a figure whose pictures show the same, one of them over another,
   with a handle between them. The extension tools/book_extension.py writes into a page
   where in its figures the pictures are; both sides are cut out of the figure itself, so
   nothing more is loaded. Without JavaScript, in print, and outside the book, the figure
   stands alone. A plain script, so that it works in a page opened from a folder. */

(() => {
  const STEP = 2;
  const LEAP = 10;

  /** Show the part `box` of the picture at `source` on an element, as large as it. */
  function cut(element, source, [left, top, width, height]) {
    const place = (start, size) => (size < 1 ? (100 * start) / (1 - size) : 0);
    element.style.backgroundImage = `url("${source}")`;
    element.style.backgroundSize = `${100 / width}% ${100 / height}%`;
    element.style.backgroundPosition = `${place(left, width)}% ${place(top, height)}%`;
  }

  /** A menu of the pictures' titles, `chosen` first. */
  function menu(label, panels, chosen) {
    const box = document.createElement("label");
    const select = document.createElement("select");
    panels.forEach(({ title }, k) => select.add(new Option(title, k, k === chosen, k === chosen)));
    box.append(label, select);
    return { box, select };
  }

  function build(image, panels, open) {
    const details = document.createElement("details");
    details.className = "compare";
    details.open = open;
    details.innerHTML = `<summary>Compare two of them with a slider</summary>
      <div class="compare-stage">
        <div class="compare-side"></div>
        <div class="compare-side compare-over"></div>
        <span class="compare-name" aria-hidden="true"></span>
        <span class="compare-name compare-name-over" aria-hidden="true"></span>
        <div class="compare-handle" role="slider" tabindex="0" aria-valuemin="0"
          aria-valuemax="100" aria-orientation="horizontal"></div>
      </div>
      <div class="compare-choices"></div>`;
    const stage = details.querySelector(".compare-stage");
    const [under, over] = details.querySelectorAll(".compare-side");
    const [underName, overName] = details.querySelectorAll(".compare-name");
    const handle = details.querySelector(".compare-handle");
    handle.setAttribute("aria-label", "How much is seen of the left picture");

    // The target, if there is one after the first picture; else the last.
    const target = panels.findIndex(({ title }, k) => k > 0 && title.startsWith("target"));
    const left = menu("Left", panels, 0);
    const right = menu("Right", panels, target > 0 ? target : panels.length - 1);
    const choices = details.querySelector(".compare-choices");
    choices.append(left.box, right.box);
    let enlarged = false;
    if (panels[0].part) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Enlarge the framed part";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        enlarged = !enlarged;
        button.setAttribute("aria-pressed", enlarged);
        show();
      });
      choices.append(button);
    }

    let at = 50;
    function move(percent) {
      at = Math.min(100, Math.max(0, percent));
      stage.style.setProperty("--at", `${at}%`);
      const shown = Math.round(at);
      handle.setAttribute("aria-valuenow", shown);
      handle.setAttribute("aria-valuetext",
        `${shown} percent ${overName.textContent}, the rest ${underName.textContent}`);
    }
    function show() {
      const source = image.currentSrc || image.src;
      const [a, b] = [panels[left.select.value], panels[right.select.value]];
      const box = (panel) => (enlarged ? panel.part : panel.box);
      cut(over, source, box(a));
      cut(under, source, box(b));
      overName.textContent = a.title;
      underName.textContent = b.title;
      const [, , width, height] = box(a);
      const ratio = (width * image.naturalWidth) / (height * image.naturalHeight);
      stage.style.aspectRatio = Number.isFinite(ratio) ? ratio : 1;
      move(at);
    }

    function follow(event) {
      const { left: start, width } = stage.getBoundingClientRect();
      move((100 * (event.clientX - start)) / width);
    }
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      event.preventDefault();
      follow(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) follow(event);
    });
    handle.addEventListener("keydown", (event) => {
      const to = {
        ArrowLeft: at - STEP, ArrowDown: at - STEP, ArrowRight: at + STEP, ArrowUp: at + STEP,
        PageDown: at - LEAP, PageUp: at + LEAP, Home: 0, End: 100,
      }[event.key];
      if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      move(to);
    });
    left.select.addEventListener("change", show);
    right.select.addEventListener("change", show);

    const place = image.closest("picture") ?? image;
    place.after(details);
    if (image.complete && image.naturalWidth) show();
    else image.addEventListener("load", show, { once: true });
  }

  function start() {
    const noted = document.getElementById("compare-panels");
    if (!noted) return;
    const images = [...document.querySelectorAll(".bd-article img")];
    let first = true;
    for (const [name, panels] of Object.entries(JSON.parse(noted.textContent))) {
      const image = images.find(({ src }) => src.includes(name));
      if (image) {
        build(image, panels, first);
        first = false;
      }
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
