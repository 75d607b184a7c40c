//! The event stream of one import, closed when the page is left.

use std::{cell::RefCell, rc::Rc, time::Duration};

use leptos::prelude::*;
use serde::de::DeserializeOwned;
use shared::event::{EventKind, ImportEvent, ImportState};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventSource, MessageEvent};

use super::requests::events_url;
use crate::auth;

/// Messages that arrive within this time are passed on together: after a reload, all of them are replayed at once.
const BATCH_WINDOW: Duration = Duration::from_millis(50);
/// Pause before the stream is reopened after the browser has given up (a status other than 200).
const REOPEN_DELAY: Duration = Duration::from_secs(3);

/// A connection that is back within this time was not lost: the server also ends it after the last event.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// A message of the stream.
#[derive(Debug, Clone)]
pub enum Message {
    /// The import as it is now; first on every connection.
    State(Box<ImportState>),
    /// A numbered event. After a reconnection, earlier ones may arrive again.
    Event(Box<ImportEvent>),
}

/// State of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Connecting,
    Open,
    /// Interrupted; it is being reopened.
    Lost,
    /// The import has ended, and all events have arrived.
    Finished,
}

/// Receives the messages of an import until its last event, or until the page is left.
///
/// `receive` gets the messages in order, at most about twenty times per second, and returns whether more are expected.
pub fn follow_import(id: i64, receive: impl Fn(Vec<Message>) -> bool + 'static) -> Signal<Connection> {
    let connection = RwSignal::new(Connection::Connecting);
    let stream = StoredValue::new_local(None);
    let listener =
        Rc::new(Listener { id, connection, stream, receive: Box::new(receive), waiting: RefCell::default() });
    listener.open();
    connection.into()
}

/// An open stream. Dropping it closes it; the page drops it with its stored values.
struct Stream {
    source: EventSource,
    /// They must live as long as the source can call them.
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
    receive: Box<dyn Fn(Vec<Message>) -> bool>,
    waiting: RefCell<Vec<Message>>,
}

impl Listener {
    fn open(self: &Rc<Self>) {
        let Ok(source) = EventSource::new(&events_url(self.id)) else {
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
            listener.report_if_lost(failing.clone());
            if failing.ready_state() == EventSource::CLOSED {
                listener.reopen_later();
            }
        });
        source.set_onerror(Some(failed.as_ref().unchecked_ref()));
        handlers.extend([opened, failed]);

        // If the page has been left, the stream is dropped, and so closed, at once.
        let _ = self.stream.try_set_value(Some(Stream { source, _handlers: handlers }));
    }

    /// Registers a handler for the messages of one name.
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
                Ok(value) => listener.collect(message(value)),
                Err(error) => leptos::logging::warn!("an event of import {} cannot be decoded: {error}", listener.id),
            }
        });
        // It fails only if the handler is not a function.
        let _ = source.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
        handler
    }

    fn collect(self: &Rc<Self>, message: Message) {
        self.waiting.borrow_mut().push(message);
        if self.waiting.borrow().len() == 1 {
            let listener = Rc::clone(self);
            set_timeout(move || listener.deliver(), BATCH_WINDOW);
        }
    }

    fn deliver(&self) {
        if self.connection.is_disposed() {
            return;
        }
        let messages = self.waiting.take();
        if !(self.receive)(messages) {
            self.set(Connection::Finished);
            let _ = self.stream.try_set_value(None);
        }
    }

    fn report_if_lost(self: &Rc<Self>, source: EventSource) {
        let listener = Rc::clone(self);
        let report = move || {
            if source.ready_state() != EventSource::OPEN {
                listener.set(Connection::Lost);
            }
        };
        set_timeout(report, LOST_AFTER);
    }

    fn reopen_later(self: &Rc<Self>) {
        let listener = Rc::clone(self);
        let again = async move {
            if !listener.is_wanted() {
                return;
            }
            auth::ensure_signed_in().await;
            if listener.is_wanted() {
                listener.open();
            }
        };
        set_timeout(move || spawn_local(again), REOPEN_DELAY);
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
