// The pages' own script: times in the viewer's zone, countdowns, live parts, live output, search. Everything can be
// read without it.
"use strict";
(() => {
  const two = (number) => String(number).padStart(2, "0");

  const exact = (at) => {
    const offset = -at.getTimezoneOffset();
    const sign = offset < 0 ? "-" : "+";
    const zone = sign + two(Math.floor(Math.abs(offset) / 60)) + ":" + two(Math.abs(offset) % 60);
    const millis = String(at.getMilliseconds()).padStart(3, "0");
    return `${two(at.getDate())}/${two(at.getMonth() + 1)}/${at.getFullYear()} ${clock(at)},${millis} (UTC${zone})`;
  };

  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

  const span = (millis) => {
    const seconds = Math.max(0, Math.floor(millis / 1000));
    const pair = (more, unit, less, smaller) => (less ? `${more} ${unit} ${less} ${smaller}` : `${more} ${unit}`);
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s");
    if (seconds < 86400) return pair(Math.floor(seconds / 3600), "h", Math.floor(seconds / 60) % 60, "min");
    return pair(Math.floor(seconds / 86400), "d", Math.floor(seconds / 3600) % 24, "h");
  };

  const localise = (root) => {
    const today = new Date().toDateString();
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const day = at.toDateString() === today ? "" : `${two(at.getDate())}/${two(at.getMonth() + 1)} `;
      const text = "ms" in element.dataset
        ? `${clock(at)}.${String(at.getMilliseconds()).padStart(3, "0")}` : day + clock(at);
      if (element.textContent !== text) element.textContent = text;
      element.title = exact(at);
    }
  };

  const tick = () => {
    const now = Date.now();
    for (const element of document.querySelectorAll("[data-ate]")) {
      const left = Date.parse(element.dataset.ate) - now;
      element.textContent = left > 0 ? `em ${span(left + 999)}` : "agora";
    }
    for (const element of document.querySelectorAll("[data-desde]")) {
      element.textContent = span(now - Date.parse(element.dataset.desde));
    }
    for (const element of document.querySelectorAll("[data-inicio]")) {
      const elapsed = now - Date.parse(element.dataset.inicio);
      const usual = Number(element.dataset.costume);
      const bar = element.querySelector("progress");
      if (usual && bar) bar.value = Math.min(elapsed, usual);
      const text = element.querySelector(".quanto");
      if (text) text.textContent = text.textContent.replace(/^há [^,]*/, `há ${span(elapsed)}`);
      element.classList.toggle("demora", Boolean(usual) && elapsed > usual * 1.5);
    }
  };

  // A part takes the place of the one with its id; the focus stays where it was.
  const replace = ([id, html]) => {
    const old = document.getElementById(id);
    if (html === null) {
      if (old) old.remove();
      return;
    }
    const fresh = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    if (!fresh) return;
    localise(fresh);
    if (!old) {
      const cards = document.getElementById("cartoes");
      if (cards && id.startsWith("p-")) cards.append(fresh);
      return;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(fresh);
    if (focused !== null) {
      const again = [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const search = () => {
    const field = document.getElementById("busca");
    const output = document.getElementById("saida");
    if (!field || !output) return;
    const apply = () => {
      const words = field.value.toLowerCase();
      let found = 0;
      const lines = output.querySelectorAll("tr");
      for (const line of lines) {
        const is = line.textContent.toLowerCase().includes(words);
        line.hidden = !is;
        if (is) found += 1;
      }
      const count = document.getElementById("achadas");
      if (count) count.textContent = words ? `${found} de ${lines.length} linhas` : "";
    };
    field.addEventListener("input", apply);
    output.addEventListener("linhas", apply);
    // The form would load the page anew with the lines that are found; here they are already.
    field.form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  };

  const append = ([next, html]) => {
    const output = document.getElementById("saida");
    if (!output) return;
    const follow = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
    const rows = document.createElement("tbody");
    rows.innerHTML = html;
    localise(rows);
    output.append(...rows.children);
    output.dataset.de = next;
    while (output.children.length > 2000) output.firstElementChild.remove();
    const empty = document.getElementById("sem-saida");
    if (empty) empty.remove();
    output.dispatchEvent(new Event("linhas"));
    if (follow) scrollTo(0, document.documentElement.scrollHeight);
  };

  // Open only while somebody looks: a browser allows few connections to one host.
  const listen = () => {
    const address = document.body.dataset.eventos;
    if (!address) return;
    const light = document.getElementById("vivo");
    const live = light ? light.textContent : "";
    const say = (is) => {
      if (!light) return;
      light.hidden = false;
      light.classList.toggle("perdido", !is);
      light.textContent = is ? live : document.body.dataset.desconectado;
    };
    let source = null;
    let again = 0;
    const close = () => { if (source) source.close(); source = null; clearTimeout(again); };
    const open = () => {
      close();
      const output = document.getElementById("saida");
      source = new EventSource(output ? `${address}&de=${output.dataset.de || 0}` : address);
      source.addEventListener("open", () => say(true));
      source.addEventListener("error", () => {
        say(false);
        // Lines continue where they were, and an answer that is no stream is asked for again.
        close();
        again = setTimeout(open, 2000);
      });
      source.addEventListener("partes", (event) => {
        for (const part of JSON.parse(event.data)) replace(part);
        tick();
      });
      source.addEventListener("linhas", (event) => append(JSON.parse(event.data)));
      source.addEventListener("fim", () => { close(); location.reload(); });
    };
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    if (!document.hidden) open();
  };

  localise(document);
  tick();
  setInterval(tick, 1000);
  search();
  listen();
})();
