// Makes browsing quick: `/` goes to the search field, a long facet can be searched, and a long list stays light.

const MOST_CARDS = 200;

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const wanted = (event.key === "/" && !typing) || (event.key === "k" && (event.metaKey || event.ctrlKey));
  if (!wanted || document.querySelector("dialog[open]")) return;
  const field = document.getElementById("search");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-facet-search]");
  if (!field) return;
  const wanted = field.value.trim().toLocaleLowerCase();
  for (const tick of field.closest(".facet").querySelectorAll(".tick")) {
    tick.hidden = !tick.textContent.toLocaleLowerCase().includes(wanted) && !tick.querySelector(":checked");
  }
});

// The search of a facet is only for the eye; it must not reach the server as a filter.
document.addEventListener("change", (event) => {
  if (event.target.closest("[data-facet-search]")) event.stopPropagation();
}, true);

// "More" appends in place; past a number of cards the next page replaces this one.
document.addEventListener("htmx:beforeRequest", (event) => {
  const more = event.target.closest?.("[data-more]");
  if (!more || document.querySelectorAll("#items > [data-item]").length < MOST_CARDS) return;
  event.preventDefault();
  window.location.assign(more.href);
});

// Which facets stand open is the reader's choice and survives the exchange of the list. Narrow screens start with
// closed facets, so that the pictures come first.
const shut = new Set();
const facets = () => document.querySelectorAll(".facet");

if (window.matchMedia("(max-width: 900px)").matches) {
  for (const facet of facets()) if (!facet.querySelector(":checked")) facet.open = false;
}
document.addEventListener("htmx:beforeSwap", () => {
  shut.clear();
  for (const facet of facets()) if (!facet.open) shut.add(facet.dataset.facet);
});
document.addEventListener("htmx:afterSwap", (event) => {
  for (const facet of facets()) facet.open = !shut.has(facet.dataset.facet);
  // Say the new number of results; reading out the whole list would help nobody.
  const title = document.querySelector("#browse .results h1");
  if (title && event.target.id === "browse") document.getElementById("said").textContent = title.textContent;
});
