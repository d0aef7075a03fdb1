// The console's one script: theme, search, shortcuts, copying ids, how long ago. Every page works without it.
"use strict";

const remembered = localStorage.getItem("theme");
if (remembered) document.documentElement.dataset.theme = remembered;

document.addEventListener("DOMContentLoaded", () => {
  chooseTheme();
  tellAges();
  offerCopies();
  searchAsTyped(document.querySelector(".find"));
  listenForKeys();
  closeOpenMenus();
  addUpWhatIsChosen(document.querySelector("form[data-sums]"));
});

function chooseTheme() {
  const buttons = document.querySelectorAll("[data-choose-theme]");
  const show = () => {
    const chosen = localStorage.getItem("theme") ?? "";
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.chooseTheme === chosen);
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const theme = button.dataset.chooseTheme;
      if (theme) localStorage.setItem("theme", theme); else localStorage.removeItem("theme");
      if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
      show();
    });
  }
  show();
}

function tellAges() {
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const tell = () => {
    for (const time of document.querySelectorAll("time[datetime*='T']")) {
      const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
      const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units[3];
      const ago = words.format(Math.trunc(seconds / size), unit);
      if (time.classList.contains("ago")) time.textContent = ago;
      else time.title = `${time.title.split(" · ")[0]} · ${ago}`;
    }
  };
  tell();
  setInterval(tell, 30000);
}

function offerCopies() {
  for (const id of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.title = "Copy";
    button.setAttribute("aria-label", `Copy ${id.dataset.copy}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(id.dataset.copy);
      say("Copied");
    });
    id.after(button);
  }
}

function say(words) {
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.setAttribute("role", "status");
  toast.textContent = words;
  document.body.append(toast);
  setTimeout(() => toast.remove(), 1500);
}

function searchAsTyped(form) {
  if (!form) return;
  const input = form.querySelector("input");
  const list = form.querySelector(".found");
  let waiting = 0, asked = 0, chosen = -1;
  const links = () => [...list.querySelectorAll("a")];
  const choose = (index) => {
    const all = links();
    if (!all.length) return;
    chosen = (index + all.length) % all.length;
    all.forEach((link, at) => link.setAttribute("aria-selected", at === chosen));
    input.setAttribute("aria-activedescendant", all[chosen].id);
  };
  const close = () => { list.hidden = true; chosen = -1; input.setAttribute("aria-expanded", "false"); };
  const show = (hits) => {
    list.replaceChildren(...hits.map((hit, at) => {
      const link = document.createElement("a");
      link.href = hit.url;
      link.id = `hit-${at}`;
      link.setAttribute("role", "option");
      const title = document.createElement("span");
      const kind = document.createElement("small");
      title.textContent = hit.title;
      kind.textContent = hit.kind;
      link.append(title, kind);
      return link;
    }));
    if (!hits.length) {
      const none = document.createElement("div");
      none.className = "empty";
      none.textContent = "Nothing found";
      list.append(none);
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    choose(0);
  };
  const ask = async () => {
    const text = input.value.trim();
    if (text.length < 3) return close();
    const mine = ++asked;
    const answer = await fetch(`${form.dataset.hits}?q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
    if (mine === asked && answer.ok) show((await answer.json()).hits);
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 180); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); choose(chosen + 1); }
    if (event.key === "ArrowUp") { event.preventDefault(); choose(chosen - 1); }
    if (event.key === "Escape") { close(); input.blur(); }
    if (event.key === "Enter" && !list.hidden && chosen >= 0) {
      event.preventDefault();
      links()[chosen].click();
    }
  });
  document.addEventListener("click", (event) => { if (!form.contains(event.target)) close(); });
}

function listenForKeys() {
  const pages = new Map([...document.querySelectorAll("[data-go]")].map((link) => [link.dataset.go, link.href]));
  let afterG = false;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      return document.querySelector(".find input")?.focus();
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (afterG) {
      afterG = false;
      const url = pages.get(event.key);
      if (url) location.assign(url);
      return;
    }
    const keys = {
      "/": () => document.querySelector(".find input")?.focus(),
      "g": () => { afterG = true; setTimeout(() => { afterG = false; }, 1500); },
      "j": () => markRow(1),
      "k": () => markRow(-1),
      "Enter": () => document.querySelector("tr.marked a")?.click(),
      "x": () => document.querySelector("tr.marked input[type=checkbox]")?.click(),
      "?": () => document.querySelector("#shortcuts")?.showModal(),
    };
    // A page's own buttons name their letter.
    const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      return button.click();
    }
    if (!(event.key in keys)) return;
    // A button of a dialog that has just closed may still have the focus: only what is seen takes the key.
    const seen = event.target.checkVisibility();
    if (event.key === "Enter" && seen && event.target.closest("a, button, summary, dialog[open]")) return;
    event.preventDefault();
    keys[event.key]();
  });
}

function markRow(step) {
  const rows = [...document.querySelectorAll("main tbody tr:has(a, input)")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("marked"));
  rows[at]?.classList.remove("marked");
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  next.classList.add("marked");
  next.scrollIntoView({ block: "nearest" });
}

function closeOpenMenus() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => document.activeElement?.blur());
  }
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.chip[open], details.me[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}

function addUpWhatIsChosen(form) {
  if (!form) return;
  const outputs = Object.fromEntries([...form.querySelectorAll("[data-sum]")].map((one) => [one.dataset.sum, one]));
  // Whole minor units as BigInt: amounts are never floating.
  const decimals = (text) => (text.split(".")[1] ?? "").length;
  const boxes = [...form.querySelectorAll("[data-amount]")];
  const places = Math.max(0, ...boxes.map((box) => decimals(box.dataset.amount)));
  const minor = (text) => BigInt(text.replace(".", "") + "0".repeat(places - decimals(text)));
  const written = (sum) => {
    const digits = (sum < 0n ? -sum : sum).toString().padStart(places + 1, "0");
    const units = digits.slice(0, digits.length - places).replace(/\B(?=(\d{3})+$)/g, ",");
    return `${sum < 0n ? "−" : ""}${units}${places ? "." + digits.slice(-places) : ""} ${form.dataset.sums}`;
  };
  const add = () => {
    const sums = { ours: 0n, line: 0n };
    for (const box of boxes) if (box.checked) sums[box.name] += minor(box.dataset.amount);
    outputs.ours.textContent = written(sums.ours);
    outputs.line.textContent = written(sums.line);
    outputs.difference.textContent = written(sums.line - sums.ours);
  };
  form.addEventListener("change", add);
  add();
}
