// Keeps the jobs tray and the jobs page up to date, and takes their buttons without leaving the page.
// Without this script the button in the header is a link to the page, and the page is brought up to date by loading.

const PART = { headers: { "X-Kura-Part": "1" }, credentials: "same-origin" };
// Milliseconds between two looks: something moves before the reader's eyes, something is to be done, nothing is.
const WATCHED = 1500, BUSY = 5000, IDLE = 30000;

const tray = document.querySelector("[data-tray]");
const opener = tray?.querySelector("a");
const sheet = tray?.querySelector(".tray__sheet");
const badge = tray?.querySelector(".tray__count");
const live = document.querySelector("[data-live]");
// What the page itself came with counts as known, so that a change before the first look is said too.
let timer = 0, known = live?.querySelector("[data-said]")?.dataset.said ?? "", over = false, asked = 0;

const isOpen = () => sheet && !sheet.hidden;

// A part of the page as text; null when it cannot be had now. A sign-in page instead ends the looking.
async function part(address) {
  try {
    const answer = await fetch(address, PART);
    if (answer.redirected || answer.status === 403) over = true;
    return answer.ok && !answer.redirected ? await answer.text() : null;
  } catch {
    return null;
  }
}

// Exchanges what an element holds; the button under the reader's fingers keeps the focus.
function put(element, text) {
  if (element.shown === text) return;
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = element.scrollTop;
  element.innerHTML = text;
  element.shown = text;
  element.scrollTop = scrolled;
  if (!focused) return;
  const again = focused.id ? document.getElementById(focused.id) : null;
  const same = [...element.querySelectorAll("a[href]")].find((link) => link.href === focused.href);
  (again ?? same ?? (element === sheet ? sheet : null))?.focus({ preventScroll: true });
}

async function look() {
  window.clearTimeout(timer);
  if (over || !tray) return;
  let wait = IDLE;
  const turn = ++asked;
  if (!document.hidden) {
    const [trayText, pageText] = await Promise.all([part(tray.dataset.tray), live ? part(live.dataset.live) : null]);
    // A later look has begun meanwhile and will show more.
    if (turn !== asked) return;
    if (trayText !== null) put(sheet, trayText);
    // A reader who selects text or stands in a menu of the page is not disturbed.
    if (pageText !== null && window.getSelection()?.isCollapsed !== false) put(live, pageText);
    const state = sheet.firstElementChild?.dataset ?? {};
    count(Number(state.active ?? 0), Number(state.failed ?? 0));
    say(state.said ?? "");
    if (state.moving && (isOpen() || live)) wait = WATCHED;
    else if (Number(state.active ?? 0)) wait = BUSY;
  }
  window.clearTimeout(timer);
  if (!over) timer = window.setTimeout(look, wait);
}

function count(active, failed) {
  badge.hidden = !(active || failed);
  badge.textContent = active || failed;
  badge.classList.toggle("is-bad", !active && failed > 0);
}

// Percentages would drown a listener: only a change of the numbers of jobs is said, where the reader follows them.
function say(sentence) {
  if (known && sentence && sentence !== known && (isOpen() || live)) document.getElementById("said").textContent = sentence;
  known = sentence || known;
}

function open(wanted) {
  sheet.hidden = !wanted;
  opener.setAttribute("aria-expanded", String(wanted));
  if (wanted) {
    document.querySelector("details.menu")?.removeAttribute("open");
    sheet.focus({ preventScroll: true });
    look();
  }
}

if (tray) {
  opener.setAttribute("role", "button");
  opener.setAttribute("aria-expanded", "false");
  opener.addEventListener("click", (event) => {
    // On the jobs page the same work stands below; a new tab is the reader's choice.
    if (live || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(!isOpen());
  });
  opener.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    opener.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isOpen()) return;
    open(false);
    opener.focus();
  });
  document.addEventListener("click", (event) => {
    if (isOpen() && !event.composedPath().includes(tray)) open(false);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

  document.getElementById("job-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    const body = new FormData(event.target, button);
    if (button) button.disabled = true;
    try {
      await fetch(button?.formAction ?? event.target.action, { ...PART, method: "POST", body });
    } catch {
      // The next look shows how it is.
    }
    for (const shown of [sheet, live]) if (shown) shown.shown = undefined;
    await look();
  });
  look();
}
