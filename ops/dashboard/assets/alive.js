/* Says so when the dashboard itself is gone, and leads to the login when the session has ended. */
(function () {
  "use strict";
  var failures = 0;
  function show(words) {
    var away = document.getElementById("away");
    if (!away) { return; }
    away.textContent = words;
    away.className = words ? "banner bad" : "banner bad hidden";
  }
  function look() {
    fetch("/alive", { cache: "no-store" }).then(function (answer) {
      if (answer.status === 401) { window.location.assign("/login"); return; }
      /* Loaded anew: a page that was cut off in mid-answer may wait for it for ever. */
      if (failures > 1) { window.location.reload(); return; }
      failures = 0;
      show("");
    }).catch(function () {
      failures += 1;
      if (failures > 1) {
        show("The dashboard does not answer: what you see is not up to date. It comes back by itself.");
      }
    });
  }
  window.setInterval(look, 2000);
})();
