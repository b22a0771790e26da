/* What scrolls sideways on a narrow screen can be reached, and scrolled, by keyboard: code,
   tables, formulas and figures that do not fit become stops of the Tab key. */

(() => {
  const WIDE = ".bd-article :is(pre, div.math, mjx-container, .output, figure, .pst-scrollable-table-container)";

  function mark() {
    for (const box of document.querySelectorAll(WIDE)) {
      const scrolls = /auto|scroll/.test(getComputedStyle(box).overflowX);
      if (scrolls && box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  }

  window.addEventListener("load", () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
  });
  window.addEventListener("resize", () => requestAnimationFrame(mark));
})();
