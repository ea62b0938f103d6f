"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const folded = all("details:not(.long)");

  // A plot in a closed section had no width to be drawn for.
  const fit = (within) => all(".js-plotly-plot", within)
    .filter((plot) => plot.offsetParent)
    .forEach((plot) => Plotly.Plots.resize(plot));
  document.addEventListener("toggle", (event) => event.target.open && fit(event.target), true);

  // A link to a section opens it, and what it is in.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    if (event.target.closest("a")?.hash === location.hash && location.hash) reveal();
  });
  reveal();

  const button = document.querySelector("nav button");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const open = folded.some((each) => !each.open);
      folded.forEach((each) => { each.open = open; });
      button.textContent = open ? "Close all" : "Open all";
    });
  }

  // Paper has everything open, and plots no wider than itself.
  const PAPER = 660;
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folded.filter((each) => !each.open);
    closed.forEach((each) => { each.open = true; });
    all(".js-plotly-plot").forEach((plot) => Plotly.relayout(plot, { autosize: false, width: PAPER }));
  });
  addEventListener("afterprint", () => {
    all(".js-plotly-plot").forEach((plot) => Plotly.relayout(plot, { autosize: true, width: null }));
    closed.forEach((each) => { each.open = false; });
  });
})();
