// Shows each stop while the slider moves, without loading the whole page: what is marked with data-part="KEY" is put
// in the place of what is shown. The address is that of what is shown, so that it can be kept and sent to somebody.

const form = document.querySelector(".slider form");
const slider = form.elements.stop;

let busy = false;
let next = null;

function put(fresh, settled) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...part.querySelectorAll("details[id]")].map((each) => [each.id, each.open]);
    part.replaceChildren(...fresh.querySelector(`[data-part="${part.dataset.part}"]`).childNodes);
    for (const [id, was] of open) {
      const found = document.getElementById(id);
      if (found) found.open = was;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  document.title = fresh.title;
  if (settled) for (const input of form.querySelectorAll("input")) renew(input, fresh);
}

// While it is dragged the slider keeps the stops that it has; afterwards it may get those around the new one.
function renew(input, fresh) {
  const other = fresh.querySelector(`.slider input[name="${input.name}"]`);
  for (const { name, value } of other.attributes) input.setAttribute(name, value);
  input.value = other.getAttribute("value");
}

async function show(address, settled) {
  next = { address, settled };
  if (busy) return;
  busy = true;
  while (next) {
    const asked = next;
    next = null;
    try {
      const answer = await fetch(asked.address, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      history.replaceState(null, "", answer.url);
      put(new DOMParser().parseFromString(text, "text/html"), asked.settled && !next);
    } catch {
      location.assign(asked.address);
    }
  }
  busy = false;
}

function move(settled) {
  slider.setAttribute("aria-valuetext", `${slider.valueAsNumber + 1} of ${Number(slider.max) + 1}`);
  show(`${form.action}?${new URLSearchParams(new FormData(form))}`, settled);
}

slider.addEventListener("input", () => move(false));
slider.addEventListener("change", () => move(true));
document.querySelector(".slider nav").addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  show(link.href, true);
});
form.querySelector("button").hidden = true;
