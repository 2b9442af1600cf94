// Notices leave after a while, unless somebody is at them; a lost connection becomes a notice.
(() => {
  const STAY_MS = 8000;
  const box = () => document.getElementById("notices");

  function watch(notice) {
    if (notice.classList.contains("error")) return;
    if (notice.dataset.seconds) return count(notice, Number(notice.dataset.seconds));
    const leave = () => (notice.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : notice.remove());
    setTimeout(leave, STAY_MS);
  }

  // A reply can be taken back for so long: then the button goes, and never takes the focus along.
  function count(notice, seconds) {
    const left = notice.querySelector(".left");
    if (!notice.isConnected) return;
    if (left) left.textContent = seconds;
    if (seconds > 0) return void setTimeout(count, 1000, notice, seconds - 1);
    if (notice.matches(":focus-within")) document.getElementById("reply-body")?.focus({ preventScroll: true });
    notice.remove();
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
