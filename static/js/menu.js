// A link with `data-menu` opens its page's form beside it; a button, the page that `data-menu` names.
// Without script it is a page of its own.
(() => {
  const menu = () => document.getElementById("menu");
  let opened = "";

  function enter() {
    const first = menu().querySelector("[aria-invalid], [aria-current]") ?? menu().querySelector("button, textarea, select, input:not([type=hidden])");
    first?.focus();
    if (first?.matches("textarea")) first.select();
  }

  // The row may be a new element by now, so the link is looked up again.
  function leave(popover) {
    const opener = popover === menu() ? `a[data-menu][href="${opened}"], button[data-menu="${opened}"]` : `[popovertarget="${popover.id}"]`;
    document.querySelector(opener)?.focus();
  }

  async function open(link) {
    opened = link.getAttribute("href") ?? link.dataset.menu;
    const answer = await fetch(opened, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) {
      location.assign(opened);
      return;
    }
    menu().innerHTML = await answer.text();
    htmx.process(menu());
    menu().showPopover({ source: link });
    enter();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-menu]");
    const plain = !(event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !plain || !menu() || !window.htmx) return;
    event.preventDefault();
    open(link);
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const { request, response, sourceElement } = event.detail.ctx;
    if (sourceElement.matches("[role=search], .practice")) return; // nobody has chosen anything
    const popover = (request.form ?? sourceElement).closest("[popover]") ?? (menu()?.matches(":popover-open") && menu());
    if (!popover || !response) return;
    const askedAgain = popover === menu() && response.status >= 400 && !request.form?.isConnected;
    if (askedAgain) {
      enter();
      return;
    }
    if (popover.matches(":popover-open")) popover.hidePopover();
    leave(popover);
    if (popover === menu() && request.form?.id === "reply-form") document.getElementById("reply-body")?.focus();
  });
  document.addEventListener("toggle", (event) => {
    if (event.target === menu() && event.newState === "closed" && document.activeElement === document.body) leave(menu());
  }, true);
  // Up and down walk through the choices of an open menu, letters go to the choice that begins so.
  let typed = "";
  let typedAt = 0;
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const here = event.target.closest?.("[popover] :is(button, a).choice");
    const isLetter = event.key.length === 1 && event.key !== " " && !event.metaKey && !event.ctrlKey && !event.altKey;
    if (!here || !(step || isLetter)) {
      typed = ""; // what comes next is another word
      return;
    }
    const all = [...here.closest("[popover]").querySelectorAll(".choice")];
    const place = all.indexOf(here);
    event.preventDefault();
    if (step) {
      all[(place + step + all.length) % all.length].focus();
      return;
    }
    typed = (event.timeStamp - typedAt < 800 ? typed : "") + event.key.toLowerCase();
    typedAt = event.timeStamp;
    const from = typed.length > 1 ? place : place + 1;
    const inOrder = [...all.slice(from), ...all.slice(0, from)];
    inOrder.find((choice) => choice.textContent.trim().toLowerCase().startsWith(typed))?.focus();
  });
})();
