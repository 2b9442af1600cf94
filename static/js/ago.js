// Keeps "35 m" true on a page that stays open: <time data-ago datetime="…">.
(() => {
  // From which age on, the unit's length, its word: as `ago` in app/web/words.py.
  const UNITS = [
    [31557600, 31557600, "y"], [5184000, 2629800, "mo"], [1209600, 604800, "w"],
    [86400, 86400, "d"], [3600, 3600, "h"], [60, 60, "m"],
  ];

  function text(seconds) {
    const unit = UNITS.find(([from]) => seconds >= from);
    return unit ? `${Math.floor(seconds / unit[1])} ${unit[2]}` : "now";
  }

  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const now = text((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== now) time.textContent = now;
    }
  }, 30000);
})();
