//! The event stream of one import.

use std::ops::ControlFlow;

use leptos::prelude::*;
use shared::event::{EventKind, ImportEvent, ImportState};

use super::requests::events_url;
use crate::stream::{self, Incoming, RawEvent, Topic};

/// The event that begins every connection.
const STATE: &str = "state";

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
    let events = [STATE].into_iter().chain(EventKind::ALL.iter().map(|kind| kind.as_str())).collect();
    // In the background, too: the title of the tab shows the progress.
    let topic = Topic { url: events_url(id), events, replays: true, in_background: true };
    let is_finished = RwSignal::new(false);
    let connection = stream::follow(topic, move |update| {
        let Incoming::Received(events) = update else { return ControlFlow::Continue(()) };
        if receive(events.iter().filter_map(|event| decode(id, event)).collect()) {
            return ControlFlow::Continue(());
        }
        is_finished.set(true);
        ControlFlow::Break(())
    });
    Signal::derive(move || match connection.get() {
        _ if is_finished.get() => Connection::Finished,
        stream::Connection::Connecting => Connection::Connecting,
        stream::Connection::Open => Connection::Open,
        stream::Connection::Lost => Connection::Lost,
    })
}

fn decode(id: i64, event: &RawEvent) -> Option<Message> {
    let message = match event.name() {
        STATE => event.parse().map(|state| Message::State(Box::new(state))),
        _ => event.parse().map(|event| Message::Event(Box::new(event))),
    };
    message.map_err(|error| leptos::logging::warn!("an event of import {id} cannot be decoded: {error}")).ok()
}
