// The stack of a study: which slice is shown, and what stands around it.

import { ProbabilityStrip } from "./probability_strip.js";
import { control } from "./slice_controls.js";
import { SliceView } from "./slice_view.js";

const find = (selector) => document.querySelector(selector);

export class SliceViewer {
  constructor() {
    this.section = find("#study-viewer");
    this.stack = find("#stack");
    this.evidence = find("#evidence-on");
    this.presets = [...this.section.querySelectorAll("[name=window]")];
    this.view = new SliceView(find("#slice"));
    this.strip = new ProbabilityStrip(find("#strip"), find("#strip-cursor"), (number) => this.go(number));
    this.slices = [];
    this.answers = [];
    this.current = 0;
    this.listen();
  }

  listen() {
    const { view } = this;
    control(view, {
      drags: () => this.section.querySelector("[name=drag]:checked").value,
      jump: (steps) => this.go(this.current + steps),
      changed: () => this.tellWindow(),
      pointed: (x, y) => this.tellValue(x, y),
      presets: this.presets,
      toggleEvidence: () => this.evidence.click(),
    });
    for (const preset of this.presets) preset.addEventListener("click", () => this.choose(preset));
    this.stack.addEventListener("input", () => this.go(Number(this.stack.value)));
    this.evidence.addEventListener("change", () => this.go(this.current));
    find("#zoom-in").addEventListener("click", () => view.zoomBy(1.25));
    find("#zoom-out").addEventListener("click", () => view.zoomBy(0.8));
    find("#zoom-fit").addEventListener("click", () => view.fit());
  }

  choose({ dataset }) {
    this.view.setWindow(Number(dataset.level), Number(dataset.width));
    this.tellWindow();
  }

  begin({ slices, rows, columns, spacing, positions, positive_name: positive, all_series: sizes, series }) {
    this.slices = Array(slices).fill(null);
    this.positions = positions;
    this.strip.begin(slices);
    this.answers = this.strip.answers;
    this.stack.max = slices - 1;
    this.section.hidden = false;
    this.view.setSize(rows, columns, spacing);
    find("#study-count").textContent = `${slices} slices, ${columns} × ${rows}`;
    find("#strip-legend").textContent = positive
      ? `probability of ${positive}; grey: declined`
      : "this model doesn't say which classes are positive";
    find("#series-choice").hidden = sizes.length < 2;
    find("#series").replaceChildren(...sizes.map((size, number) => new Option(`${number + 1}: ${size} slices`, number)));
    find("#series").value = series;
    this.tellWindow();
    this.go(0);
    find("#slice").focus({ preventScroll: true });
    this.section.parentElement.scrollIntoView();
  }

  clear() {
    this.section.hidden = true;
    this.slices = [];
    this.evidence.checked = false;
    this.view.show(null, null);
    this.strip.begin(0);
  }

  receive(number, values) {
    this.slices[number] = values;
    if (number === this.current) this.go(number);
  }

  answer(answer) {
    this.answers[answer.number] = answer;
    this.strip.draw();
    if (answer.number === this.current) this.go(answer.number);
  }

  driving(slices) {
    this.strip.driving = new Set(slices.map((one) => one.number));
    this.strip.draw();
  }

  nearest(numbers) {
    let best = null;
    for (const number of numbers) {
      if (best === null || Math.abs(number - this.current) < Math.abs(best - this.current)) best = number;
    }
    return best;
  }

  go(number) {
    if (!this.slices.length) return;
    this.current = Math.max(0, Math.min(this.slices.length - 1, number));
    const answer = this.answers[this.current];
    const evidence = this.evidence.checked ? (answer?.evidence ?? null) : null;
    this.view.show(this.slices[this.current], evidence);
    this.strip.point(this.current);
    this.tell(answer, evidence);
  }

  tell(answer, evidence) {
    const place = `Slice ${this.current + 1} of ${this.slices.length}`;
    const said = answer ? answer.said : "not answered yet";
    find("#slice-place").textContent = `${place} · ${this.positions[this.current].toFixed(1)} mm`;
    find("#slice-said").textContent = answer ? said : "Not answered yet";
    this.stack.value = this.current;
    this.stack.setAttribute("aria-valuetext", `${place}, ${said}`);
    const legend = find("#evidence-legend");
    legend.hidden = !this.evidence.checked;
    legend.textContent = evidence
      ? `Orange adds to the log-odds of “${evidence.of}”, blue takes away: ${evidence.sum} in all` +
        `${evidence.average === null ? "" : `, on the ${evidence.average} that an average slice gets`}. ` +
        "Colours are scaled to the strongest cell of this slice. It is not the outline of a tumour."
      : "This slice has no evidence map.";
  }

  tellWindow() {
    const { level, width } = this.view;
    find("#slice-window").textContent = `L ${level} W ${width} HU`;
    for (const preset of this.presets) {
      preset.checked = Number(preset.dataset.level) === level && Number(preset.dataset.width) === width;
    }
  }

  tellValue(x, y) {
    const found = this.view.valueAt(x, y);
    find("#slice-value").textContent = found ? `${found.value} HU at ${found.column}, ${found.row}` : "";
  }
}
