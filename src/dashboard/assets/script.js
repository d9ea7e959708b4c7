// Adds the reader's local time to each time, copies, explains categories, changes the theme in place, and updates live
// regions. Everything else works without this script.
"use strict";

document.documentElement.classList.add("scripted");

const local = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

// Times are shown, and filtered by, in UTC alone; the reader's own zone is a hint.
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.title = `${local.format(moment)}, where you are`;
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  const text = source.textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS there is no clipboard: select it, so that the reader's own keys copy it.
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  const word = button.querySelector("[data-word]") ?? button;
  const before = word.textContent;
  word.textContent = "Copied";
  setTimeout(() => { word.textContent = before; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (event.target.closest("[data-pause]")) setPaused(!paused);
});

// Explains the chosen category beside its field.
function explain(input) {
  const hint = document.getElementById(input.getAttribute("data-hint"));
  if (!hint) return;
  const option = [...(input.list?.options ?? [])].find((option) => option.value === input.value);
  hint.textContent = option ? option.label : "";
}
document.addEventListener("input", (event) => {
  if (event.target.matches?.("input[data-hint]")) explain(event.target);
});

// A select of a filter sends its form.
document.addEventListener("change", (event) => {
  if (event.target.matches?.("select[data-submit]")) event.target.form.requestSubmit();
});

// The theme changes without leaving the page, because its content may be shown only once, or not be saved yet.
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-form] button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}
document.addEventListener("submit", (event) => {
  const theme = event.target.matches("[data-theme-form]") && event.submitter?.value;
  if (!theme) return;
  event.preventDefault();
  setTheme(theme);
  // The redirect of the answer is not followed. If the choice cannot be stored, it holds for this page.
  const body = new URLSearchParams({ theme });
  fetch(event.target.action, { method: "POST", body, redirect: "manual", keepalive: true }).catch(() => {});
});

// Live updates: a stream says that there is news, and the script reads the page again.
let source;
let connection = "connecting"; // or "open", "refused", "ended"
let paused = false;
let stale = false; // The page could not be read again.
let held = false; // The reader is at work in what would go.
let pending = false;
let refreshing = false;
let last = 0;

function state() {
  if (connection === "ended") return ["off", "Signed out"];
  if (paused) return ["off", "Paused"];
  if (connection !== "open") return ["off", connection === "refused" ? "Not live" : "Connecting"];
  if (stale) return ["off", "Not up to date"];
  return held ? ["off", "Waiting"] : ["on", "Live"];
}

function showState() {
  const [lamp, word] = state();
  for (const place of document.querySelectorAll("[data-live-state]")) {
    place.dataset.state = lamp;
    const shown = place.querySelector("[data-word]");
    // The same word again would be read out again.
    if (shown.textContent !== word) shown.textContent = word;
  }
}

function setPaused(to) {
  paused = to;
  for (const word of document.querySelectorAll("[data-pause] [data-word]")) word.textContent = paused ? "Resume" : "Pause";
  showState();
  if (!paused) refresh();
}

// Reads the page again, once a second at the most.
async function refresh() {
  pending = true;
  if (refreshing) return;
  refreshing = true;
  while (pending && !paused && !document.hidden && connection !== "ended") {
    const wait = last + 1000 - Date.now();
    if (wait > 0) {
      await new Promise((done) => setTimeout(done, wait));
      continue;
    }
    pending = false;
    await readAgain();
    last = Date.now();
  }
  refreshing = false;
}

// The header marks an automatic request, which does not count as use of the session.
function ask() {
  const headers = { accept: "text/html", "x-conduit-refresh": "1" };
  return fetch(location.href, { headers, credentials: "same-origin", signal: AbortSignal.timeout(15000) });
}

function isSignedOut(answer) {
  return answer.redirected && new URL(answer.url).pathname === "/sign-in";
}

async function readAgain() {
  const late = setTimeout(() => { stale = true; showState(); }, 3000);
  try {
    const answer = await ask();
    if (isSignedOut(answer)) end();
    else if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    stale = !answer.ok;
  } catch {
    stale = true;
  }
  clearTimeout(late);
  showState();
}

