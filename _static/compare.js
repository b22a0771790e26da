/* Before and after: under a figure whose pictures show the same, one of them over another,
   with a handle between them; both are enlarged and moved together. The extension
   tools/book/book_extension.py writes into a page where in its figures the pictures are; both
   sides are cut out of the figure itself, so nothing more is loaded. Without JavaScript, in
   print, and outside the book, the figure stands alone. Nothing is animated. A plain script,
   so that it works in a page opened from a folder. */

(() => {
  const STEP = 2; // of the handle, in percent
  const LEAP = 10;
  const MOST = 8; // times enlarged
  const ZOOM = 1.5; // a press of a button or key
  const SHIFT = 0.125; // a press of Shift and an arrow, in widths of the stage
  const within = (least, value, most) => Math.min(most, Math.max(least, value));

  const HTML = `<summary>Compare two of them with a slider</summary>
    <div class="compare-stage">
      <div class="compare-side"></div>
      <div class="compare-side compare-over"></div>
      <span class="compare-name" aria-hidden="true"></span>
      <span class="compare-name compare-name-over" aria-hidden="true"></span>
      <div class="compare-handle" role="slider" tabindex="0" aria-valuemin="0"
        aria-valuemax="100" aria-orientation="horizontal"
        aria-label="How much is seen of the left picture"></div>
    </div>
    <div class="compare-zoom" role="group" aria-label="Zoom of both pictures">
      <button type="button" aria-label="Zoom out">−</button>
      <output></output>
      <button type="button" aria-label="Zoom in">+</button>
      <button type="button" aria-label="The whole picture">Reset</button>
    </div>
    <p class="compare-help">To zoom: the keys + − 0, Ctrl and the wheel, or two fingers.
      To move what is enlarged: drag it, or Shift and the arrow keys.</p>
    <div class="compare-choices"></div>`;
  let made = 0;

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
    details.innerHTML = HTML;
    const find = (selector) => details.querySelector(selector);
    const [stage, handle, help] = [".compare-stage", ".compare-handle", ".compare-help"].map(find);
    const [under, over] = details.querySelectorAll(".compare-side");
    const [underName, overName] = details.querySelectorAll(".compare-name");
    const [smaller, larger, whole] = details.querySelectorAll(".compare-zoom button");
    made += 1;
    help.id = `compare-help-${made}`;
    handle.setAttribute("aria-describedby", help.id);

    // The target, if there is one after the first picture; else the last.
    const target = panels.findIndex(({ title }, k) => k > 0 && title.startsWith("target"));
    const left = menu("Left", panels, 0);
    const right = menu("Right", panels, target > 0 ? target : panels.length - 1);
    find(".compare-choices").append(left.box, right.box);
    let framed = false;
    if (panels[0].part) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Enlarge the framed part";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        framed = !framed;
        button.setAttribute("aria-pressed", framed);
        look(1, 0, 0);
      });
      find(".compare-choices").append(button);
    }

    // --- What is seen: the handle's place, and one view for both sides ------------------

    let at = 50;
    let view = { zoom: 1, x: 0, y: 0 }; // x and y: its left and top, in parts of the picture

    function move(percent) {
      at = within(0, percent, 100);
      stage.style.setProperty("--at", `${at}%`);
      const shown = Math.round(at);
      handle.setAttribute("aria-valuenow", shown);
      handle.setAttribute("aria-valuetext",
        `${shown} percent ${overName.textContent}, the rest ${underName.textContent}`);
    }
    function look(zoom, x, y) {
      const room = 1 - 1 / zoom;
      view = { zoom, x: within(0, x, room), y: within(0, y, room) };
      show();
    }
    /** Zoom about a place of the stage, which stays where it is. */
    function zoomBy(factor, x = 0.5, y = 0.5) {
      const zoom = within(1, view.zoom * factor, MOST);
      const stays = 1 / view.zoom - 1 / zoom;
      look(zoom, view.x + x * stays, view.y + y * stays);
    }
    /** Draw the picture with the finger, by parts of the stage. */
    function drag(x, y) {
      look(view.zoom, view.x - x / view.zoom, view.y - y / view.zoom);
    }
    function show() {
      const source = image.currentSrc || image.src;
      const [a, b] = [panels[left.select.value], panels[right.select.value]];
      const seen = (panel) => {
        const [x, y, width, height] = framed ? panel.part : panel.box;
        const size = [width / view.zoom, height / view.zoom];
        return [x + view.x * width, y + view.y * height, ...size];
      };
      cut(over, source, seen(a));
      cut(under, source, seen(b));
      overName.textContent = a.title;
      underName.textContent = b.title;
      const [width, height] = [seen(a)[2] * image.naturalWidth, seen(a)[3] * image.naturalHeight];
      stage.style.aspectRatio = Number.isFinite(width / height) ? width / height : 1;
      // Larger than its pixels, a picture is drawn as these are: blocks stay blocks.
      stage.classList.toggle("compare-pixels", stage.clientWidth * devicePixelRatio > width);
      stage.classList.toggle("compare-zoomed", view.zoom > 1);
      find("output").textContent = `${Math.round(100 * view.zoom)} %`;
      smaller.ariaDisabled = whole.ariaDisabled = view.zoom === 1;
      larger.ariaDisabled = view.zoom === MOST;
      move(at);
    }

    // --- Mouse and fingers --------------------------------------------------------------

    const fingers = new Map();
    let divides = false; // one finger moves the handle, else the picture
    let was = at; // where the handle stood before the finger came

    /** Where a finger is on the stage, or the middle of two, and how far these are apart. */
    function grip() {
      const { left: x0, top: y0, width, height } = stage.getBoundingClientRect();
      const [a, b = a] = fingers.values();
      return {
        x: ((a.x + b.x) / 2 - x0) / width,
        y: ((a.y + b.y) / 2 - y0) / height,
        apart: Math.hypot(a.x - b.x, a.y - b.y) || 1,
      };
    }
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || fingers.size === 2) return;
      stage.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      event.preventDefault();
      handle.focus({ preventScroll: true });
      divides = fingers.size === 1 && (view.zoom === 1 || event.target === handle);
      if (fingers.size === 1) was = at;
      move(divides ? 100 * grip().x : was);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      const before = grip();
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const now = grip();
      if (divides) move(100 * now.x);
      else {
        if (fingers.size === 2) zoomBy(now.apart / before.apart, before.x, before.y);
        drag(now.x - before.x, now.y - before.y);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => {
        fingers.delete(event.pointerId);
        divides = false;
      });
    }
    // One finger on the whole picture, and the wheel alone, scroll the page.
    for (const touch of ["touchstart", "touchmove"]) {
      stage.addEventListener(touch, (event) => {
        if (event.touches.length > 1 && event.cancelable) event.preventDefault();
      }, { passive: false });
    }
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return; // a trackpad's pinch is told as a wheel with Ctrl
      event.preventDefault();
      const { left: x0, top: y0, width, height } = stage.getBoundingClientRect();
      const turned = within(-40, event.deltaY * (event.deltaMode ? 16 : 1), 40);
      zoomBy(Math.exp(-turned / 100), (event.clientX - x0) / width, (event.clientY - y0) / height);
    }, { passive: false });
    larger.addEventListener("click", () => zoomBy(ZOOM));
    smaller.addEventListener("click", () => zoomBy(1 / ZOOM));
    whole.addEventListener("click", () => look(1, 0, 0));

    // --- Keyboard: on the handle and on the buttons, not in the menus -------------------

    function pressed({ key, shiftKey, target: focused }) {
      const along = {
        ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
      }[key];
      if (shiftKey && along) return () => drag(SHIFT * along[0], SHIFT * along[1]);
      if (key === "+" || key === "=") return () => zoomBy(ZOOM);
      if (key === "-" || key === "_") return () => zoomBy(1 / ZOOM);
      if (key === "0") return () => look(1, 0, 0);
      const to = {
        ArrowLeft: at - STEP, ArrowDown: at - STEP, ArrowRight: at + STEP, ArrowUp: at + STEP,
        PageDown: at - LEAP, PageUp: at + LEAP, Home: 0, End: 100,
      }[key];
      return to !== undefined && focused === handle ? () => move(to) : undefined;
    }
    details.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const act = event.target.matches("button, .compare-handle") && pressed(event);
      if (!act) return;
      event.preventDefault();
      act();
    });
    left.select.addEventListener("change", show);
    right.select.addEventListener("change", show);

    // After the caption, and not in the link that leads to the figure at its full size.
    const frames = ["figure", "a", "picture"].map((name) => image.closest(name));
    (frames.find((frame) => frame) ?? image).after(details);
    new ResizeObserver(show).observe(stage);
    image.addEventListener("load", show);
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
