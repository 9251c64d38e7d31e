// Keys of the review screen: A approve, R reject (asks for the reason), N next, P previous.

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
      event.preventDefault();
      reason.focus();
      break;
  }
});

// Reject without a reason: say what is missing instead of sending.
document.addEventListener("click", (event) => {
  const reject = event.target.closest("[data-key=r]");
  if (!reject) return;
  const reason = document.querySelector("#decision [name=reason]");
  reason.required = true;
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
  if (event.target.id === "review") document.getElementById("review-title")?.focus({ preventScroll: true });
});
