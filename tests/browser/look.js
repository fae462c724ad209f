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
      if (one.clientWidth && one.scrollWidth > one.clientWidth + 1)
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

// Words that hardly differ from their ground. Source: WCAG 2.2, contrast ratio.
function whatIsFaint(root, least) {
  const parts = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return {rgb: [red, green, blue], alpha};
  };
  const over = (top, below) => top.rgb.map((one, at) => one * top.alpha + below[at] * (1 - top.alpha));
  const ground = (one) => {
    const below = one.parentElement ? ground(one.parentElement) : [255, 255, 255];
    return over(parts(getComputedStyle(one).backgroundColor), below);
  };
  const luminance = (rgb) =>
    rgb
      .map((one) => (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4))
      .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const found = new Map(), texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement, words = texts.currentNode.textContent.trim();
    if (!words || one.closest("svg, script, style, math") || !one.getClientRects().length) continue;
    const below = ground(one), ink = over(parts(getComputedStyle(one).color), below);
    const [light, dark] = [luminance(ink), luminance(below)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < least) found.set(`${one.tagName.toLowerCase()}.${one.className} ${ratio.toFixed(1)}`, words.slice(0, 40));
  }
  return [...found].map(([what, words]) => `${what}: ${words}`);
}
