// Chosen files become chips, each of which can be taken away again and says at once if it is too
// large. They can also be dropped or pasted, a second choice adds to the first, and they are still
// there when a form comes back with an error.
(() => {
  const MOST = 10;
  const MB = 1048576;
  const FIELD = "input[type=file]";
  const held = new WeakMap(); // the field's files, because the browser forgets them at the next choice

  function size(bytes) {
    if (bytes < 1000) return `${bytes} B`;
    return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  }

  function icon(name, kind = "") {
    const symbol = document.querySelector("svg use").getAttribute("href").replace(/#.*/, `#${name}`);
    const box = document.createElement("span");
    box.innerHTML = `<svg class="icon ${kind}" aria-hidden="true"><use href="${symbol}"/></svg>`;
    return box.firstChild;
  }

  function wrongWith(field, file, place) {
    const limit = Number(field.dataset.limit);
    if (limit && file.size > limit) return `too large, at most ${limit / MB} MB`;
    return place >= MOST ? `one too many, at most ${MOST}` : "";
  }

  function chip(field, file, place) {
    const wrong = wrongWith(field, file, place);
    const item = element("span", wrong ? "file wrong" : "file", "");
    const remove = element("button", "remove", "");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.append(icon("x", "small"));
    remove.addEventListener("click", () => {
      put(field, held.get(field).filter((other) => other !== file));
      (listOf(field).querySelectorAll(".remove")[place] ?? field).focus();
    });
    item.append(icon(file.type.startsWith("image/") ? "image" : "file-text"), element("bdi", "clip", file.name), element("small", "", wrong ? `${size(file.size)}, ${wrong}` : size(file.size)), remove);
    return item;
  }

  function listOf(field) {
    return document.getElementById(`${field.id}-list`);
  }

  function put(field, files) {
    const box = new DataTransfer();
    files.forEach((file) => box.items.add(file));
    field.files = box.files;
    held.set(field, files);
    const place = files.findIndex((file, at) => wrongWith(field, file, at));
    field.setCustomValidity(place < 0 ? "" : `${files[place].name} is ${wrongWith(field, files[place], place)}. Take it out to go on.`);
    listOf(field)?.replaceChildren(...files.map((file, place) => chip(field, file, place)));
  }

  function add(field, files) {
    const before = held.get(field) ?? [];
    const same = (a, b) => a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;
    put(field, [...before, ...[...files].filter((file) => !before.some((old) => same(old, file)))]);
  }

  // The field of the form that something with files is dropped on or pasted into.
  function fieldFor(event, data) {
    return data?.types.includes("Files") ? event.target.closest?.("form")?.querySelector(FIELD) : null;
  }

  document.addEventListener("change", ({ target }) => {
    if (target.matches(FIELD) && listOf(target)) add(target, target.files);
  });
  document.addEventListener("dragover", (event) => {
    if (fieldFor(event, event.dataTransfer)) event.preventDefault();
  });
  for (const [name, source] of [["drop", "dataTransfer"], ["paste", "clipboardData"]]) {
    document.addEventListener(name, (event) => {
      const field = fieldFor(event, event[source]);
      if (!field || !event[source].files.length) return;
      event.preventDefault();
      add(field, event[source].files);
    });
  }
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    const sent = ctx.request.form?.querySelector(FIELD);
    const fresh = sent && document.getElementById(sent.id);
    // What the server has kept comes with the form: once more would send it twice.
    if (fresh && fresh !== sent && ctx.response?.status >= 400 && !fresh.form.elements.kept) put(fresh, held.get(sent) ?? []);
  });
  // A browser that comes back to a page may remember the files of its fields.
  addEventListener("pageshow", () => document.querySelectorAll(FIELD).forEach((field) => field.files.length && listOf(field) && add(field, field.files)));
})();
