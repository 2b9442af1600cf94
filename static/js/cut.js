// What is cut off with "…" says all of itself to a pointer that rests on it. No row carries its words twice for that.
document.addEventListener("pointerover", (event) => {
  const cut = event.target.closest?.(".clip, .tag, .subject a, .chip b, .rail li span, .suggestions p");
  if (cut && !cut.title && cut.scrollWidth > cut.clientWidth) cut.title = cut.textContent.trim();
});
