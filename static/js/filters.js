// What was ticked in a filter counts as soon as its menu closes; Escape leaves the list as it is.
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const asked = () => new URLSearchParams(new FormData(form)).toString();

  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });
  const before = asked();
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") form.reset();
  });
  form.addEventListener("toggle", (event) => {
    if (event.newState === "closed" && event.target.matches("[popover]") && asked() !== before) form.requestSubmit();
  }, true);
})();
