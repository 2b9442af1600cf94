// A swap may take away what had the focus. It then goes to the same place in what came instead.
(() => {
  const FOCUSABLE = "textarea, input:not([type=hidden]), button, a[href]";
  let trail = [];

  document.addEventListener("htmx:before:request", () => {
    trail = [];
    for (let node = document.activeElement; node && node !== document.body; node = node.parentElement) {
      if (node.id) trail.push(node.id);
    }
  });
  document.addEventListener("htmx:finally:request", () => {
    if (document.activeElement !== document.body) return;
    const place = trail.map((id) => document.getElementById(id)).find(Boolean);
    const target = place?.matches(FOCUSABLE) ? place : place?.querySelector("textarea") ?? place?.querySelector(FOCUSABLE);
    target?.focus({ preventScroll: true });
  });
})();
