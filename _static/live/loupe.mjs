/**
 * One loupe over many pictures of the same thing: where the pointer is on one of them, all
 * show the same part, enlarged without smoothing. Also moved by touch and by arrow keys.
 */

/** Side of what the loupe shows, in pixels of the networks' input. */
export const SIDE = 9;

/** Side of the loupe, as part of the picture's shorter side. */
const SHARE = 0.5;

export class Loupe {
  /** @param {HTMLElement} group holds the pictures, takes the keyboard */
  constructor(group) {
    this.group = group;
    /** @type {{box: HTMLElement, lens: HTMLCanvasElement}[]} */
    this.views = [];
    /** Size of the input, and the loupe's middle in its pixels. */
    this.input = { width: 1, height: 1 };
    this.at = { x: 0, y: 0 };
    this.home = this.at;
    group.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw()).observe(group);
  }

  /**
   * Put a loupe over a picture.
   *
   * @param {HTMLElement} box as large as the picture; the canvas that shows is its only
   *   child of class "live-shown"
   */
  add(box) {
    const lens = document.createElement("canvas");
    lens.className = "live-lens";
    lens.setAttribute("aria-hidden", "true");
    box.append(lens);
    const follow = (event) => {
      const { left, top, width, height } = box.getBoundingClientRect();
      this.moveTo(
        ((event.clientX - left) / width) * this.input.width,
        ((event.clientY - top) / height) * this.input.height,
      );
    };
    box.addEventListener("pointermove", follow);
    box.addEventListener("pointerdown", follow);
    this.views.push({ box, lens });
  }

  /** Begin with new pictures, at the place where most is to be seen. */
  reset(input, place) {
    this.input = input;
    this.home = place;
    this.moveTo(place.x, place.y);
  }

  moveTo(x, y) {
    const within = (value, length) => Math.min(Math.max(value, 0), length);
    this.at = { x: within(x, this.input.width), y: within(y, this.input.height) };
    this.draw();
  }

  /** Draw all of them, at most once a frame. */
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      for (const view of this.views) this.#drawOne(view);
    });
  }

  #drawOne({ box, lens }) {
    const shown = box.querySelector(".live-shown");
    lens.hidden = !shown || !box.clientWidth;
    if (lens.hidden) return;
    const side = Math.round(SHARE * Math.min(box.clientWidth, box.clientHeight));
    const { width, height } = this.input;
    // Whole pixels of the input, so that blocks are not cut.
    const first = (middle, length) =>
      Math.min(Math.max(Math.round(middle - SIDE / 2), 0), Math.max(length - SIDE, 0));
    const [x, y] = [first(this.at.x, width), first(this.at.y, height)];
    const scale = shown.width / width;

    const sharp = side * devicePixelRatio;
    if (lens.width !== Math.round(sharp)) lens.width = lens.height = Math.round(sharp);
    const context = lens.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(
      shown, x * scale, y * scale, SIDE * scale, SIDE * scale, 0, 0, lens.width, lens.height,
    );
    lens.style.width = lens.style.height = `${side}px`;
    // It stays on the picture, so that its content is never out of sight.
    const place = (middle, length, room) =>
      Math.min(Math.max((middle / length) * room - side / 2, 0), room - side);
    lens.style.left = `${place(this.at.x, width, box.clientWidth)}px`;
    lens.style.top = `${place(this.at.y, height, box.clientHeight)}px`;
  }

  #key(event) {
    const step = event.shiftKey ? SIDE : 1;
    const moves = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
    };
    if (event.key === "Home") {
      this.moveTo(this.home.x, this.home.y);
    } else if (moves[event.key]) {
      const [x, y] = moves[event.key];
      this.moveTo(this.at.x + x, this.at.y + y);
    } else {
      return;
    }
    event.preventDefault();
  }
}
