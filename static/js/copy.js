// Copies text by one click: `data-copy` holds the text, `data-copy-from` names the element that shows it, or
// `data-copy-field` the field that holds it.
// The clipboard interface needs a secure context; on plain http in a local network the text is selected and copied.

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "visually-hidden";
  // Inside an open dialog everything else is inert, so the helper must live there.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copy(text) {
  if (window.isSecureContext && navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by a permission: the selection still works.
    }
  }
  return copyBySelection(text);
}

function textOf(button) {
  if (button.dataset.copy !== undefined) return button.dataset.copy;
  if (button.dataset.copyField !== undefined) return document.getElementById(button.dataset.copyField)?.value ?? "";
  return document.getElementById(button.dataset.copyFrom)?.textContent ?? "";
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from], [data-copy-field]");
  if (!button) return;
  const done = await copy(textOf(button));
  const said = document.getElementById("said");
  if (said) said.textContent = done ? said.dataset.copied : said.dataset.notCopied;
  if (!done) return;
  button.focus();
  button.classList.add("is-done");
  setTimeout(() => button.classList.remove("is-done"), 1500);
});
