// From a ticket back to the list as it was left, with its filters and its page. Without script, or in
// a new window, the link leads to the queue.
(() => {
  const LIST = "deskhand-list";
  const QUEUES = ["/desk/", "/desk/search"];

  function lead() {
    const link = document.querySelector(".ticket-head .crumb");
    const [path, label] = JSON.parse(sessionStorage.getItem(LIST) ?? "[]");
    if (!link || !path) return;
    link.href = path;
    link.lastChild.textContent = label;
  }

  if (QUEUES.includes(location.pathname)) {
    const label = document.querySelector("h1").textContent;
    sessionStorage.setItem(LIST, JSON.stringify([location.pathname + location.search, label]));
  }
  lead();
  document.addEventListener("htmx:finally:request", lead);
})();
