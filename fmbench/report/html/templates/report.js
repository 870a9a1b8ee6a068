// Sorts and filters the table and shows the matrix of the chosen row. The page works without it.
"use strict";
(() => {
  const table = document.getElementById("rows-table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  document.documentElement.classList.add("js");
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;

  const value = (row, column) => row.cells[column].dataset.value;
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = [...rows].sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1); // missing values always come last
        return down ? compare(y, x) : compare(x, y);
      });
      body.append(...sorted);
    });
  });

  const search = document.getElementById("search");
  const verdicts = document.getElementById("verdicts");
  const shown = document.getElementById("shown");
  const filter = () => {
    const words = search.value.trim().toLowerCase();
    let n = 0;
    for (const row of rows) {
      const matches =
        row.cells[0].textContent.toLowerCase().includes(words) &&
        (!verdicts.value || row.dataset.verdict === verdicts.value);
      row.hidden = !matches;
      n += matches;
    }
    shown.textContent = n === rows.length ? "" : `${n} of ${rows.length} rows`;
  };
  search.addEventListener("input", filter);
  verdicts.addEventListener("change", filter);
  for (const chip of document.querySelectorAll(".chip")) {
    chip.addEventListener("click", () => {
      verdicts.value = chip.dataset.verdict;
      filter();
    });
  }

  const chosen = document.getElementById("chosen");
  const container = document.getElementById("chosen-matrix");
  const choose = (anchor) => {
    for (const row of rows) row.classList.toggle("chosen", row.dataset.section === anchor);
    const matrix = document.querySelector(`#${anchor} .classes`);
    if (!chosen || !matrix) return;
    chosen.value = anchor;
    container.replaceChildren(matrix.cloneNode(true));
  };
  if (chosen) {
    chosen.addEventListener("change", () => choose(chosen.value));
    choose(chosen.value);
  }
  for (const row of rows) row.addEventListener("click", () => choose(row.dataset.section));

  const open = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.matches("details")) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
