// A bar for each slice along the stack: how probable the positive classes are in it. A click jumps.

export class ProbabilityStrip {
  constructor(canvas, cursor, jump) {
    this.canvas = canvas;
    this.cursor = cursor;
    this.pencil = canvas.getContext("2d");
    this.answers = [];
    this.driving = new Set();
    const go = (event) => {
      const share = event.offsetX / canvas.clientWidth;
      if (this.answers.length) jump(Math.max(0, Math.min(this.answers.length - 1, Math.floor(share * this.answers.length))));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      go(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  begin(slices) {
    this.answers = Array(slices).fill(null);
    this.driving = new Set();
    this.draw();
  }

  // Moved, not drawn, so that scrolling through the stack draws no bars.
  point(number) {
    this.cursor.style.left = `${((number + 0.5) / this.answers.length) * 100}%`;
  }

  draw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.paint();
    });
  }

  paint() {
    const { canvas, pencil, answers } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    pencil.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const colours = { answered: colour("--accent"), declined: colour("--bar-other"), none: colour("--line") };
    const step = width / answers.length;
    const space = height - 6;
    answers.forEach((answer, number) => {
      if (!answer) return;
      const left = number * step;
      const wide = Math.max(1, step - (step > 4 ? 1 : 0));
      const kind = answer.positive === null ? "none" : answer.reason === null ? "answered" : "declined";
      const high = answer.positive === null ? 2 : Math.max(2, answer.positive * space);
      pencil.fillStyle = colours[kind];
      pencil.fillRect(left, height - high, wide, high);
      if (this.driving.has(number)) {
        pencil.fillStyle = colour("--for");
        pencil.fillRect(left, 0, Math.max(3, wide), 4);
      }
    });
  }
}
