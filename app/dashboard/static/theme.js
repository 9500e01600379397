// Before the first paint: the theme that was chosen here, else the system's.
(() => {
  "use strict";
  let chosen = null;
  try { chosen = localStorage.getItem("cairn-theme"); } catch { /* storage is switched off: the system's theme */ }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
