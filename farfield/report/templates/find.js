// The search of all pages, through the list in places.js, and the menus of the navigation.
const box = document.querySelector(".find");
const field = box.querySelector("input");
const found = box.querySelector("ul");
box.hidden = false;

const plain = (text) => text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");

function show() {
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  const fits = ([page, heading]) => words.every((word) => plain(`${page} ${heading}`).includes(word));
  const places = words.length && typeof PLACES !== "undefined" ? PLACES.filter(fits).slice(0, 12) : [];
  found.replaceChildren(...places.map(([page, heading, address]) => {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = heading;
    const where = document.createElement("small");
    where.textContent = page === heading ? "" : page;
    const item = document.createElement("li");
    link.append(" ", where);
    item.append(link);
    return item;
  }));
}

field.addEventListener("focus", () => {
  const script = document.createElement("script");
  script.src = "places.js";
  script.onload = show;
  document.head.append(script);
}, { once: true });
field.addEventListener("input", show);

const close = (except) => {
  for (const menu of document.querySelectorAll(".pages details[open]")) if (!menu.contains(except)) menu.open = false;
  if (!box.contains(except)) found.replaceChildren();
};
document.addEventListener("click", (event) => close(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement.closest(".pages details[open]");
  close(null);
  if (menu) menu.querySelector("summary").focus();
});
