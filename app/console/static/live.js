// Keeps a page fresh. <body data-live="ADDRESS" data-live-event="NAME"> names a stream of server-sent events; at each
// event the page is fetched again, and what is marked with data-part="KEY" is put in the place of what is shown.
// A part in which somebody types or picks, or has filled in something that was not sent, is left alone.

const REST_MILLISECONDS = 1000;
const AGAIN_MILLISECONDS = 10000;
const { live: address, liveEvent: name = "changed" } = document.body.dataset;
const state = document.querySelector("[data-live-state]");

let asked = false;
let busy = false;

function tell(word) {
  if (state && state.dataset.word !== word) {
    state.hidden = false;
    state.dataset.word = word;
    state.textContent = { live: "Live", lost: "Connecting again", stale: "Not live: load the page again" }[word];
  }
}

function inUse(part) {
  const typing = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  return typing || [...part.querySelectorAll("input, select, textarea")].some(filledIn);
}

function filledIn(field) {
  if (!field.options) return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  return field.selectedIndex !== Math.max([...field.options].findIndex((each) => each.defaultSelected), 0);
}

function put(fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const found = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
    if (!found || inUse(part) || found.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focusKey(focused));
    const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
    part.replaceChildren(...found.childNodes);
    for (const id of open) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    if (key) part.querySelector(key)?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new Event("fresh"));
}

function focusKey(element) {
  const href = element.getAttribute("href");
  return href ? `a[href="${CSS.escape(href)}"]` : null;
}

async function refresh() {
  if (busy || document.hidden) {
    asked = true;
    return;
  }
  busy = true;
  asked = false;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) {
      put(new DOMParser().parseFromString(await answer.text(), "text/html"));
      tell("live");
    } else {
      tell("stale");
    }
  } catch {
    tell("lost");
  }
  setTimeout(() => {
    busy = false;
    if (asked) refresh();
  }, REST_MILLISECONDS);
}

function follow() {
  const source = new EventSource(address);
  source.addEventListener("open", () => tell("live"));
  source.addEventListener(name, refresh);
  source.addEventListener("error", () => {
    tell("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MILLISECONDS);
  });
  addEventListener("pagehide", () => source.close());
}

if (address) {
  follow();
  addEventListener("pageshow", (shown) => shown.persisted && follow());
  document.addEventListener("visibilitychange", () => !document.hidden && asked && refresh());
}
