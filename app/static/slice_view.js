// Draws one slice of Hounsfield units on a canvas: through a window, zoomed and moved, under its evidence map.

const FOR = [255, 122, 0]; // as in imaging/evidence.py
const AGAINST = [47, 123, 255];
const OPAQUE = 140;
const MOST_ZOOM = 16;

export class SliceView {
  constructor(canvas) {
    this.canvas = canvas;
    this.pencil = canvas.getContext("2d", { alpha: false });
    this.picture = document.createElement("canvas");
    this.map = document.createElement("canvas");
    this.shades = new Uint32Array(65536); // one for each of the 65,536 values of 16 bits
    this.values = null;
    this.evidence = null;
    this.drawn = { values: null, window: "" };
    this.setWindow(-600, 1500);
    this.fit();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // Rows, columns, and millimetres from one to the next.
  setSize(rows, columns, spacing) {
    Object.assign(this, { rows, columns, spacing });
    Object.assign(this.picture, { width: columns, height: rows });
    this.image = new ImageData(columns, rows);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.fit();
  }

  show(values, evidence) {
    this.values = values;
    this.evidence = evidence;
    this.draw();
  }

  // As imaging/windows.py: up to half the width below the level is black, as far above it white.
  setWindow(level, width) {
    this.level = Math.round(Math.max(-1024, Math.min(3071, level)));
    this.width = Math.round(Math.max(1, Math.min(4096, width)));
    const low = this.level - this.width / 2;
    for (let bits = 0; bits < 65536; bits++) {
      const value = bits < 32768 ? bits : bits - 65536;
      const grey = Math.round(Math.max(0, Math.min(1, (value - low) / this.width)) * 255);
      this.shades[bits] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    this.draw();
  }

  fit() {
    Object.assign(this, { zoom: 1, right: 0, down: 0 });
    this.draw();
  }

  move(right, down) {
    this.right += right;
    this.down += down;
    this.draw();
  }

  // Zooms so that what is at a place of the canvas, in CSS pixels, stays there.
  zoomBy(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom * factor));
    const change = zoom / this.zoom;
    const [middleX, middleY] = [x - this.canvas.clientWidth / 2, y - this.canvas.clientHeight / 2];
    this.right = middleX - (middleX - this.right) * change;
    this.down = middleY - (middleY - this.down) * change;
    this.zoom = zoom;
    if (zoom === 1) this.right = this.down = 0;
    this.draw();
  }

  // Row, column and Hounsfield units at a place of the canvas, in CSS pixels; null beside the slice.
  valueAt(x, y) {
    if (!this.values) return null;
    const { left, top, across, along } = this.place();
    const [column, row] = [Math.floor((x - left) / across), Math.floor((y - top) / along)];
    if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) return null;
    return { row, column, value: this.values[row * this.columns + column] };
  }

  // Where the slice lies on the canvas, and the sides of one of its pixels, in CSS pixels.
  place() {
    const { clientWidth, clientHeight } = this.canvas;
    const [down, along] = this.spacing;
    const scale = Math.min(clientWidth / (this.columns * along), clientHeight / (this.rows * down)) * this.zoom;
    const [width, height] = [this.columns * along * scale, this.rows * down * scale];
    const left = (clientWidth - width) / 2 + this.right;
    const top = (clientHeight - height) / 2 + this.down;
    return { left, top, width, height, across: along * scale, along: down * scale };
  }

  // Once a frame at most, whatever happens in between.
  draw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.paint();
    });
  }

  paint() {
    const { canvas, pencil } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    pencil.setTransform(1, 0, 0, 1, 0, 0);
    pencil.fillStyle = "#000";
    pencil.fillRect(0, 0, width, height);
    if (!this.values) return;
    this.shade();
    const { left, top, width: wide, height: high } = this.place();
    pencil.setTransform(ratio, 0, 0, ratio, 0, 0);
    pencil.drawImage(this.picture, left, top, wide, high);
    if (this.evidence) this.lay(left, top, wide, high);
  }

  shade() {
    const window = `${this.level}/${this.width}`;
    if (this.drawn.values === this.values && this.drawn.window === window) return;
    const { pixels, shades } = this;
    const bits = new Uint16Array(this.values.buffer);
    for (let index = 0; index < bits.length; index++) pixels[index] = shades[bits[index]];
    this.picture.getContext("2d", { alpha: false }).putImageData(this.image, 0, 0);
    this.drawn = { values: this.values, window };
  }

  // Orange speaks for the class, blue against it; most opaque at the strongest cell of this slice.
  lay(left, top, width, height) {
    const { cells, frame } = this.evidence;
    const strongest = Math.max(...cells.flat().map(Math.abs)) || 1;
    const colours = cells.flat().flatMap((cell) => [...(cell > 0 ? FOR : AGAINST), (Math.abs(cell) / strongest) * OPAQUE]);
    Object.assign(this.map, { width: cells[0].length, height: cells.length });
    const image = new ImageData(Uint8ClampedArray.from(colours), cells[0].length, cells.length);
    this.map.getContext("2d").putImageData(image, 0, 0);
    const { pencil } = this;
    pencil.save();
    pencil.beginPath();
    pencil.rect(left, top, width, height);
    pencil.clip();
    const [from, above, to, below] = frame;
    pencil.drawImage(this.map, left + from * width, top + above * height, (to - from) * width, (below - above) * height);
    pencil.restore();
  }
}