// The session has ended: the content stays, with a way to sign in and come back.
function end() {
  source.close();
  connection = "ended";
  showState();
  for (const link of document.querySelectorAll("[data-sign-in]")) link.hidden = false;
  for (const button of document.querySelectorAll("[data-pause]")) {
    if (button === document.activeElement) document.querySelector("[data-sign-in]").focus();
    button.hidden = true;
  }
}

function takeOver(page) {
  if (paused) {
    pending = true;
    return;
  }
  held = false;
  for (const region of document.querySelectorAll("[data-region]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh) continue;
    const row = region.contains(document.activeElement) && document.activeElement.closest("[data-key]");
    if (row && !fresh.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"]`)) {
      held = true;
      continue;
    }
    localise(fresh);
    const known = new Set([...region.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
    become(region, fresh);
    if (known.size === 0) continue;
    for (const row of region.querySelectorAll("[data-key]")) {
      if (!known.has(row.dataset.key)) row.classList.add("fresh");
    }
  }
  // The node does not change any more.
  if (!page.body.dataset.live) {
    source.close();
    for (const controls of document.querySelectorAll("[data-live-controls]")) controls.hidden = true;
  }
}

// Copies a fresh node's content into a node, and changes only differences. So the focus, a selection, and opened details
// stay.
function become(node, fresh) {
  let at = node.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const same = counterpart(at, wanted);
    if (!same) {
      node.insertBefore(wanted, at);
      continue;
    }
    at = removeUpTo(at, same);
    if (same.nodeType === Node.ELEMENT_NODE) {
      takeAttributes(same, wanted);
      become(same, wanted);
    } else if (same.data !== wanted.data) {
      same.data = wanted.data;
    }
    at = same.nextSibling;
  }
  removeUpTo(at, null);
}

const keyOf = (node) => node.dataset?.key || node.id || "";

// Finds the node of the same object: by its key anywhere, or without a key in the same place.
function counterpart(from, wanted) {
  for (let node = from; node; node = node.nextSibling) {
    if (node.nodeName === wanted.nodeName && keyOf(node) === keyOf(wanted)) return node;
    if (!keyOf(wanted)) return null;
  }
  return null;
}

function removeUpTo(node, end) {
  while (node !== end) {
    const next = node.nextSibling;
    node.remove();
    node = next;
  }
  return node;
}

function takeAttributes(node, fresh) {
  if (node.dataset.state !== fresh.dataset.state || node.classList.contains("fresh")) fresh.classList.add("fresh");
  for (const { name } of [...node.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) node.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
}

function listen() {
  source = new EventSource(document.body.dataset.live);
  source.addEventListener("open", () => {
    connection = "open";
    showState();
    // The stream does not report changes from before its start.
    refresh();
  });
  source.addEventListener("changed", refresh);
  source.addEventListener("ended", () => {
    source.close();
    lookAgain("connecting", 0);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) return lookAgain("refused", 10000);
    connection = "connecting";
    showState();
  });
}

// The stream knows the session of its start. If the session has been renewed, the page goes on.
async function lookAgain(meanwhile, wait) {
  connection = meanwhile;
  showState();
  try {
    if (isSignedOut(await ask())) return end();
  } catch { /* It is tried again all the same. */ }
  setTimeout(listen, wait);
}

function goLive() {
  listen();
  document.addEventListener("visibilitychange", () => { if (pending) refresh(); });
  document.addEventListener("focusout", () => { if (held) refresh(); });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
}

addEventListener("DOMContentLoaded", () => {
  localise(document);
  for (const input of document.querySelectorAll("input[data-hint]")) explain(input);
  if (document.body.dataset.live) goLive();
});

// A long check continues automatically.
addEventListener("load", () => {
  const form = document.querySelector("form[data-auto]");
  if (form) setTimeout(() => form.requestSubmit(), 300);
});
