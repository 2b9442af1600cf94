// Keeps "35 m" true on a page that stays open: <time data-ago datetime="…">.
(() => {
  const UNITS = [[31536000, "y"], [2592000, "mo"], [604800, "w"], [86400, "d"], [3600, "h"], [60, "m"]];

  function text(seconds) {
    const unit = UNITS.find(([length]) => seconds >= length);
    return unit ? `${Math.floor(seconds / unit[0])} ${unit[1]}` : "now";
  }

  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const now = text((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== now) time.textContent = now;
    }
  }, 30000);
})();
