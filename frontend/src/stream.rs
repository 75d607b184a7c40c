//! Event streams, shared by all tabs of this browser.
//!
//! A worker holds the connections; `event-streams.js` explains why. A tab names the streams that it follows and gets their
//! events in batches. A hidden tab leaves its streams, except those that change its title.

use std::{
    cell::{Cell, OnceCell, RefCell},
    ops::ControlFlow,
    rc::Rc,
    time::Duration,
};

use leptos::{ev, prelude::*};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageEvent, MessagePort, SharedWorker, Worker};

use crate::{api, auth};

/// Delay before a stream that the server refused is opened again.
const REOPEN_DELAY: Duration = Duration::from_secs(3);
/// A connection that is back within this time was not lost: the server also ends a stream after its last event.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// A stream, and how it is followed.
#[derive(Debug, Clone)]
pub struct Topic {
    pub url: String,
    /// Types of the events.
    pub events: Vec<&'static str>,
    /// The server sends what happened before, so a tab that joins needs a connection of its own beginning. Events may be
    /// repeated.
    pub replays: bool,
    /// Followed while the tab is hidden, too.
    pub in_background: bool,
}

/// An event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RawEvent(pub String, pub String);

impl RawEvent {
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The data, parsed as JSON.
    ///
    /// # Errors
    /// If the data is not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.1)
    }
}

/// What a follower of a stream receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<T> {
    Received(T),
    /// The stream is open again after a break. Events of a stream that does not replay may have been missed.
    Reconnected,
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Connecting,
    Open,
    /// Interrupted; it is being opened again.
    Lost,
}

/// Follows a stream until `handle` breaks or the calling component is gone. `handle` gets the events in order.
pub fn follow(
    topic: Topic,
    handle: impl Fn(Incoming<Vec<RawEvent>>) -> ControlFlow<()> + 'static,
) -> Signal<Connection> {
    let connection = RwSignal::new(Connection::Connecting);
    let id = HUB.with(|hub| hub.get_or_init(Hub::start).add(topic, connection, Box::new(handle)));
    on_cleanup(move || with_hub(|hub| hub.remove(id)));
    connection.into()
}

/// Follows the events of one type of a stream that does not replay, until `handle` breaks or the calling component is gone.
pub fn listen<T: DeserializeOwned + 'static>(
    url: String,
    event: &'static str,
    handle: impl Fn(Incoming<T>) -> ControlFlow<()> + 'static,
) -> Signal<Connection> {
    let topic = Topic { url, events: vec![event], replays: false, in_background: false };
    follow(topic, each(handle))
}

/// Calls `handle` with each event of a batch.
pub fn each<T: DeserializeOwned>(
    handle: impl Fn(Incoming<T>) -> ControlFlow<()> + 'static,
) -> impl Fn(Incoming<Vec<RawEvent>>) -> ControlFlow<()> + 'static {
    move |update| match update {
        Incoming::Reconnected => handle(Incoming::Reconnected),
        Incoming::Received(events) => events.iter().try_for_each(|event| match event.parse() {
            Ok(value) => handle(Incoming::Received(value)),
            Err(error) => {
                leptos::logging::warn!("Skipping an event {:?} that cannot be read: {error}", event.name());
                ControlFlow::Continue(())
            }
        }),
    }
}

thread_local! {
    static HUB: OnceCell<Hub> = const { OnceCell::new() };
}

fn with_hub(action: impl FnOnce(&Hub)) {
    // The thread's storage is gone only when the tab is.
    let _ = HUB.try_with(|hub| hub.get().map(action));
}

type Handler = Box<dyn Fn(Incoming<Vec<RawEvent>>) -> ControlFlow<()>>;

struct Follower {
    id: u64,
    topic: Topic,
    connection: RwSignal<Connection>,
    handle: Handler,
    /// The stream was open before.
    was_open: Cell<bool>,
    /// The stream is not open at the moment.
    is_broken: Cell<bool>,
}

