// Keeps a page of lepton_nb up to date: it asks the page's kernel over Jupyter's own connection, and puts what is new
// into its place. All HTML comes from the kernel, which has escaped every text in it; the page's policy lets no other
// script run than this file.
'use strict';

(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 20000;
  const SESSION = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  const COMM = `lepton-${SESSION}`;
  const base = document.body.dataset.base || '/';
  const page = document.querySelector('.lepton-page');
  const kernel = document.getElementById('lepton-kernel')?.dataset.kernel;
  const banner = document.getElementById('lepton-banner');
  if (!page) return;
  if (!kernel) {
    banner.textContent = 'This page stands still: it got no kernel. Load it again; the log of the dashboard says why.';
    banner.hidden = false;
    return;
  }

  let socket = null;
  let waiting = 0; // when the last question was asked, 0 when it was answered
  let timer = 0;
  let tries = 0;
  let leaving = false;

  function say(text) {
    banner.textContent = text;
    banner.hidden = !text;
  }

  function sections() {
    return [...page.querySelectorAll('.lepton-section')];
  }

  function send(type, content) {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    const id = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    const header = { msg_id: id, msg_type: type, session: SESSION, username: 'page', version: '5.3', date: new Date().toISOString() };
    socket.send(JSON.stringify({ channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: [] }));
    return true;
  }

  function ask(more = {}) {
    clearTimeout(timer);
    const have = Object.fromEntries(sections().map(one => [one.dataset.section, one.dataset.version]));
    const data = { query: location.search.slice(1), have, ...more };
    if (send('comm_msg', { comm_id: COMM, data })) waiting = performance.now();
    timer = setTimeout(tick, EVERY_MS);
  }

  function tick() {
    if (leaving) return;
    if (waiting && performance.now() - waiting > PATIENCE_MS) {
      waiting = 0;
      socket?.close();
      return;
    }
    if (document.hidden || waiting) {
      timer = setTimeout(tick, EVERY_MS);
      return;
    }
    ask();
  }

  // The place that has the focus has it again when its section was replaced.
  function replace(place, html, version) {
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : '';
    place.innerHTML = html;
    place.dataset.version = version;
    if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  function show(answer) {
    const found = new Map(sections().map(one => [one.dataset.section, one]));
    const wide = new Set(answer.wide);
    const grid = page.querySelector('.lepton-grid');
    for (const [name, one] of found) if (!answer.order.includes(name)) one.remove();
    for (const [within, parent, before] of [[true, page, grid], [false, grid, null]]) {
      let at = parent.firstElementChild;
      for (const name of answer.order) {
        if (wide.has(name) !== within) continue;
        let place = found.get(name);
        if (!place?.isConnected) {
          place = document.createElement('div');
          place.className = 'lepton-section';
          place.dataset.section = name;
          parent.insertBefore(place, at ?? before);
        } else if (place === at) {
          at = at.nextElementSibling;
        }
        const changed = answer.sections[name];
        if (changed) replace(place, changed.html, changed.version);
      }
    }
    page.dataset.theme = answer.theme;
    document.documentElement.dataset.answered = String(Number(document.documentElement.dataset.answered ?? 0) + 1);
  }

  function download(name, text) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/html' }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  function hear(event) {
    if (typeof event.data !== 'string') return;
    const message = JSON.parse(event.data);
    const type = message.header?.msg_type;
    if (type === 'status' && message.content.execution_state === 'dead') gone();
    if (message.content?.comm_id !== COMM) return;
    if (type === 'comm_close') gone();
    if (type !== 'comm_msg') return;
    const data = message.content.data;
    waiting = 0;
    tries = 0;
    say(data.problem ?? '');
    if (data.document) download(data.file, data.document);
    // What was asked for meanwhile is answered next: this answer is of the past.
    if (data.order && data.query === location.search.slice(1)) show(data);
  }

  function gone() {
    if (leaving) return;
    say('This page was put to sleep. It wakes up when it is looked at.');
    if (!document.hidden) again();
  }

  // Loading again makes a new kernel; never twice within ten seconds.
  function again() {
    const last = Number(sessionStorage.getItem('lepton-again') ?? 0);
    if (Date.now() - last < 10000) {
      setTimeout(again, 10000);
      return;
    }
    sessionStorage.setItem('lepton-again', String(Date.now()));
    location.reload();
  }

  async function closed() {
    if (leaving) return;
    tries += 1;
    if (tries > 2) say('The dashboard does not answer; trying again.');
    try {
      const answer = await fetch(`${base}api/kernels/${kernel}`, { credentials: 'same-origin' });
      if (answer.status === 404) {
        gone();
        return;
      }
    } catch {
      // It is not there; it may come back.
    }
    setTimeout(connect, Math.min(500 * 2 ** tries, 15000));
  }

  function connect() {
    const address = new URL(`${base}api/kernels/${kernel}/channels`, location.href);
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    address.searchParams.set('session_id', SESSION);
    socket = new WebSocket(address);
    socket.addEventListener('open', () => {
      send('comm_open', { comm_id: COMM, target_name: 'lepton.page', data: {} });
      ask();
    });
    socket.addEventListener('message', hear);
    socket.addEventListener('close', closed);
  }

  function go(query) {
    history.pushState(null, '', query.startsWith('?') ? query : `?${query}`);
    ask();
  }

  document.addEventListener('change', event => {
    const form = event.target.closest('form[data-form]');
    if (form) go(new URLSearchParams(new FormData(form)).toString());
  });
  document.addEventListener('submit', event => {
    if (!event.target.matches('form[data-form]')) return;
    event.preventDefault();
    go(new URLSearchParams(new FormData(event.target)).toString());
  });
  document.addEventListener('click', event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest('a[data-go]');
    if (link) {
      event.preventDefault();
      go(new URL(link.getAttribute('href'), location.href).search);
    } else if (event.target.closest('[data-export]')) {
      ask({ export: true });
    } else if (event.target.closest('[data-decide]')) {
      const { decide, watch, number } = event.target.closest('[data-decide]').dataset;
      if (confirm(`${decide} what ${watch} asks?`)) ask({ decide, watch, number: Number(number) });
    }
  });
  addEventListener('popstate', () => ask());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) (banner.hidden ? tick : again)();
  });
  addEventListener('pageshow', event => event.persisted && location.reload());
  addEventListener('pagehide', event => {
    if (event.persisted) return;
    leaving = true;
    const form = new FormData();
    const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    if (token) form.append('_xsrf', token[1]);
    navigator.sendBeacon(`${base}voila/api/shutdown/${kernel}`, form);
  });
  connect();
})();
