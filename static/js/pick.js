// Ticked rows of a list: all of a page with one button, a range with Shift.
(() => {
  const boxes = () => [...document.querySelectorAll('input[type="checkbox"][form="bulk"]')];
  const all = document.querySelector("[data-pick-all]");
  if (!all) return;
  all.hidden = false;
  all.addEventListener("click", () => {
    for (const box of boxes()) box.checked = true;
  });

  let last = null;
  document.addEventListener("click", (event) => {
    if (!event.target.matches('input[form="bulk"]')) return;
    const found = boxes();
    const [from, to] = [found.indexOf(last), found.indexOf(event.target)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) for (const box of found.slice(from, to)) box.checked = event.target.checked;
    last = event.target;
  });
})();
