// The compare stage: two pictures of one row in one frame, by slider, side by side, hover or difference.

export const MODES = ["slider", "side", "hover", "difference"];
const STEP = 5;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class Compare {
  constructor(stage) {
    this.stage = stage;
    this.frame = stage.querySelector(".frame");
    this.handle = stage.querySelector(".frame__handle");
    this.images = { a: stage.querySelector("[data-a] img"), b: stage.querySelector("[data-b] img") };
    this.labels = { a: stage.querySelector("[data-label-a]"), b: stage.querySelector("[data-label-b]") };
    this.swapped = false;
    this.split = 50;
    this.resetView();
    this.setMode(stage.dataset.mode);
    this.handle.addEventListener("keydown", (event) => this.onHandleKey(event));
    this.frame.addEventListener("pointerdown", (event) => this.onPointerDown(event));
    this.frame.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    for (const radio of stage.querySelectorAll("[name=mode]")) {
      radio.addEventListener("change", () => this.setMode(radio.value));
    }
  }

  /** left and right: {src, label, alt}. */
  show(left, right) {
    this.pair = [left, right];
    const [a, b] = this.swapped ? [right, left] : [left, right];
    for (const [side, picture] of [["a", a], ["b", b]]) {
      this.images[side].src = picture.src;
      this.images[side].alt = picture.alt;
      this.images[side].className = picture.look;
      this.labels[side].textContent = picture.label;
    }
    this.setSplit(this.split);
  }

  swap() {
    this.swapped = !this.swapped;
    this.show(...this.pair);
  }

  setMode(mode) {
    // A hidden slider would take the focus, and with it every key, out of the stage.
    if (mode !== "slider" && document.activeElement === this.handle) this.stage.focus();
    this.mode = mode;
    this.stage.dataset.mode = mode;
    const radio = this.stage.querySelector(`[name=mode][value="${mode}"]`);
    if (radio) radio.checked = true;
  }

  nextMode() {
    this.setMode(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length]);
    if (this.mode === "slider") this.handle.focus();
  }

  setSplit(percent) {
    this.split = clamp(percent, 0, 100);
    this.frame.style.setProperty("--split", `${this.split}%`);
    const shown = Math.round(this.split);
    this.handle.setAttribute("aria-valuenow", String(shown));
    this.handle.setAttribute("aria-valuetext",
      `${shown} % ${this.labels.a.textContent}, ${100 - shown} % ${this.labels.b.textContent}`);
  }

  onHandleKey(event) {
    const moves = { ArrowLeft: this.split - STEP, ArrowRight: this.split + STEP, Home: 0, End: 100,
      PageDown: this.split - 4 * STEP, PageUp: this.split + 4 * STEP };
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.setSplit(moves[event.key]);
  }

  resetView() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.applyView();
  }

  zoomBy(factor) {
    this.view.zoom = clamp(this.view.zoom * factor, 1, 8);
    this.pan(0, 0);
  }

  pan(dx, dy) {
    // Both pictures move in step; neither can be pushed out of its side.
    const side = this.images.a.clientWidth || this.frame.clientWidth;
    const reach = (side * (this.view.zoom - 1)) / 2;
    this.view.x = clamp(this.view.x + dx, -reach, reach);
    this.view.y = clamp(this.view.y + dy, -reach, reach);
    this.applyView();
  }

  applyView() {
    this.frame.style.setProperty("--zoom", String(this.view.zoom));
    this.frame.style.setProperty("--x", `${this.view.x}px`);
    this.frame.style.setProperty("--y", `${this.view.y}px`);
  }

  onWheel(event) {
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15);
  }

  onPointerDown(event) {
    if (event.button !== 0) return;
    const onHandle = event.target === this.handle;
    const sliding = this.mode === "slider" && (onHandle || this.view.zoom === 1);
    if (this.mode === "hover") this.frame.classList.add("is-held");
    this.frame.setPointerCapture(event.pointerId);
    let last = { x: event.clientX, y: event.clientY };
    const move = (now) => {
      if (sliding) {
        const box = this.frame.getBoundingClientRect();
        this.setSplit((100 * (now.clientX - box.left)) / box.width);
      } else {
        this.pan(now.clientX - last.x, now.clientY - last.y);
      }
      last = { x: now.clientX, y: now.clientY };
    };
    const end = () => {
      this.frame.classList.remove("is-held");
      this.frame.removeEventListener("pointermove", move);
      this.frame.removeEventListener("pointerup", end);
      this.frame.removeEventListener("pointercancel", end);
    };
    if (sliding) move(event);
    this.frame.addEventListener("pointermove", move);
    this.frame.addEventListener("pointerup", end);
    this.frame.addEventListener("pointercancel", end);
  }
}
