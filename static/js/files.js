// Lists the chosen files below their field, and says at once which are too large to send.
(() => {
  function size(bytes) {
    if (bytes < 1000) return `${bytes} B`;
    return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  }

  function chip(file, limit) {
    const item = document.createElement("span");
    const name = document.createElement("bdi");
    const note = document.createElement("small");
    const tooLarge = limit && file.size > limit;
    item.className = tooLarge ? "file large-error" : "file";
    name.textContent = file.name;
    note.textContent = tooLarge ? `${size(file.size)}, too large (at most ${size(limit)})` : size(file.size);
    item.append(name, note);
    return item;
  }

  document.addEventListener("change", ({ target }) => {
    const list = target.matches("input[type=file]") && document.getElementById(`${target.id}-list`);
    if (!list) return;
    const limit = Number(target.dataset.limit);
    list.replaceChildren(...[...target.files].map((file) => chip(file, limit)));
  });
})();
