// Single keys for those who live on the queue. Nothing depends on them; on the account page they are
// switched off, for this browser (WCAG 2.1.4). They rest while somebody types, and in menus and dialogs.
(() => {
  if (!document.body.matches(".desk")) return;
  const OFF = "deskhand-shortcuts-off";
  const KEPT = "deskhand-rows";
  const FIELD = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  // What a menu of a row changes, and the field of the form that changes several.
  const FIELDS = { assignment: "assignee", status: "status", priority: "priority", tags: "add_tags" };
  const SHEET = {
    "Lists and tickets": [
      ["j", "To the next ticket", () => move(1)],
      ["k", "To the one before", () => move(-1)],
      ["a", "Change the assignee", () => change("assignment")],
      ["s", "Change the status", () => change("status")],
      ["p", "Change the priority", () => change("priority")],
      ["t", "Change the tags", () => change("tags")],
    ],
    "Lists": [
      ["o", "Open the ticket, as Enter does", () => go(linkOf(row())?.href)],
      ["x", "Tick it; the keys above then change all that are ticked", () => row()?.querySelector(".check").click()],
    ],
    "On a ticket": [
      ["r", "Write a reply", () => write("public")],
      ["n", "Write a note", () => write("internal")],
      ["Esc", "Leave the text, so that keys work again"],
      ["u", "Back to the list", () => go(document.querySelector(".ticket-head .crumb")?.href)],
    ],
    "Everywhere": [
      ["/", "Search tickets", search],
      ["c", "New ticket", () => go("/desk/tickets/new")],
      ["?", "Show these keys", () => show()],
    ],
  };
  const ACTIONS = new Map(Object.values(SHEET).flat().map(([key, , act]) => [key, act]));

  const isOff = () => localStorage.getItem(OFF) !== null;
  const rows = () => [...document.querySelectorAll(".queue-row")];
  const row = () => document.activeElement.closest(".queue-row");
  const linkOf = (found) => found?.querySelector(".subject a");
  let lastRow = ""; // the id of the row that had the focus
  let changedRow = ""; // of the row whose menu a key has opened

  // Where a page would be left with something typed in it, the focus goes there instead.
  function go(address) {
    if (!address) return;
    const typed = [...document.querySelectorAll("main :is(textarea, input)")].find((field) => field.value !== field.defaultValue);
    if (typed) typed.focus();
    else location.assign(address);
  }

  // The list that was left, its tickets, and the one that had the focus: keys go on from there.
  const here = () => location.pathname + location.search;
  const kept = () => JSON.parse(sessionStorage.getItem(KEPT)) ?? { tickets: [] };
  const keep = (list, tickets, at) => sessionStorage.setItem(KEPT, JSON.stringify({ list, tickets, at }));

  function leaveList() {
    if (!rows().length) return;
    const at = document.activeElement.matches(":focus-visible") && linkOf(row())?.pathname;
    keep(here(), rows().map((found) => linkOf(found).pathname), at || "");
  }

  function comeBack() {
    const { list, tickets, at } = kept();
    if (list === here() && at) {
      const links = rows().map(linkOf);
      const same = links.find((link) => link.pathname === at);
      (same ?? links[Math.min(tickets.indexOf(at), links.length - 1)])?.focus({ focusVisible: true });
    }
    leaveList();
  }

  function move(step) {
    const all = rows();
    if (all.length) {
      const place = all.indexOf(row() ?? document.getElementById(lastRow));
      linkOf(all[Math.max(place + step, 0)])?.focus();
      return;
    }
    const { list, tickets } = kept();
    const next = tickets[tickets.indexOf(location.pathname) + step];
    if (!tickets.includes(location.pathname) || !next) return;
    keep(list, tickets, next);
    go(next);
  }

  // A row has no link to its tags, so it gets one when it is asked for.
  function tagsOf(found) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "vh", tabIndex: -1, textContent: "Tags" });
    button.dataset.menu = `${linkOf(found).pathname}/tags`;
    found.querySelector("button[data-menu]")?.remove();
    found.querySelector(".subject").append(button);
    return button;
  }

  function change(kind) {
    const found = row();
    if (document.querySelector(".queue :checked")) {
      const form = document.getElementById("bulk");
      form.action = `/desk/changes#${FIELDS[kind]}`;
      form.requestSubmit();
    } else if (found) {
      changedRow = found.id;
      (kind === "tags" ? tagsOf(found) : found.querySelector(`a[data-menu][href$="/${kind}"]`)).click();
    } else {
      const opener = document.querySelector(`.props :is([popovertarget="change-${kind}"], a[href*="/${kind}?"])`);
      opener?.click();
      const menu = document.querySelector(`#change-${kind}:popover-open`);
      (menu?.querySelector("[aria-current]") ?? menu?.querySelector("button"))?.focus();
    }
  }

  function write(visibility) {
    const kind = document.querySelector(`#reply-form [name="visibility"][value="${visibility}"]`);
    if (!kind) return;
    kind.click();
    document.getElementById("reply-body").focus();
  }

  // The page's own field before that of the rail, which a narrow window folds away.
  function search() {
    const fields = [...document.querySelectorAll('form[action="/desk/search"] [type=search]')];
    const field = fields.reverse().find((one) => one.checkVisibility());
    if (!field) return go("/desk/search");
    field.focus();
    field.select();
  }

  function element(name, className, ...content) {
    const made = document.createElement(name);
    made.className = className;
    made.append(...content);
    return made;
  }

  // *opener*: a link in a menu, which is closed by then: the focus returns to what opens the menu.
  function show(opener) {
    const groups = Object.entries(SHEET).map(([title, keys]) => element("section", "", element("h3", "", title),
      element("dl", "", ...keys.flatMap(([key, words]) => [element("dt", "", element("kbd", "", key)), element("dd", "", words)]))));
    const close = element("button", "button", "Close");
    const account = element("a", "", isOff() ? "Switch them on" : "Switch them off");
    account.href = "/account/#shortcuts";
    const heading = element("h2", "grow", "Keyboard shortcuts");
    const dialog = element("dialog", "shortcuts", element("div", "row", heading, close), element("div", "groups", ...groups),
      element("p", "muted", isOff() ? "They are switched off in this browser. " : "They rest while you type. ", account));
    heading.id = "sheet-title";
    close.type = "button";
    dialog.setAttribute("aria-labelledby", heading.id);
    dialog.setAttribute("closedby", "any");
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (!opener || document.activeElement !== document.body) return;
      const openers = document.querySelectorAll('[popovertarget="me-menu"], [popovertarget="rail"]');
      [opener, ...openers].find((one) => one.checkVisibility())?.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (isOff() || event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector(":popover-open, dialog[open]")) return;
    const field = event.target.closest?.(FIELD);
    if (field) {
      if (event.key === "Escape" && field.matches("textarea, [type=search]")) field.blur();
      return;
    }
    const act = ACTIONS.get(event.key);
    if (!act || (event.repeat && !"jk".includes(event.key))) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-shortcuts]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    show(link);
  });
  document.addEventListener("focusin", () => { lastRow = row()?.id ?? lastRow; });
  // The row that a menu has changed is a new element: its link gets the focus that the old one had.
  document.addEventListener("htmx:finally:request", () => {
    if (changedRow && !document.querySelector(":popover-open")) linkOf(document.getElementById(changedRow))?.focus();
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.id === "menu" && event.newState === "closed") changedRow = "";
  }, true);
  addEventListener("pageshow", comeBack);
  addEventListener("pagehide", leaveList);

  const choice = document.querySelector("#shortcuts [type=checkbox]");
  if (!choice) return;
  choice.closest("section").hidden = false;
  choice.checked = !isOff();
  choice.addEventListener("change", () => {
    if (choice.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "");
  });
})();
