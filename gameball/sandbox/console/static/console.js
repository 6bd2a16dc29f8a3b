"use strict";

// Follows what happens in the sandbox, and lets buttons call the control API. Pages read well without it.

const api = document.body.dataset.api;
let mark = document.body.dataset.mark;
let refreshing = false;

// --- the pages follow the sandbox

/** Put what a fresh copy of this page shows in place of what is shown, region by region. */
async function refresh() {
  if (refreshing) return;
  refreshing = true;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const region of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(region.id);
      if (fresh && !fresh.isEqualNode(region)) replace(region, fresh);
    }
    mark = page.body.dataset.mark;
  } finally {
    refreshing = false;
  }
}

/** Replace a region's content; what was open stays open, and the focus stays where it was. */
function replace(region, fresh) {
  const open = [...region.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = region.contains(document.activeElement) ? place(document.activeElement, region) : null;
  region.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) find(focused, region)?.focus({ preventScroll: true });
}

/** How a focusable element is found again: by its details, its address, or where it stands. */
function place(element, region) {
  const same = [...region.querySelectorAll(element.localName)];
  return {
    name: element.localName,
    details: element.closest("details")?.id,
    href: element.getAttribute("href"),
    index: same.indexOf(element),
  };
}

function find(place, region) {
  const same = [...region.querySelectorAll(place.name)];
  return (
    same.find((one) => place.details && one.closest("details")?.id === place.details) ??
    same.find((one) => place.href && one.getAttribute("href") === place.href) ??
    same[place.index]
  );
}

/** Show the sandbox's time, and count down to it what runs out. */
function tick(now) {
  const clock = document.getElementById("clock");
  clock.dateTime = now.toISOString();
  clock.textContent = now.toISOString().slice(0, 19).replace("T", " ");
  for (const span of document.querySelectorAll("[data-until]")) {
    span.textContent = duration((new Date(span.dataset.until) - now) / 1000);
  }
}

function duration(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  for (const [size, unit, partSize, part] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (left >= size) return `${Math.floor(left / size)} ${unit} ${Math.floor((left % size) / partSize)} ${part}`;
  }
  return `${left} s`;
}

/** Listen while the page is seen: a browser opens few connections to one server. */
function listen() {
  const link = document.getElementById("link");
  const events = new EventSource(`${api}/events`);
  events.onopen = () => (link.textContent = "live");
  events.onerror = () => (link.textContent = "not live");
  events.onmessage = (event) => {
    const pulse = JSON.parse(event.data);
    tick(new Date(pulse.now));
    // Text that somebody is about to copy is left alone.
    if (pulse.mark !== mark && getSelection().isCollapsed) refresh();
  };
  return events;
}

let events = listen();
document.addEventListener("visibilitychange", () => {
  events.close();
  if (!document.hidden) events = listen();
});
addEventListener("pagehide", () => events.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) events = listen();
});

// --- buttons and forms call the control API

async function send(method, path, body) {
  const said = document.getElementById("said");
  const response = await fetch(api + path, {
    method,
    headers: { "X-Sandbox-Control": "1", "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  said.textContent = response.ok ? "Done." : answer.error;
  said.classList.toggle("wrong", !response.ok);
  if (response.ok) await refresh();
}

/** The value of a form's field as JSON has it. */
function value(field) {
  switch (field.dataset.type) {
    case "number":
      return Number(field.value);
    case "flag":
      return field.checked;
    case "json":
      return JSON.parse(field.value);
    default:
      return field.value;
  }
}

function fieldsOf(form) {
  const given = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.matches("fieldset:disabled *, [hidden] *")) continue;
    if (field.value === "" && field.dataset.type !== "flag") continue;
    try {
      given[field.name] = value(field);
    } catch {
      throw new Error(`${field.name} must be JSON`);
    }
  }
  return given;
}

for (const button of document.querySelectorAll("button[data-path]")) {
  button.addEventListener("click", () => {
    const { method, path, body } = button.dataset;
    send(method, path, body && JSON.parse(body));
  });
}

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      send(form.dataset.method, form.dataset.path, fieldsOf(form));
    } catch (error) {
      document.getElementById("said").textContent = error.message;
    }
  });
}

/** Of the fields that faults have of their own, only those of the chosen one. */
function chooseFault() {
  const chosen = document.getElementById("fault").value;
  for (const own of document.querySelectorAll("[data-fault]")) {
    own.hidden = own.dataset.fault !== chosen;
    for (const input of own.querySelectorAll("input")) input.disabled = own.hidden;
  }
}

for (const controls of document.querySelectorAll("fieldset[disabled]")) controls.disabled = false;
if (document.getElementById("fault")) {
  document.getElementById("fault").addEventListener("change", chooseFault);
  chooseFault();
}
