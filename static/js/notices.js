// Notices leave after a while, unless somebody is at them; a lost connection becomes a notice.
(() => {
  const STAY_MS = 8000;
  const box = () => document.getElementById("notices");

  function watch(notice) {
    if (notice.classList.contains("error")) return;
    const leave = () => (notice.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : notice.remove());
    setTimeout(leave, STAY_MS);
  }

  if (!box()) return;
  box().querySelectorAll(".notice").forEach(watch);
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.matches?.(".notice")) watch(node);
    }
  }).observe(box(), { childList: true });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx?.response) return;
    const notice = document.createElement("p");
    notice.className = "notice error";
    notice.textContent = "The server could not be reached, nothing was changed. Try again in a moment.";
    box().replaceChildren(notice);
  });
})();
