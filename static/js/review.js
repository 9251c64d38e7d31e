// Keys of the review screen: A approve, R reject (asks for the reason), N next, P previous, I items, T paste,
// Q question to the author, ? the list of keys.

const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  const bar = document.getElementById("decision");
  if (!bar || document.querySelector("dialog[open], :popover-open")) return;
  const reason = bar.querySelector("[name=reason]");
  if (event.target === reason) {
    if (event.key === "Escape") reason.blur();
    return;
  }
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const press = (selector) => {
    const control = bar.querySelector(selector);
    if (!control || control.disabled) return;
    event.preventDefault();
    control.click();
  };
  switch (event.key.toLowerCase()) {
    case "a": press("[data-key=a]"); break;
    case "n": press("[data-key=n]"); break;
    case "p": press("[data-key=p]"); break;
    case "r":
      if (!reason) break;
      event.preventDefault();
      reason.focus();
      break;
    case "i": event.preventDefault(); goTo("items-title"); break;
    case "t": event.preventDefault(); openDrawer("paste-drawer"); break;
    case "q": event.preventDefault(); openDrawer("question-drawer"); break;
    case "?": event.preventDefault(); document.getElementById("review-keys")?.showPopover(); break;
  }
});

function goTo(id) {
  const target = document.getElementById(id);
  target?.scrollIntoView({ block: "start" });
  target?.focus({ preventScroll: true });
}

function openDrawer(id) {
  const drawer = document.getElementById(id);
  if (!drawer) return;
  drawer.open = true;
  drawer.scrollIntoView({ block: "center" });
  drawer.querySelector("select, textarea, input:not([type=hidden])")?.focus({ preventScroll: true });
}

// "Ask" beside an item opens the draft with that item ticked.
document.addEventListener("click", (event) => {
  const ask = event.target.closest("[data-ask]");
  if (!ask) return;
  event.preventDefault();
  openDrawer("question-drawer");
  const box = document.querySelector(`#question-drawer input[name=items][value="${ask.dataset.ask}"]`);
  if (box) {
    box.checked = true;
    box.focus();
  }
});

// Words that are pasted as evidence are the evidence.
document.addEventListener("input", (event) => {
  if (event.target.name !== "evidence_text") return;
  const choice = event.target.form.elements.evidence;
  if (choice && event.target.value.trim()) choice.value = "text";
});

// Reject without a reason: say what is missing instead of sending.
document.addEventListener("click", (event) => {
  const reject = event.target.closest("[data-key=r]");
  if (!reject) return;
  document.querySelector("#decision [name=reason]").required = true;
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-key=a]")) document.querySelector("#decision [name=reason]").required = false;
}, true);

// In the reason field Enter means reject, which is what the reason is for.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("#decision [name=reason]") || event.isComposing) return;
  event.preventDefault();
  document.querySelector("#decision [data-key=r]").click();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "review") return;
  // After a step about terms the reader stays where the step was taken.
  const place = document.querySelector("#review .items .message, #review [role=alert], #review .understood");
  if (place) place.scrollIntoView({ block: "center" });
  else document.getElementById("review-title")?.focus({ preventScroll: true });
});
