// Wheel, pointer and keyboard on the slice: they call the view, and `jump` with how many slices to go on.

export function control(view, { drags, jump, changed, pointed, presets, toggleEvidence }) {
  const { canvas } = view;
  const pointers = new Map();
  let wheeled = 0;

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.ctrlKey) return view.zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
      // A wheel sends one large step at a time, a touchpad many small ones. Down is to the feet.
      const delta = event.deltaMode ? event.deltaY * 40 : event.deltaY;
      wheeled = Math.abs(delta) >= 100 ? Math.sign(delta) * 40 : wheeled + delta;
      const steps = Math.trunc(wheeled / 40);
      wheeled -= steps * 40;
      if (steps) jump(-steps);
    },
    { passive: false },
  );

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    pointed(event.offsetX, event.offsetY);
    const former = pointers.get(event.pointerId);
    if (!former) return;
    const here = [event.offsetX, event.offsetY];
    pointers.set(event.pointerId, here);
    const [right, down] = [here[0] - former[0], here[1] - former[1]];
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinch(former, here, other);
    else if (event.shiftKey || event.buttons === 4 || drags() === "pan") view.move(right, down);
    else view.setWindow(view.level - 2 * down, view.width + 4 * right);
    changed();
  });
  for (const type of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(type, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", () => pointed(-1, -1));

  function pinch(former, here, other) {
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    view.zoomBy(apart(here) / Math.max(1, apart(former)), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
  }

  const moves = { ArrowUp: [0, 24], ArrowDown: [0, -24], ArrowLeft: [24, 0], ArrowRight: [-24, 0] };
  const jumps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
  const others = { "+": () => view.zoomBy(1.25), "-": () => view.zoomBy(0.8), 0: () => view.fit(), e: toggleEvidence };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.shiftKey && moves[event.key]) view.move(...moves[event.key]);
    else if (jumps[event.key]) jump(jumps[event.key]);
    else if (others[event.key]) others[event.key]();
    else if (presets[Number(event.key) - 1]) presets[Number(event.key) - 1].click();
    else return;
    event.preventDefault();
    changed();
  });
}
