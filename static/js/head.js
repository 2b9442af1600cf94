// Beside a long conversation the properties stay in sight, right below the ticket's head, of one line or three.
(() => {
  const measure = () => {
    const head = document.querySelector(".ticket-head");
    if (head) document.documentElement.style.setProperty("--head", `${head.offsetHeight}px`);
  };
  measure();
  addEventListener("resize", measure);
  document.addEventListener("htmx:after:swap", measure);
})();
