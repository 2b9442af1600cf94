// Lists whose order counts: rows are dragged by their grip, and dropping sends the new order. The
// buttons beside each row do the same without a script and by keyboard.
(() => {
  let dragged = null;
  const listOf = (node) => node.closest?.("[data-order]");

  document.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest?.(".grip");
    if (grip) grip.closest("li").draggable = true;
  });
  document.addEventListener("dragstart", (event) => {
    const row = event.target.closest?.("[data-order] > li");
    if (!row) return;
    dragged = row;
    event.dataTransfer.effectAllowed = "move";
    requestAnimationFrame(() => row.classList.add("dragged"));
  });
  document.addEventListener("dragover", (event) => {
    const row = event.target.closest?.("[data-order] > li");
    if (!dragged || !row || listOf(row) !== listOf(dragged)) return;
    event.preventDefault();
    const box = row.getBoundingClientRect();
    const isBelow = event.clientY > box.top + box.height / 2;
    if (row !== dragged) row[isBelow ? "after" : "before"](dragged);
  });
  document.addEventListener("dragend", () => {
    if (!dragged) return;
    const list = listOf(dragged);
    dragged.classList.remove("dragged");
    dragged.draggable = false;
    dragged = null;
    const form = document.getElementById(list.dataset.order);
    for (const row of list.children) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name: "order", value: row.dataset.id });
      form.append(input);
    }
    form.requestSubmit();
  });
})();
