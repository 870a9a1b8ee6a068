// Sorts and filters the table of accuracies, and opens its rows. The page works without it.
"use strict";
(() => {
  const table = document.getElementById("rows_table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  document.documentElement.classList.add("js");
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;

  // ------------------------------------------------ one row is open at a time
  let opened = null;
  const panel = document.createElement("tr");
  panel.className = "opened";
  panel.id = "row_panel";
  const cell = panel.insertCell();
  cell.colSpan = heads.length;
  const linkOf = (row) => row.cells[0].querySelector("a");

  const close = () => {
    if (!opened) return;
    opened.classList.remove("chosen");
    linkOf(opened).setAttribute("aria-expanded", "false");
    panel.remove();
    opened = null;
  };

  const fill = (row) => {
    const details = document.getElementById(row.dataset.section);
    const content = document.createElement("div");
    content.className = "panel";
    content.setAttribute("role", "group");
    content.setAttribute("aria-label", `Details of ${linkOf(row).textContent}`);
    const classes = details.querySelector(".classes");
    if (classes) content.append(...classes.cloneNode(true).children);
    content.append(details.querySelector(`dl[data-row="${row.id}"]`).cloneNode(true));
    const more = document.createElement("p");
    const link = document.createElement("a");
    link.href = `#${row.dataset.section}`;
    link.textContent = "Recipe, seeds, learning curves and environment";
    more.append(link);
    content.append(more);
    cell.replaceChildren(content);
    for (const box of content.querySelectorAll(".scroll")) widths.observe(box);
  };

  const open = (row) => {
    close();
    opened = row;
    row.classList.add("chosen");
    linkOf(row).setAttribute("aria-expanded", "true");
    fill(row);
    row.after(panel);
  };

  const toggle = (row) => {
    if (row === opened) {
      close();
      history.replaceState(null, "", location.pathname + location.search);
    } else {
      open(row);
      history.replaceState(null, "", `#${row.id}`);
    }
  };

  for (const row of rows) {
    const link = linkOf(row);
    link.href = `#${row.id}`;
    link.setAttribute("aria-expanded", "false");
    link.setAttribute("aria-controls", panel.id);
    row.addEventListener("click", (event) => {
      event.preventDefault();
      toggle(row);
    });
  }
  table.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened) return;
    const link = linkOf(opened);
    toggle(opened);
    link.focus();
  });

  // ------------------------------------------------ sort and filter
  const value = (row, column) => row.cells[column].dataset.value;
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
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
      if (opened) opened.after(panel);
    });
  });

  const search = document.getElementById("row_search");
  const verdicts = document.getElementById("row_verdict");
  const shown = document.getElementById("row_count");
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
    if (opened && opened.hidden) close();
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

  // ------------------------------------------------ links to a row, such as #lenet5
  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (rows.includes(target)) {
      if (target.hidden) {
        search.value = verdicts.value = "";
        filter();
      }
      if (target !== opened) open(target);
    } else if (target.matches("details")) {
      target.open = true;
    } else return;
    target.scrollIntoView();
  };
  addEventListener("hashchange", follow);

  // ------------------------------------------------ a hint where a table is cut; printing
  const widths = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      target.classList.toggle("cut", target.scrollWidth > target.clientWidth + 1);
    }
  });
  for (const box of document.querySelectorAll(".scroll")) widths.observe(box);
  follow();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.row:not([open])")];
    for (const part of closed) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
  });
})();
