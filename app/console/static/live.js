// Keeps a page fresh. <body data-live="ADDRESS" data-live-event="NAME"> names a stream of server-sent events; at each
// event the page is fetched again, and what is marked with data-part="KEY" is put in the place of what is shown.
// A part in which somebody types or picks, or has filled in something that was not sent, is left alone.
// A stream of one thing ends when that is at rest: the page goes on with the stream of everything.

const REST_MILLISECONDS = 1000;
const AGAIN_MILLISECONDS = 10000;
const SCROLLS = ".scroll[aria-label]";
const ALL = { address: "/console/live", name: "changed" };
let { live: address, liveEvent: name = ALL.name } = document.body.dataset;
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
    if (!found || inUse(part) || plain(found) === plain(part)) continue;
    const key = part.contains(document.activeElement) && focusKey(document.activeElement);
    const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
    const scrolled = [...part.querySelectorAll(SCROLLS)].map((each) => [labelled(each), each.scrollLeft]);
    part.replaceChildren(...found.childNodes);
    for (const id of open) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    for (const [at, left] of scrolled) part.querySelector(at)?.scrollTo({ left, behavior: "instant" });
    if (key) part.querySelector(key)?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new Event("fresh"));
}

// What a part shows, whichever details are open. The id of a signal is another one each time.
function plain(part) {
  const copy = part.cloneNode(true);
  for (const each of copy.querySelectorAll("details[open][id]")) each.removeAttribute("open");
  for (const each of copy.querySelectorAll("input[type=hidden][name=id]")) each.removeAttribute("value");
  return copy.innerHTML;
}

function focusKey(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.hasAttribute("href")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  if (element.matches("details[id] > summary")) return `#${CSS.escape(element.parentElement.id)} > summary`;
  if (element.matches("form[action] button")) {
    return `form[action="${CSS.escape(element.closest("form").getAttribute("action"))}"] button`;
  }
  return element.hasAttribute("aria-label") ? labelled(element) : null;
}

function labelled(element) {
  return `[aria-label="${CSS.escape(element.getAttribute("aria-label"))}"]`;
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
    const ended = source.readyState === EventSource.CLOSED;
    if (ended && name !== ALL.name) {
      ({ address, name } = ALL);
      follow();
      return;
    }
    tell("lost");
    if (ended) setTimeout(follow, AGAIN_MILLISECONDS);
  });
  addEventListener("pagehide", () => source.close());
}

if (address) {
  follow();
  addEventListener("pageshow", (shown) => shown.persisted && follow());
  document.addEventListener("visibilitychange", () => !document.hidden && asked && refresh());
}
