// A swap may take away what had the focus. It then goes to the same place in what came instead.
(() => {
  const FOCUSABLE = "textarea, input:not([type=hidden]), button, a[href]";
  let trail = [];

  // The new comment may stand behind the composer.
  function showWhatWasSent({ request, response }) {
    if (response?.status !== 200 || !request.form?.querySelector("#reply-body")) return;
    [...document.querySelectorAll(".comment")].at(-1)?.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("htmx:before:request", () => {
    trail = [];
    for (let node = document.activeElement; node && node !== document.body; node = node.parentElement) {
      if (node.id) trail.push(node.id);
    }
  });
  document.addEventListener("htmx:finally:request", ({ detail }) => {
    showWhatWasSent(detail.ctx);
    if (document.activeElement !== document.body) return;
    const place = trail.map((id) => document.getElementById(id)).find(Boolean);
    const target = place?.matches(FOCUSABLE) ? place : place?.querySelector("textarea") ?? place?.querySelector(FOCUSABLE);
    target?.focus({ preventScroll: true });
  });
})();
