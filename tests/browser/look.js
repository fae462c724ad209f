// What of the given elements a person would miss, in words: cut, scrolled away, unfinished or on the wrong side.
function whatIsWrong(roots, edge) {
  const found = [];
  const say = (one, what) => {
    const name = one.tagName.toLowerCase() + (one.className?.baseVal ?? one.className ?? "").replace(/^(?=.)| +/g, ".");
    found.push(`${name} ${what}: ${one.textContent.slice(0, 80)}`);
  };
  for (const root of roots) {
    for (const one of [root, ...root.querySelectorAll("*")]) {
      const box = one.getBoundingClientRect(), style = getComputedStyle(one);
      if (!box.width || (one.closest("svg") && one.tagName !== "svg") || one.closest("details:not([open]) > :not(summary)"))
        continue;
      if (box.right > edge + 1) say(one, `ends ${Math.round(box.right - edge)} px beyond the edge`);
      if (["auto", "scroll", "hidden"].includes(style.overflowX) && one.scrollWidth > one.clientWidth + 1)
        say(one, `shows ${one.clientWidth} of ${one.scrollWidth} px`);
      if (one.matches("img") && !one.naturalWidth) say(one, "is no picture");
      // The bars of tqdm, and the workshop's own.
      if (one.matches(".progress-bar, .news-run .bar div") && parseFloat(one.style.width) !== 100)
        say(one, `ends at ${one.style.width}`);
      // Words to the left, figures to the right.
      if (one.matches(".news-frame td, .news-table td")) {
        const side = one.classList.contains("figure") ? "right" : "left";
        if (style.textAlign !== side) say(one, `has its text at the ${style.textAlign}`);
      }
    }
  }
  return found;
}
