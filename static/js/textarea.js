// Text areas grow with their text where the browser does not do it by `field-sizing`.
(() => {
  if (CSS.supports("field-sizing", "content")) return;
  document.addEventListener("input", ({ target }) => {
    if (!target.matches("textarea")) return;
    target.style.blockSize = "auto";
    target.style.blockSize = `${target.scrollHeight + 2}px`;
  });
})();
