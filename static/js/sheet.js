// The sheet viewer: a click on a cell opens the compare stage; keys move through rows and weights.

import { Compare } from "./compare.js";

function start() {
  const table = document.getElementById("sheet");
  const stage = document.getElementById("stage");
  if (!table || !stage || stage.dataset.ready) return;
  stage.dataset.ready = "yes";
  open(table, stage, document.getElementById("keys"));
}

start();
// The review queue brings the next sheet without a page change.
document.addEventListener("htmx:afterSwap", start);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-keys]")) document.getElementById("keys")?.showModal();
});
document.addEventListener("keydown", (event) => {
  const help = document.getElementById("keys");
  if (event.key !== "?" || !help || help.open || event.target.closest("input:not([type=radio]), textarea")) return;
  event.preventDefault();
  help.showModal();
});

function open(table, stage, help) {
  const rows = [...table.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("a[data-cell]")]).filter((row) => row.length);
  const compare = new Compare(stage);
  const ladder = stage.querySelector(".stage__ladder");
  const at = { row: 0, cell: 0 };

  const picture = (link) => ({
    src: link.href,
    label: link.dataset.label,
    alt: link.querySelector("img").alt,
    look: link.querySelector("img").className,
  });

  function fill() {
    const row = rows[at.row];
    const link = row[at.cell];
    const base = row.find((other) => other.id === link.dataset.twin) ?? row[0];
    compare.show(picture(base), picture(link));
    for (const node of stage.querySelectorAll("[data-show]")) node.textContent = link.dataset[node.dataset.show] || "–";
    stage.querySelector("[data-copy-cell]").dataset.copy = link.dataset.parameters;
    for (const other of stage.querySelectorAll("[data-export]")) {
      other.href = `${table.dataset.sheet}${link.id.replace("cell-", "").replace("-", "/")}/?to=${other.dataset.export}`;
    }
    ladder.replaceChildren(...row.map((other, index) => rung(other, index)));
    ladder.children[at.cell].scrollIntoView({ block: "nearest", inline: "center" });
    history.replaceState(null, "", `#${link.id}`);
  }

  function rung(link, index) {
    const button = document.createElement("button");
    const image = document.createElement("img");
    image.src = link.href;
    image.alt = "";
    image.className = link.querySelector("img").className;
    button.type = "button";
    button.className = "rung";
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(index === at.cell));
    button.tabIndex = index === at.cell ? 0 : -1;
    button.append(image, link.dataset.head);
    if (link.dataset.head !== link.dataset.label) button.setAttribute("aria-label", link.dataset.label);
    button.addEventListener("click", () => go(at.row, index));
    return button;
  }

  function go(row, cell) {
    const onLadder = ladder.contains(document.activeElement);
    at.row = Math.min(rows.length - 1, Math.max(0, row));
    at.cell = Math.min(rows[at.row].length - 1, Math.max(0, cell));
    fill();
    if (onLadder) ladder.querySelector("[aria-checked=true]").focus();
  }

  // The base against itself shows nothing: take the last cell that is compared with it, the strongest.
  function beside(row, base) {
    const last = row.findLastIndex((other) => other.dataset.role !== "base" && other.dataset.twin === row[base].id);
    return last < 0 ? base : last;
  }

  function compareAt(row, cell) {
    at.row = row;
    at.cell = rows[row][cell].dataset.role === "base" ? beside(rows[row], cell) : cell;
    compare.resetView();
    fill();
    if (!stage.open) stage.showModal();
    (compare.mode === "slider" ? compare.handle : ladder.querySelector("[aria-checked=true]")).focus();
  }

  table.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-cell]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const row = rows.findIndex((links) => links.includes(link));
    compareAt(row, rows[row].indexOf(link));
  });

  // Crops of a picture stand below the table and open the same comparison.
  for (const crop of document.querySelectorAll("a[data-opens]")) {
    crop.addEventListener("click", (event) => {
      const link = document.getElementById(crop.hash.slice(1));
      const row = rows.findIndex((links) => links.includes(link));
      if (row < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      compareAt(row, rows[row].indexOf(link));
    });
  }

  stage.addEventListener("close", () => {
    const link = rows[at.row][at.cell];
    history.replaceState(null, "", location.pathname + location.search);
    link.focus();
  });

  for (const button of stage.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do]());
  }

  const actions = {
    close: () => stage.close(),
    swap: () => compare.swap(),
    zoomIn: () => compare.zoomBy(1.4),
    zoomOut: () => compare.zoomBy(1 / 1.4),
    reset: () => compare.resetView(),
    keys: () => help.showModal(),
  };
  const keys = {
    m: () => compare.nextMode(),
    c: actions.swap,
    "+": actions.zoomIn,
    "-": actions.zoomOut,
    0: actions.reset,
    ArrowLeft: () => go(at.row, at.cell - 1),
    ArrowRight: () => go(at.row, at.cell + 1),
    ArrowUp: () => go(at.row - 1, at.cell),
    ArrowDown: () => go(at.row + 1, at.cell),
  };

  stage.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const onRadio = event.target.matches("input[type=radio]") && key.startsWith("Arrow");
    if (!(key in keys) || onRadio || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[key]();
  });

  // Arrows walk the grid of the plain table as well.
  table.addEventListener("keydown", (event) => {
    const link = event.target.closest("a[data-cell]");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!link || !step) return;
    const row = rows.findIndex((links) => links.includes(link));
    const next = rows[row + step[0]]?.[rows[row].indexOf(link) + step[1]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  const linked = location.hash && document.getElementById(location.hash.slice(1));
  const row = rows.findIndex((links) => links.includes(linked));
  if (row >= 0) compareAt(row, rows[row].indexOf(linked));
}