/// The followers of this tab, and the worker that holds their streams.
struct Hub {
    port: Option<Port>,
    followers: RefCell<Vec<Rc<Follower>>>,
    next_id: Cell<u64>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ToWorker<'a> {
    Follow { url: &'a str, events: &'a [&'a str], replays: bool },
    Leave { url: &'a str },
    Retry { url: &'a str },
    Visible { visible: bool },
    Pong,
    Bye,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum FromWorker {
    Open { url: String },
    Lost { url: String },
    Failed { url: String },
    Events { url: String, events: Vec<RawEvent> },
    Ping,
}

impl Hub {
    fn start() -> Self {
        let receive = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            match serde_json::from_str(&text) {
                Ok(message) => with_hub(|hub| hub.receive(message)),
                Err(error) => leptos::logging::warn!("A message about streams cannot be read: {error}"),
            }
        });
        let port = Port::open(receive.as_ref().unchecked_ref());
        // Like the handlers below, it is needed for as long as the tab is there.
        receive.forget();
        window_event_listener_untyped("pagehide", |_| with_hub(|hub| hub.send(&ToWorker::Bye)));
        window_event_listener_untyped("pageshow", |_| with_hub(Hub::follow_all));
        window_event_listener(ev::visibilitychange, |_| with_hub(Hub::follow_all));
        Self { port, followers: RefCell::default(), next_id: Cell::new(0) }
    }

    fn send(&self, message: &ToWorker<'_>) {
        if let (Some(port), Ok(text)) = (&self.port, serde_json::to_string(message)) {
            port.post(&text.into());
        }
    }

    fn add(&self, topic: Topic, connection: RwSignal<Connection>, handle: Handler) -> u64 {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let (was_open, is_broken) = (Cell::new(false), Cell::new(true));
        let follower = Rc::new(Follower { id, topic, connection, handle, was_open, is_broken });
        if is_followed(&follower.topic) {
            self.follow(&follower.topic);
        }
        self.followers.borrow_mut().push(follower);
        id
    }

    fn remove(&self, id: u64) {
        let mut followers = self.followers.borrow_mut();
        let Some(index) = followers.iter().position(|follower| follower.id == id) else { return };
        let removed = followers.remove(index);
        if followers.iter().all(|follower| follower.topic.url != removed.topic.url) {
            self.send(&ToWorker::Leave { url: &removed.topic.url });
        }
    }

    fn follow(&self, topic: &Topic) {
        let Topic { url, events, replays, .. } = topic;
        self.send(&ToWorker::Follow { url, events, replays: *replays });
    }

    /// Follows or leaves each stream, after the tab was hidden, shown, or restored.
    fn follow_all(&self) {
        self.send(&ToWorker::Visible { visible: !document().hidden() });
        for follower in self.followers.borrow().iter() {
            if !is_followed(&follower.topic) {
                self.send(&ToWorker::Leave { url: &follower.topic.url });
                follower.is_broken.set(true);
            } else if follower.is_broken.get() {
                self.follow(&follower.topic);
            }
        }
    }

    fn receive(&self, message: FromWorker) {
        match message {
            FromWorker::Ping => self.send(&ToWorker::Pong),
            FromWorker::Open { url } => self.of(&url).iter().for_each(|follower| self.opened(follower)),
            FromWorker::Lost { url } => self.of(&url).iter().for_each(Follower::lost),
            FromWorker::Events { url, events } => {
                for follower in self.of(&url) {
                    // Other followers of the stream may have asked for other types.
                    let of_interest = |event: &&RawEvent| follower.topic.events.contains(&event.name());
                    let events: Vec<_> = events.iter().filter(of_interest).cloned().collect();
                    if !events.is_empty() {
                        self.pass_on(&follower, Incoming::Received(events));
                    }
                }
            }
            FromWorker::Failed { url } => {
                self.of(&url).iter().for_each(Follower::lost);
                set_timeout(move || spawn_local(retry(url)), REOPEN_DELAY);
            }
        }
    }

    /// The followers of a stream. Not borrowed: a handler may follow or leave a stream.
    fn of(&self, url: &str) -> Vec<Rc<Follower>> {
        self.followers.borrow().iter().filter(|follower| follower.topic.url == url).cloned().collect()
    }

    fn opened(&self, follower: &Rc<Follower>) {
        follower.is_broken.set(false);
        follower.set(Connection::Open);
        if follower.was_open.replace(true) {
            self.pass_on(follower, Incoming::Reconnected);
        }
    }

    fn pass_on(&self, follower: &Follower, update: Incoming<Vec<RawEvent>>) {
        let is_here = self.followers.borrow().iter().any(|here| here.id == follower.id);
        if is_here && (follower.handle)(update).is_break() {
            self.remove(follower.id);
        }
    }
}

impl Follower {
    fn lost(self: &Rc<Self>) {
        self.is_broken.set(true);
        let follower = Rc::clone(self);
        let check = move || {
            if follower.is_broken.get() && is_followed(&follower.topic) {
                follower.set(Connection::Lost);
                api::check_server();
            }
        };
        set_timeout(check, LOST_AFTER);
    }

    fn set(&self, connection: Connection) {
        if self.connection.try_get_untracked().is_some_and(|known| known != connection) {
            self.connection.set(connection);
        }
    }
}

fn is_followed(topic: &Topic) -> bool {
    topic.in_background || !document().hidden()
}

/// Has a refused stream opened again, once the user is signed in.
async fn retry(url: String) {
    auth::ensure_signed_in().await;
    with_hub(|hub| {
        if !hub.of(&url).is_empty() {
            hub.send(&ToWorker::Retry { url: &url });
        }
    });
}

/// The way to the worker.
enum Port {
    Shared(MessagePort),
    Own(Worker),
}

impl Port {
    fn open(receive: &js_sys::Function) -> Option<Self> {
        let script = script_url();
        if let Ok(worker) = SharedWorker::new(&script) {
            let port = worker.port();
            port.set_onmessage(Some(receive));
            return Some(Self::Shared(port));
        }
        let worker = Worker::new(&script).ok()?;
        worker.set_onmessage(Some(receive));
        Some(Self::Own(worker))
    }

    fn post(&self, message: &JsValue) {
        // A text can always be sent.
        let _ = match self {
            Self::Shared(port) => port.post_message(message),
            Self::Own(worker) => worker.post_message(message),
        };
    }
}

/// The address of the worker's script. Its hash keeps tabs of different releases from sharing a worker.
fn script_url() -> String {
    const SCRIPT: &str = include_str!("../event-streams.js");
    // FNV-1a, 64 bits.
    let hash = SCRIPT
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("/event-streams.js?{hash:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_match_the_script() {
        let follow = ToWorker::Follow { url: "/e", events: &["state"], replays: true };
        let text = serde_json::to_string(&follow).expect("serialises");
        assert_eq!(text, r#"{"kind":"follow","url":"/e","events":["state"],"replays":true}"#);
        let events = r#"{"url":"/e","kind":"events","events":[["state","{\"a\":1}"]]}"#;
        let Ok(FromWorker::Events { url, events }) = serde_json::from_str(events) else { panic!("events") };
        assert_eq!((url.as_str(), events[0].name()), ("/e", "state"));
        assert_eq!(events[0].parse::<serde_json::Value>().expect("JSON")["a"], 1);
    }

    #[test]
    fn unreadable_events_are_skipped_and_a_break_ends_the_batch() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let all = Rc::clone(&seen);
        let handle = each(move |update: Incoming<i64>| {
            all.borrow_mut().push(update.clone());
            if update == Incoming::Received(2) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let events = ["1", "x", "2", "3"].map(|data| RawEvent("n".into(), data.into()));
        assert!(handle(Incoming::Received(events.to_vec())).is_break());
        assert_eq!(*seen.borrow(), [Incoming::Received(1), Incoming::Received(2)]);
    }
}
