// Shows times in the reader's zone, copies, explains categories, changes the theme in place, and keeps what is live up to date. Everything else
// works without it.
"use strict";

document.documentElement.classList.add("scripted");

const parts = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const brief = new Intl.DateTimeFormat(undefined, { ...parts, second: undefined });
const thisYear = new Intl.DateTimeFormat(undefined, parts);
const otherYears = new Intl.DateTimeFormat(undefined, { ...parts, year: "numeric" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    if (time.closest("[data-brief]")) {
      time.textContent = brief.format(moment);
      continue;
    }
    const format = moment.getFullYear() === new Date().getFullYear() ? thisYear : otherYears;
    time.textContent = format.format(moment);
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
  const pause = event.target.closest("[data-pause]");
  if (pause) setPaused(pause.getAttribute("aria-pressed") !== "true");
});

// A category that is chosen is explained beside its field.
function explain(input) {
  const hint = document.getElementById(input.getAttribute("data-hint"));
  if (!hint) return;
  const option = [...(input.list?.options ?? [])].find((option) => option.value === input.value);
  hint.textContent = option ? option.label : "";
}
document.addEventListener("input", (event) => {
  if (event.target.matches?.("input[data-hint]")) explain(event.target);
});

// Selects that filter send their form.
document.addEventListener("change", (event) => {
  if (event.target.matches?.("select[data-submit]")) event.target.form.requestSubmit();
});

// The theme changes without leaving the page, on which there may be what is shown once, or not saved yet.
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
  // The answer leads to a page, which is not asked for. If the choice is not kept, it holds for this page.
  const body = new URLSearchParams({ theme });
  fetch(event.target.action, { method: "POST", body, redirect: "manual", keepalive: true }).catch(() => {});
});

let paused = false;
let pending = false;
let refreshing = false;
let last = 0;

function setState(state, word) {
  for (const place of document.querySelectorAll("[data-live-state]")) {
    place.dataset.state = state;
    place.querySelector("[data-word]").textContent = word;
  }
}

function setPaused(to) {
  paused = to;
  for (const button of document.querySelectorAll("[data-pause]")) {
    button.setAttribute("aria-pressed", String(paused));
    button.querySelector("[data-word]").textContent = paused ? "Resume" : "Pause";
  }
  setState(paused ? "paused" : "on", paused ? "Paused" : "Live");
  if (!paused && pending) refresh();
}

// Reads the page again, and takes over the regions that are marked as live. One in which the reader is at work stays.
async function refresh() {
  pending = true;
  if (paused || refreshing || document.hidden) return;
  const wait = 1000 - (Date.now() - last);
  if (wait > 0) { setTimeout(refresh, wait); refreshing = true; setTimeout(() => { refreshing = false; }, wait - 1); return; }
  refreshing = true;
  pending = false;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (answer.ok && !answer.redirected) replaceRegions(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* The stream says when the server is back. */ }
  last = Date.now();
  refreshing = false;
  if (pending) refresh();
}

function replaceRegions(page) {
  for (const region of document.querySelectorAll("[data-region]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh || fresh.innerHTML === region.dataset.shown) continue;
    const inside = region.contains(document.activeElement) && document.activeElement !== document.body;
    if (inside || region.matches(":hover") && region.querySelector("details[open]")) continue;
    const known = new Set([...region.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
    const open = [...region.querySelectorAll("details[open][id]")].map((details) => details.id);
    const shown = fresh.innerHTML;
    region.replaceChildren(...fresh.childNodes);
    region.dataset.shown = shown;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (known.size > 0) {
      for (const row of region.querySelectorAll("[data-key]")) {
        if (!known.has(row.dataset.key)) row.classList.add("fresh");
      }
    }
    localise(region);
  }
}

function listen(address) {
  const source = new EventSource(address);
  source.addEventListener("open", () => {
    if (!paused) setState("on", "Live");
    // What happened before the stream was there is not told by it.
    refresh();
  });
  source.addEventListener("changed", refresh);
  source.addEventListener("ended", () => { source.close(); setState("off", "Signed out"); });
  source.addEventListener("error", () => {
    setState("off", source.readyState === EventSource.CLOSED ? "Not live" : "Connecting");
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && pending) refresh(); });
  addEventListener("pagehide", () => source.close());
}

addEventListener("DOMContentLoaded", () => {
  localise(document);
  for (const input of document.querySelectorAll("input[data-hint]")) explain(input);
  const address = document.body.dataset.live;
  if (address) listen(address);
});

// A long check goes on by itself.
addEventListener("load", () => {
  const form = document.querySelector("form[data-auto]");
  if (form) setTimeout(() => form.requestSubmit(), 300);
});
