// While a form is sent its buttons say so and cannot be pressed twice. `data-busy` is the label.
(() => {
  const sent = new Set();

  function buttonsOf(form) {
    return [...form.elements].filter((element) => element.matches("button:not([type=button])"));
  }

  // A list that is being narrowed or searched says that it is fetched.
  function look(isFetching) {
    const main = document.querySelector("main");
    if (isFetching) main?.setAttribute("aria-busy", "true");
    else main?.removeAttribute("aria-busy");
  }

  function free(form) {
    if (!sent.delete(form)) return;
    for (const button of buttonsOf(form)) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
      if (button.dataset.label !== undefined) {
        button.lastChild.textContent = button.dataset.label;
        delete button.dataset.label;
      }
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "get") {
      look(!event.submitter?.hasAttribute("formaction")); // a download leaves the page as it is
      return;
    }
    if (sent.has(form)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    sent.add(form);
    // Later, because a disabled button would not send its own name and value.
    setTimeout(() => {
      if (!sent.has(form)) return;
      const pressed = event.submitter;
      if (pressed?.dataset.busy) {
        pressed.dataset.label = pressed.lastChild.textContent;
        pressed.lastChild.textContent = pressed.dataset.busy;
        pressed.setAttribute("aria-busy", "true");
      }
      for (const button of buttonsOf(form)) button.disabled = true;
    });
  }, true);
  document.addEventListener("htmx:finally:request", (event) => {
    const form = event.detail.ctx.request.form;
    if (form) free(form);
    look(false);
  });
  // Back in the browser brings the page as it was left: with its buttons off.
  window.addEventListener("pageshow", () => {
    [...sent].forEach(free);
    look(false);
  });
})();
