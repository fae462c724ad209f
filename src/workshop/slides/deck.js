// reveal.js as the decks want it: what is a little too tall is made smaller, the speaker's view has the font.
const [WIDTH, HEIGHT] = [1280, 720];
const BOTTOM = HEIGHT - 18; // above the slide's number
const SMALLEST = 0.5;

// Hidden slides have no size: each is looked at when it is shown.
function fit(slide) {
  const body = slide.querySelector(":scope > .body");
  if (!body || body.dataset.size) return;
  const parts = [slide, body, ...body.querySelectorAll(".frame, pre")];
  let size = 1;
  const isTooLarge = () => {
    const [around, inside] = [slide, body].map((one) => one.getBoundingClientRect());
    const isTooTall = (inside.bottom - around.top) * (WIDTH / around.width) > BOTTOM;
    return isTooTall || parts.some((one) => one.scrollWidth > one.clientWidth + 1);
  };
  while (size > SMALLEST && isTooLarge()) {
    size -= 0.02;
    body.style.zoom = size;
  }
  body.dataset.size = size.toFixed(2);
}

// The speaker's view is a window of its own, which knows no font of the page's.
const openWindow = window.open.bind(window);
window.open = (...given) => {
  const view = openWindow(...given);
  if (view) setTimeout(() => {
    const fonts = view.document.createElement("style");
    const faces = document.getElementById("fonts").textContent;
    fonts.textContent = `${faces} body {font-family: Deck, sans-serif}`;
    view.document.head.append(fonts);
  }, 300);
  return view;
};

Reveal.on("slidechanged", (event) => fit(event.currentSlide));
Reveal.on("pdf-ready", () => Reveal.getSlides().forEach(fit));
Reveal.initialize({width: WIDTH, height: HEIGHT, margin: 0, center: false, hash: true, controls: false,
  slideNumber: "c/t", transition: "none", plugins: [RevealNotes]})
  .then(() => document.fonts.ready)
  .then(() => fit(Reveal.getCurrentSlide()));
