//! The stream of events of one import: one `EventSource` per tab, closed when the page is left.

use std::{cell::RefCell, rc::Rc, time::Duration};

use leptos::prelude::*;
use serde::de::DeserializeOwned;
use shared::event::{EventKind, ImportEvent, ImportState};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventSource, MessageEvent};

use crate::{api, auth};

/// Messages that arrive within this time are handed on together: a reload replays all of them at once.
const GATHER: Duration = Duration::from_millis(50);
/// Pause before the stream is opened anew, where the browser itself has given up (an answer other than 200).
const REOPEN: Duration = Duration::from_secs(3);

/// A connection that is back within this time was not lost: the server ends it after the last event, too.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the server says about an import.
#[derive(Debug, Clone)]
pub enum Message {
    /// The import as it is now; first on every connection.
    State(Box<ImportState>),
    /// A numbered event. After a new connection those of before may come again.
    Event(Box<ImportEvent>),
}

/// How the stream is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Connecting,
    Open,
    /// Broken off; it is being opened again.
    Lost,
    /// The import has ended and every event is here.
    Finished,
}

/// Hands on what the server says about an import, until that is all or the page is left.
///
/// `hear` gets the messages in order, at most some twenty times a second, and tells whether there is more to come.
pub fn follow_import(id: i64, hear: impl Fn(Vec<Message>) -> bool + 'static) -> Signal<Connection> {
    let connection = RwSignal::new(Connection::Connecting);
    let stream = StoredValue::new_local(None);
    let listener = Rc::new(Listener { id, connection, stream, hear: Box::new(hear), waiting: RefCell::default() });
    listener.open();
    connection.into()
}

/// An open stream. Dropping it closes it, and with the page everything in its stored values is dropped.
struct Stream {
    source: EventSource,
    /// They must live as long as the source calls them.
    _handlers: Vec<Closure<dyn FnMut(MessageEvent)>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}

struct Listener {
    id: i64,
    connection: RwSignal<Connection>,
    stream: StoredValue<Option<Stream>, LocalStorage>,
    hear: Box<dyn Fn(Vec<Message>) -> bool>,
    waiting: RefCell<Vec<Message>>,
}

impl Listener {
    fn open(self: &Rc<Self>) {
        let Ok(source) = EventSource::new(&api::events_url(self.id)) else {
            self.reopen_later();
            return;
        };
        let mut handlers = vec![self.on::<ImportState>(&source, "state", |state| Message::State(Box::new(state)))];
        handlers.extend(
            EventKind::ALL.map(|kind| self.on::<ImportEvent>(&source, kind.as_str(), |e| Message::Event(Box::new(e)))),
        );

        let listener = Rc::clone(self);
        let opened = Closure::<dyn FnMut(MessageEvent)>::new(move |_| listener.set(Connection::Open));
        source.set_onopen(Some(opened.as_ref().unchecked_ref()));

        let listener = Rc::clone(self);
        let failing = source.clone();
        let failed = Closure::<dyn FnMut(MessageEvent)>::new(move |_| {
            listener.tell_if_lost(failing.clone());
            if failing.ready_state() == EventSource::CLOSED {
                listener.reopen_later();
            }
        });
        source.set_onerror(Some(failed.as_ref().unchecked_ref()));
        handlers.extend([opened, failed]);

        // Where the page has been left meanwhile, the stream is dropped, and so closed, at once.
        let _ = self.stream.try_set_value(Some(Stream { source, _handlers: handlers }));
    }

    /// Calls for the messages of one name.
    fn on<T: DeserializeOwned + 'static>(
        self: &Rc<Self>,
        source: &EventSource,
        name: &str,
        message: fn(T) -> Message,
    ) -> Closure<dyn FnMut(MessageEvent)> {
        let listener = Rc::clone(self);
        let handler = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let data = event.data().as_string().unwrap_or_default();
            match serde_json::from_str(&data) {
                Ok(value) => listener.gather(message(value)),
                Err(error) => leptos::logging::warn!("an event of import {} cannot be read: {error}", listener.id),
            }
        });
        // It fails only where the handler is no function.
        let _ = source.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
        handler
    }

    fn gather(self: &Rc<Self>, message: Message) {
        self.waiting.borrow_mut().push(message);
        if self.waiting.borrow().len() == 1 {
            let listener = Rc::clone(self);
            set_timeout(move || listener.hand_on(), GATHER);
        }
    }

    fn hand_on(&self) {
        if self.connection.is_disposed() {
            return;
        }
        let messages = self.waiting.take();
        if !(self.hear)(messages) {
            self.set(Connection::Finished);
            let _ = self.stream.try_set_value(None);
        }
    }

    fn tell_if_lost(self: &Rc<Self>, source: EventSource) {
        let listener = Rc::clone(self);
        let tell = move || {
            if source.ready_state() != EventSource::OPEN {
                listener.set(Connection::Lost);
            }
        };
        set_timeout(tell, PATIENCE);
    }

    fn reopen_later(self: &Rc<Self>) {
        let listener = Rc::clone(self);
        let again = async move {
            if !listener.is_wanted() {
                return;
            }
            auth::still_in().await;
            if listener.is_wanted() {
                listener.open();
            }
        };
        set_timeout(move || spawn_local(again), REOPEN);
    }

    fn is_wanted(&self) -> bool {
        self.connection.try_get_untracked().is_some_and(|connection| connection != Connection::Finished)
    }

    fn set(&self, connection: Connection) {
        let known = self.connection.try_get_untracked();
        if known.is_some_and(|known| known != connection && known != Connection::Finished) {
            self.connection.set(connection);
        }
    }
}
