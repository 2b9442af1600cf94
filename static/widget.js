// The chat window of a help desk, for any website:
//   <script src="https://desk.example/widget.js" async></script>
// It needs no other file, stays in a shadow root, builds its elements one by one and takes its
// style from a constructed sheet, so it works under a policy of the page that names the desk in
// script-src and connect-src alone. How to change texts and looks: /admin/settings/chat.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || document.querySelector("deskhand-chat")) return;
  const desk = new URL(script.src).origin;
  const shelf = `deskhand-chat ${desk}`; // where this page's browser keeps the conversation
  const MINUTE = 60_000;
  const QUICK = 3_000; // between two looks for an answer, at first; then ever longer
  const SLOW = 30_000; // at most so, while the window is open, and at least so while it is not
  const SLOWEST = 5 * MINUTE;

  const TEXTS = {
    label: "Write to us",
    title: "",
    intro: "",
    name: "Your name",
    mail: "Mail address",
    message: "How can we help?",
    reply: "Write a message",
    start: "Send",
    send: "Send",
    sending: "Sending…",
    close: "Close the chat",
    unread: "{count} new",
    you: "You",
    agent: "Support",
    log: "Conversation",
    thanks: "We have your message. Your number is {number}. Answers come here and, if you leave, to your mail address.",
    waiting: "If you leave, the answer comes by mail.",
    with: "{name} has your message.",
    files: "Files came with this: they are in our mail to you.",
    mailed: "This conversation goes on by mail. Answer the mail that we sent you.",
    over: "This conversation has ended.",
    again: "Start a new one",
    offline: "That did not get through. Check your connection and send it again.",
    busy: "Too many at once. Wait a moment, then send it again.",
  };

  function text(key, values = {}) {
    const own = script.dataset[`text${key[0].toUpperCase()}${key.slice(1)}`];
    return (own ?? TEXTS[key]).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  }

  const CSS = `
    :host {
      all: initial !important; color-scheme: inherit !important; position: fixed !important;
      inset-block-end: max(16px, env(safe-area-inset-bottom)) !important; inset-inline-end: 16px !important;
      z-index: 2147483000 !important; display: block !important;
      font: 15px/22px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif !important;
      --surface: light-dark(oklch(1 0 0), oklch(.205 .005 70)); --well: light-dark(oklch(.968 .005 80), oklch(.16 .005 70));
      --line: light-dark(oklch(.85 .008 80), oklch(.37 .008 70)); --edge: light-dark(oklch(.6 .012 75), oklch(.56 .012 75));
      --text: light-dark(oklch(.23 .012 75), oklch(.94 .006 75)); --soft: light-dark(oklch(.48 .012 75), oklch(.74 .012 75));
      --wrong: light-dark(oklch(.49 .185 27), oklch(.79 .12 24));
      --accent: light-dark(oklch(from var(--brand) .46 min(c, .13) h), oklch(from var(--brand) .74 min(c, .13) h));
      --on-accent: light-dark(oklch(1 0 0), oklch(.2 .03 75));
      --tint: light-dark(oklch(from var(--brand) .955 min(c * .16, .02) h), oklch(from var(--brand) .29 min(c * .3, .04) h));
    }
    :host(.left) { inset-inline: 16px auto !important; }
    * { box-sizing: border-box; margin: 0; padding: 0; font: inherit; letter-spacing: normal; }
    [hidden] { display: none !important; }
    button { cursor: pointer; border: 0; background: none; color: inherit; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    svg { inline-size: 22px; block-size: 22px; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; flex: none; }
    .launcher { display: flex; align-items: center; gap: 10px; min-block-size: 48px; padding-inline: 16px 20px; border-radius: 99px; background: var(--accent); color: var(--on-accent); font-weight: 600; box-shadow: 0 1px 2px oklch(.2 .02 75 / .16), 0 8px 28px oklch(.2 .02 75 / .24); }
    .launcher:focus-visible { outline-offset: 3px; }
    .count { min-inline-size: 22px; padding: 0 7px; border-radius: 99px; background: var(--on-accent); color: var(--accent); font-size: 13px; text-align: center; }
    .window { display: flex; flex-direction: column; inline-size: min(372px, calc(100vw - 32px)); max-block-size: calc(100dvh - 32px); border: 1px solid var(--line); border-radius: 14px; background: var(--surface); color: var(--text); overflow: hidden; box-shadow: 0 12px 48px oklch(.2 .02 75 / .28); }
    header { display: flex; align-items: start; gap: 12px; padding-block: 16px; padding-inline: 20px 12px; background: var(--accent); color: var(--on-accent); }
    header div { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
    h2 { font-size: 17px; line-height: 24px; font-weight: 600; }
    header p { font-size: 14px; line-height: 20px; }
    .close { display: grid; place-items: center; inline-size: 40px; block-size: 40px; margin-block: -6px; border-radius: 8px; }
    .close:focus-visible { outline-color: currentColor; outline-offset: -3px; }
    form { display: grid; gap: 14px; padding: 20px; }
    .first { flex: 1; align-content: start; overflow: auto; }
    label { display: grid; gap: 4px; font-size: 14px; line-height: 20px; font-weight: 500; }
    input, textarea { inline-size: 100%; min-block-size: 44px; padding: 9px 12px; border: 1px solid var(--edge); border-radius: 8px; background: var(--surface); color: var(--text); font-size: 16px; line-height: 24px; font-weight: 400; }
    input:focus-visible, textarea:focus-visible { outline-offset: 0; border-color: var(--accent); }
    textarea { resize: none; field-sizing: content; min-block-size: 44px; max-block-size: 160px; }
    .first textarea { min-block-size: 116px; max-block-size: none; }
    .send { min-block-size: 44px; padding: 0 18px; border-radius: 8px; background: var(--accent); color: var(--on-accent); font-weight: 600; }
    .send[aria-disabled="true"] { opacity: .6; cursor: default; }
    .trap { position: absolute; inset-inline-start: -9999px; inline-size: 1px; block-size: 1px; overflow: hidden; }
    .talk { display: flex; flex-direction: column; flex: 1 1 520px; min-block-size: 0; }
    .scroll { flex: 1; min-block-size: 0; overflow: auto; padding: 20px; background: var(--well); overscroll-behavior: contain; }
    ol { display: grid; gap: 14px; list-style: none; }
    li { display: grid; gap: 3px; justify-self: start; max-inline-size: 88%; }
    li.visitor { justify-self: end; }
    .bubble { padding: 9px 13px; border: 1px solid var(--line); border-radius: 12px; border-end-start-radius: 3px; background: var(--surface); white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
    .visitor .bubble { border-color: transparent; border-end-start-radius: 12px; border-end-end-radius: 3px; background: var(--tint); }
    .bubble a { color: inherit; text-underline-offset: 3px; }
    small { color: var(--soft); font-size: 13px; line-height: 18px; }
    .visitor small { text-align: end; }
    .note { padding-block-start: 16px; color: var(--soft); font-size: 13px; line-height: 18px; text-align: center; overflow-wrap: anywhere; }
    .say { grid-template-columns: minmax(0, 1fr) auto; align-items: end; gap: 8px; padding: 12px; border-block-start: 1px solid var(--line); }
    .problem { grid-column: 1 / -1; color: var(--wrong); font-size: 14px; line-height: 20px; }
    .end { display: grid; gap: 12px; padding: 16px 20px; border-block-start: 1px solid var(--line); }
    .vh { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (width < 480px) {
      :host(.open) { inset: 0 !important; }
      .window { inline-size: 100vw; block-size: 100dvh; max-block-size: none; border: 0; border-radius: 0; }
    }
    @media (prefers-reduced-motion: no-preference) { .window { animation: rise .14s ease-out; } @keyframes rise { from { opacity: 0; transform: translateY(8px); } } }
    @media (forced-colors: active) { .launcher, .send, .bubble { border: 1px solid; } }
  `;

  // --- small parts

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function drawing(path) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }

  function sheet(css) {
    const made = new CSSStyleSheet();
    made.replaceSync(css);
    return made;
  }

  // What was typed as an address becomes a link; nothing is ever read as HTML.
  function withLinks(words) {
    return words.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)])/).map((part, index) =>
      index % 2 ? make("a", { href: part, target: "_blank", rel: "noopener noreferrer nofollow" }, part) : part);
  }

  function clock(iso) {
    const then = new Date(iso);
    const isToday = then.toDateString() === new Date().toDateString();
    const shown = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    return new Intl.DateTimeFormat(script.dataset.lang || navigator.language, shown).format(then);
  }

  // The browser may keep nothing for this page; then the conversation lasts as long as the page.
  const kept = {
    value: null,
    read() {
      try { this.value = JSON.parse(localStorage.getItem(shelf)) ?? this.value; } catch { /* not allowed */ }
      return this.value;
    },
    write(value) {
      this.value = value;
      try {
        if (value) localStorage.setItem(shelf, JSON.stringify(value));
        else localStorage.removeItem(shelf);
      } catch { /* not allowed */ }
    },
  };

  class Refused extends Error {
    constructor(status, problem, wait) {
      super(problem.detail ?? "");
      Object.assign(this, { status, wait, errors: problem.errors ?? [] });
    }
  }

  async function ask(path, { content, headers = {}, cache = "no-store" } = {}) {
    const key = kept.value?.key;
    const isKept = cache !== "no-store";
    const response = await fetch(`${desk}/chat/${path}`, {
      method: content ? "POST" : "GET",
      mode: "cors",
      credentials: "omit",
      cache,
      headers: {
        ...(key && !isKept && path !== "conversations" ? { Authorization: `Bearer ${key}` } : {}),
        ...(content ? { "Content-Type": "application/json" } : {}),
        ...headers,
      },
      body: content && JSON.stringify(content),
    });
    if (response.status === 304 || response.ok) return response;
    const wait = Number(response.headers.get("Retry-After")) * 1000 || 0;
    throw new Refused(response.status, await response.json().catch(() => ({})), wait);
  }

  function secret() {
    return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
  }

  // --- the window

  const host = document.createElement("deskhand-chat");
  const root = host.attachShadow({ mode: "open" });
  let greeting, etag = "", timer = 0, pause = QUICK, isAsking = false;
  let conversation = null;
  let once = secret();

  const count = make("span", { class: "count", hidden: true });
  const launcher = make("button", { class: "launcher", type: "button", "aria-expanded": "false", "aria-controls": "window", onclick: open },
    drawing("M20 4H4a1 1 0 0 0-1 1v15l4.5-4H20a1 1 0 0 0 1-1V5a1 1 0 0 0-1-1Z"), make("span", {}, text("label")), count);
  const title = make("h2", { id: "title" });
  const intro = make("p");
  const close = make("button", { class: "close", type: "button", "aria-label": text("close"), onclick: shut }, drawing("M6 6l12 12M18 6 6 18"));
  const box = make("section", { class: "window", id: "window", role: "dialog", "aria-labelledby": "title", hidden: true, onkeydown: onKey },
    make("header", {}, make("div", {}, title, intro), close));
  const status = make("p", { class: "vh", role: "status" });

  function field(label, control) {
    return make("label", {}, label, control);
  }

  const name = make("input", { name: "name", autocomplete: "name", required: true, maxlength: 200 });
  const mail = make("input", { name: "email", type: "email", autocomplete: "email", required: true, maxlength: 254 });
  const first = make("textarea", { name: "body", required: true, maxlength: 5000, rows: 4 });
  const trap = make("input", { name: "homepage", tabindex: "-1", autocomplete: "off" });
  const firstProblem = make("p", { class: "problem", role: "alert", id: "first-problem", hidden: true });
  const firstSend = make("button", { class: "send" }, text("start"));
  const opening = make("form", { class: "first", onsubmit: start },
    field(text("message"), first), field(text("name"), name), field(text("mail"), mail),
    make("label", { class: "trap", "aria-hidden": "true" }, "Leave this empty", trap), firstProblem, firstSend);

  const list = make("ol");
  const log = make("div", { role: "log", "aria-label": text("log"), "aria-live": "polite" }, list);
  const note = make("p", { class: "note" });
  const scroll = make("div", { class: "scroll", tabindex: "0" }, log, note);
  const words = make("textarea", { name: "body", required: true, maxlength: 5000, rows: 1, "aria-label": text("reply"), placeholder: text("reply"), onkeydown: onEnter });
  const problem = make("p", { class: "problem", role: "alert", hidden: true });
  const send = make("button", { class: "send" }, text("send"));
  const saying = make("form", { class: "say", onsubmit: say }, problem, words, send);
  const endText = make("p");
  const ending = make("div", { class: "end", hidden: true }, endText, make("button", { class: "send", type: "button", onclick: startAgain }, text("again")));
  const talk = make("div", { class: "talk", hidden: true }, scroll, saying, ending);
  box.append(opening, talk);

  function show() {
    const has = Boolean(conversation);
    opening.hidden = has;
    talk.hidden = !has;
    if (!has) return;
    const ended = conversation.ended;
    saying.hidden = Boolean(ended);
    ending.hidden = !ended;
    endText.textContent = ended ? text(ended === "mail" ? "mailed" : "over") : "";
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
    for (const message of conversation.messages) {
      if (!known.delete(String(message.id))) list.append(bubble(message));
    }
    known.forEach((item) => item.remove());
    const hasAnswer = conversation.messages.some((message) => message.from === "agent");
    note.textContent = ended ? "" : hasAnswer ? text("waiting")
      : [text("thanks", conversation), conversation.agent && text("with", { name: conversation.agent })].filter(Boolean).join(" ");
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  function bubble(message) {
    const isMine = message.from === "visitor";
    const who = isMine ? text("you") : message.name || text("agent");
    return make("li", { class: message.from, "data-id": message.id },
      make("small", {}, make("bdi", {}, who), ", ", make("time", { datetime: message.at, dir: "auto" }, clock(message.at))),
      make("div", { class: "bubble" }, ...withLinks(message.text)),
      ...(message.has_files ? [make("small", {}, text("files"))] : []));
  }

  function open() {
    box.hidden = false;
    launcher.hidden = true;
    launcher.setAttribute("aria-expanded", "true");
    host.classList.add("open");
    show();
    scroll.scrollTop = scroll.scrollHeight;
    pause = QUICK;
    onNews();
    look();
    (conversation ? (conversation.ended ? close : words) : first).focus();
  }

  function shut() {
    box.hidden = true;
    launcher.hidden = false;
    launcher.setAttribute("aria-expanded", "false");
    host.classList.remove("open");
    pause = SLOW;
    later();
    launcher.focus();
  }

  function onKey(event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      shut();
    }
  }

  function onEnter(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    saying.requestSubmit();
  }

  // --- talking to the desk

  async function take(response) {
    const fresh = await response.json();
    const { key, ...told } = fresh;
    etag = response.headers.get("ETag") ?? "";
    conversation = told;
    if (key) kept.write({ ...kept.value, key });
    if (told.ended) kept.write(null);
    show();
    onNews();
  }

  async function post(button, label, path, content, told) {
    if (button.getAttribute("aria-disabled") === "true") return false;
    button.setAttribute("aria-disabled", "true");
    button.textContent = text("sending");
    told.hidden = true;
    try {
      await take(await ask(path, { content }));
      return true;
    } catch (error) {
      if (error.status === 401 || error.status === 409) await refresh();
      else {
        told.textContent = error.status === 429 || error.status === 503 ? text("busy") : (error.status && error.message) || text("offline");
        told.hidden = false;
        const wrong = error.errors?.[0]?.field;
        const input = wrong && button.form.elements[wrong];
        input?.setAttribute("aria-invalid", "true");
        input?.focus();
      }
      return false;
    } finally {
      button.removeAttribute("aria-disabled");
      button.textContent = label;
    }
  }

  async function start(event) {
    event.preventDefault();
    for (const input of [name, mail, first]) input.removeAttribute("aria-invalid");
    const content = {
      name: name.value, email: mail.value, body: first.value, homepage: trap.value, shown: greeting.shown,
      category: script.dataset.category ?? "", page: location.origin + location.pathname,
      once, // by which the desk knows a message that it has already
    };
    if (!await post(firstSend, text("start"), "conversations", content, firstProblem)) return;
    once = secret();
    opening.reset();
    words.focus();
    pause = QUICK;
    later();
  }

  async function say(event) {
    event.preventDefault();
    if (!words.value.trim()) return;
    if (!await post(send, text("send"), "conversation/messages", { body: words.value }, problem)) return;
    words.value = "";
    scroll.scrollTop = scroll.scrollHeight;
    pause = QUICK;
    later();
  }

  function startAgain() {
    kept.write(null);
    conversation = null;
    etag = "";
    list.replaceChildren();
    show();
    first.focus();
  }

  async function refresh() {
    etag = "";
    await look();
  }

  const isSeen = () => !box.hidden && document.visibilityState === "visible";

  // Answers that are before the visitor's eyes are told of, once: they need not be mailed.
  function onNews() {
    const answers = conversation?.messages.filter((message) => message.from === "agent") ?? [];
    const newest = answers.at(-1)?.id ?? 0;
    const seen = kept.value?.seen ?? 0;
    const fresh = answers.filter((message) => message.id > seen).length;
    if (newest > seen && isSeen()) {
      kept.write({ ...kept.value, seen: newest });
      ask("conversation/seen", { content: { newest } }).catch(() => {}); // then it is mailed, too
    }
    const shown = isSeen() ? 0 : fresh;
    count.hidden = !shown;
    count.textContent = shown ? text("unread", { count: shown }) : "";
    status.textContent = shown ? `${text("label")}: ${count.textContent}` : "";
  }

  async function look() {
    clearTimeout(timer);
    if (!kept.value?.key || isAsking || document.visibilityState !== "visible") return;
    isAsking = true;
    try {
      const response = await ask("conversation", { headers: etag ? { "If-None-Match": etag } : {} });
      if (response.status !== 304) {
        await take(response);
        pause = box.hidden ? SLOW : QUICK;
      }
    } catch (error) {
      if (error.status === 401) {
        kept.write(null);
        if (conversation) conversation = { ...conversation, ended: "over", messages: [] };
        show();
      } else pause = Math.max(pause, error.wait ?? 0, SLOW);
    } finally {
      isAsking = false;
      later();
    }
  }

  function later() {
    clearTimeout(timer);
    if (!kept.value?.key || conversation?.ended) return;
    timer = setTimeout(look, pause * (0.9 + Math.random() * 0.2));
    pause = Math.min(pause * 1.3, box.hidden ? SLOWEST : SLOW);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return clearTimeout(timer);
    pause = box.hidden ? SLOW : QUICK;
    onNews();
    look();
  });
  window.addEventListener("storage", (event) => { // another tab of the same website
    if (event.key !== shelf) return;
    kept.value = null;
    if (!kept.read()) conversation = null;
    show();
    look();
  });

  // --- here it is

  (async () => {
    try {
      greeting = await (await ask("greeting", { cache: "default" })).json();
    } catch {
      return; // not for this website, or the desk is away: the page stays as it is
    }
    const given = [script.dataset.color, greeting.accent].find((color) => /^#[0-9a-f]{6}$/i.test(color ?? ""));
    const theme = { light: "light", dark: "dark", auto: "light dark" }[script.dataset.theme];
    root.adoptedStyleSheets = [
      sheet(CSS), sheet(`:host { --brand: ${given ?? "#046663"};${theme ? ` color-scheme: ${theme} !important;` : ""} }`),
    ];
    if (script.dataset.lang) host.lang = script.dataset.lang;
    host.dir = script.dataset.dir || document.documentElement.dir || "ltr";
    host.classList.toggle("left", script.dataset.side === "left");
    title.textContent = text("title") || greeting.name;
    intro.textContent = text("intro") || greeting.promise;
    intro.hidden = !intro.textContent;
    root.append(box, launcher, status);
    document.body.append(host);
    if (kept.read()?.key) look();
  })();
})();
