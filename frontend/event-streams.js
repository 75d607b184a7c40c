// The event streams (Server-Sent Events) of all tabs of this browser.
//
// Over HTTP/1.1 a browser opens at most six connections to a host, and a stream occupies one for as long as it is open. As a
// SharedWorker this script opens each stream once, however many tabs follow it, and never more than MAX_OPEN at a time. In
// a browser without SharedWorker each tab runs it as a Worker of its own.
//
// Messages are JSON texts. From a tab: follow, leave, retry, visible, pong, bye. To a tab: open, lost, failed, events, ping.
// `src/stream.rs` is the other side.
"use strict";

// The rest of the six connections is for requests.
const MAX_OPEN = 4;
// If more streams are followed, each is open for this long before it is the next one's turn.
const TURN_MS = 1000;
// Events that arrive within this time are passed on together: a replay sends hundreds at once.
const BATCH_MS = 50;
// A tab that crashed does not say so. It is dropped after it missed this many pings.
const PING_MS = 30_000;
const MAX_MISSED_PINGS = 3;

// Each with its port, the types of events that it follows by URL, whether it is visible, and how many pings it missed.
const tabs = new Set();
// The open streams by URL, each with its EventSource, the time at which it was opened, and events that are to be passed on.
const streams = new Map();
// When each URL was opened last.
const lastOpened = new Map();
// URLs that the server refused. They are opened again when a tab asks for it: it may have to sign in first.
const refused = new Set();
let turn = 0;

function send(tab, message) {
  tab.port.postMessage(JSON.stringify(message));
}

function sendToFollowers(url, message) {
  for (const tab of tabs) {
    if (tab.follows.has(url)) send(tab, { url, ...message });
  }
}

// Opens and closes streams so that the right ones are open: those of visible tabs first, then those that waited longest.
function update() {
  const now = performance.now();
  const wanted = new Map();
  for (const tab of tabs) {
    for (const [url, names] of tab.follows) {
      const known = wanted.get(url) ?? { names: new Set(), visible: false };
      wanted.set(url, { names: new Set([...known.names, ...names]), visible: known.visible || tab.visible });
    }
  }
  const inTurn = (url) => streams.has(url) && now - streams.get(url).openedAt < TURN_MS;
  const order = (a, b) =>
    wanted.get(b).visible - wanted.get(a).visible
    || inTurn(b) - inTurn(a)
    || (lastOpened.get(a) ?? 0) - (lastOpened.get(b) ?? 0);
  const urls = [...wanted.keys()].filter((url) => !refused.has(url)).sort(order);
  const chosen = new Set(urls.slice(0, MAX_OPEN));
  for (const url of [...streams.keys()]) {
    if (!chosen.has(url)) close(url);
  }
  for (const url of chosen) {
    if (!streams.has(url)) open(url);
    listen(url, wanted.get(url).names);
  }
  clearTimeout(turn);
  if (urls.length > MAX_OPEN) turn = setTimeout(update, TURN_MS);
}

function open(url) {
  const source = new EventSource(url);
  const stream = { source, openedAt: performance.now(), names: new Set(), events: [], timer: 0 };
  streams.set(url, stream);
  lastOpened.set(url, stream.openedAt);
  source.onopen = () => sendToFollowers(url, { kind: "open" });
  source.onerror = () => {
    flush(url);
    if (source.readyState !== EventSource.CLOSED) return sendToFollowers(url, { kind: "lost" });
    close(url);
    refused.add(url);
    sendToFollowers(url, { kind: "failed" });
    update();
  };
}

// Receives further types of events.
function listen(url, names) {
  const stream = streams.get(url);
  for (const name of names) {
    if (stream.names.has(name)) continue;
    stream.names.add(name);
    stream.source.addEventListener(name, (event) => {
      stream.events.push([name, event.data]);
      stream.timer ||= setTimeout(flush, BATCH_MS, url);
    });
  }
}

function flush(url) {
  const stream = streams.get(url);
  if (!stream || stream.events.length === 0) return;
  clearTimeout(stream.timer);
  stream.timer = 0;
  sendToFollowers(url, { kind: "events", events: stream.events.splice(0) });
}

function close(url) {
  flush(url);
  const stream = streams.get(url);
  if (!stream) return;
  stream.source.onopen = stream.source.onerror = null;
  stream.source.close();
  streams.delete(url);
}

function follow(tab, { url, events, replays }) {
  const joins = streams.get(url);
  tab.follows.set(url, new Set([...(tab.follows.get(url) ?? []), ...events]));
  refused.delete(url);
  if (joins && replays) {
    // The stream begins with what the tab missed.
    close(url);
  } else if (joins?.source.readyState === EventSource.OPEN) {
    send(tab, { kind: "open", url });
  }
}

function receive(tab, message) {
  switch (message.kind) {
    case "follow": follow(tab, message); break;
    case "leave": tab.follows.delete(message.url); break;
    case "retry": refused.delete(message.url); break;
    case "visible": tab.visible = message.visible; break;
    case "bye": tabs.delete(tab); break;
    case "pong": tab.missedPings = 0; break;
  }
  update();
}

function connect(port) {
  const tab = { port, follows: new Map(), visible: true, missedPings: 0 };
  port.onmessage = (event) => {
    // A tab that was dropped, or left and was restored from the browser's cache, is back.
    tabs.add(tab);
    receive(tab, JSON.parse(event.data));
  };
}

setInterval(() => {
  for (const tab of tabs) {
    if (tab.missedPings >= MAX_MISSED_PINGS) tabs.delete(tab);
    tab.missedPings += 1;
    send(tab, { kind: "ping" });
  }
  update();
}, PING_MS);

if ("onconnect" in self) {
  self.onconnect = (event) => connect(event.ports[0]);
} else {
  connect(self);
}
