// A table of many rows can be sorted: a click on a column's name, and again for the other way.
(() => {
  const MANY_ROWS = 12;
  const compareTexts = new Intl.Collator("en", { numeric: true }).compare;

  /** What a cell sorts by: its number if it is one, else its text. */
  function key(row, column) {
    const text = row.cells[column]?.textContent.trim() ?? "";
    const number = Number(text.replace(/,/g, ""));
    return { text, number: text === "" || Number.isNaN(number) ? null : number };
  }

  /** Numbers first, empty cells last. */
  function compare(a, b) {
    if (a.number !== null && b.number !== null) return a.number - b.number;
    if ((a.number === null) !== (b.number === null)) return a.number === null ? 1 : -1;
    if ((a.text === "") !== (b.text === "")) return a.text === "" ? 1 : -1;
    return compareTexts(a.text, b.text);
  }

  function sort(table, column) {
    const heads = [...table.tHead.rows[0].cells];
    const falling = heads[column].getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: key(row, column) }));
    rows.sort((a, b) => (falling ? -1 : 1) * compare(a.key, b.key));
    body.append(...rows.map(({ row }) => row));
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  }

  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column));
      head.append(button);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll(".bd-article table")) {
      if (table.tHead?.rows.length === 1 && table.tBodies[0]?.rows.length > MANY_ROWS) {
        makeSortable(table);
      }
    }
  });
})();
