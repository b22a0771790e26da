/* The ceiling by hand: under chapter 3's figure of the ceiling, a slider for the size of the
   blocks. Without JavaScript, and outside the book, the figure stands alone. A plain script,
   not a module, so that it works in a page that was opened from a folder. */

(() => {
  const here = document.currentScript.src;
  const LARGEST = 16;

  /** Mean colour of each block, drawn; and the PSNR in dB over the whole blocks. */
  function blocksOf(photo, block) {
    const { data, width, height } = photo;
    const drawn = new ImageData(width, height);
    const [whole, full] = [width - (width % block), height - (height % block)];
    let error = 0;
    for (let top = 0; top < height; top += block) {
      for (let left = 0; left < width; left += block) {
        const [right, bottom] = [Math.min(left + block, width), Math.min(top + block, height)];
        const counted = right <= whole && bottom <= full;
        const count = (right - left) * (bottom - top);
        for (let channel = 0; channel < 3; channel += 1) {
          let sum = 0;
          let squares = 0;
          for (let y = top; y < bottom; y += 1) {
            for (let x = left; x < right; x += 1) {
              const value = data[(y * width + x) * 4 + channel];
              sum += value;
              squares += value * value;
            }
          }
          const mean = sum / count;
          if (counted) error += squares - sum * mean; // count times the variance
          for (let y = top; y < bottom; y += 1) {
            for (let x = left; x < right; x += 1) drawn.data[(y * width + x) * 4 + channel] = mean;
          }
        }
      }
    }
    for (let k = 3; k < drawn.data.length; k += 4) drawn.data[k] = 255;
    return { drawn, psnr: -10 * Math.log10(error / (whole * full * 3 * 255 ** 2)) };
  }

  function build(figure, image) {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const box = document.createElement("div");
    box.className = "ceiling";
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "The ceiling, by hand");
    box.innerHTML = `
      <p class="ceiling-title"><strong>By hand.</strong> Move the slider: the best picture that
        blocks of that size can draw, and its PSNR.</p>
      <div class="ceiling-pictures">
        <canvas role="img" width="${width}" height="${height}"></canvas>
        <canvas role="img" width="${width}" height="${height}" aria-label="The target"></canvas>
      </div>
      <svg viewBox="0 0 320 96" aria-hidden="true"></svg>
      <label>Side of a block
        <input type="range" min="1" max="${LARGEST}" value="4"></label>
      <output aria-live="polite"></output>
      <p class="live-small">Left: each block has the mean colour of its pixels. Right: the target.
        The line: the ceiling at each size. Where blocks do not fill the picture, the rest at
        the right and below does not count. Photo: Mathias Appel (CC0), 288 × 288, article
        recipe, RGB.</p>`;
    figure.after(box);

    const [canvas, other] = box.querySelectorAll("canvas");
    const slider = box.querySelector("input");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    other.getContext("2d").drawImage(image, 0, 0);
    const photo = context.getImageData(0, 0, width, height);
    const all = Array.from({ length: LARGEST }, (_, k) => blocksOf(photo, k + 1).psnr);

    const show = () => {
      const block = Number(slider.value);
      const { drawn, psnr } = blocksOf(photo, block);
      context.putImageData(drawn, 0, 0);
      canvas.setAttribute("aria-label", `The best picture of blocks of ${block} by ${block}`);
      box.dataset.psnr = psnr;
      const text = Number.isFinite(psnr) ? `${psnr.toFixed(2)} dB` : "∞ dB: the target itself";
      slider.setAttribute("aria-valuetext", `${block} by ${block} pixels`);
      box.querySelector("output").textContent = `${block} × ${block} pixels: ceiling ${text}`;
      box.querySelector("svg").innerHTML = curve(all, block);
    };
    slider.addEventListener("input", show);
    show();
  }

  /** The ceilings of all sizes, above the places of the slider; the present one marked. */
  function curve(all, block) {
    const x = (k) => 8 + ((k - 1) / (LARGEST - 1)) * 304;
    const [most, least] = [all[1], Math.min(...all)]; // with blocks of 1 it is infinite
    const y = (psnr) => 80 - ((Math.min(psnr, most) - least) / (most - least)) * 60;
    const points = all.map((psnr, k) => `${x(k + 1)},${y(psnr)}`);
    const at = y(all[block - 1]);
    return `<polyline points="${points.slice(1).join(" ")}"/>
      <line x1="${x(block)}" x2="${x(block)}" y1="${at}" y2="96"/>
      <circle cx="${x(block)}" cy="${at}" r="5"/>
      <text x="${x(2)}" y="${y(most) - 8}">${most.toFixed(1)} dB</text>
      <text x="${x(LARGEST)}" y="${y(all[LARGEST - 1]) - 8}" text-anchor="end">${all[LARGEST - 1].toFixed(1)} dB</text>`;
  }

  /** Bring the photo's pixels, which only this page needs. */
  function start() {
    const anchor = document.getElementById("fig-ceiling");
    if (!anchor) return;
    const figure = anchor.closest("div.cell") ?? anchor.closest("figure") ?? anchor;
    const script = document.createElement("script");
    script.src = new URL("live/ceiling-photo.mjs", here);
    script.onload = () => {
      const image = new Image();
      image.onload = () => build(figure, image);
      image.src = window.ceilingPhoto;
    };
    document.head.append(script);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
