//! A stream of events that is opened again for as long as somebody listens.

use std::{rc::Rc, time::Duration};

use leptos::prelude::*;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventSource, MessageEvent};

use crate::auth;

/// Pause before the stream is opened anew, where the browser itself has given up (an answer other than 200).
const REOPEN: Duration = Duration::from_secs(3);

/// What comes out of a stream.
pub enum Heard<T> {
    Message(T),
    /// It is open again after a break: something may have been missed.
    Again,
}

/// Hears the events of one name, until `hear` says that this is all or the component that listens is gone.
pub fn listen<T: DeserializeOwned + 'static>(
    url: String,
    event: &'static str,
    hear: impl Fn(Heard<T>) -> bool + 'static,
) {
    let stream = StoredValue::new_local(None);
    Rc::new(Listener { url, event, hear: Box::new(hear), stream, broken: StoredValue::new(false) }).open();
}

struct Listener<T> {
    url: String,
    event: &'static str,
    hear: Box<dyn Fn(Heard<T>) -> bool>,
    stream: StoredValue<Option<Stream>, LocalStorage>,
    broken: StoredValue<bool>,
}

/// An open stream. Dropping it closes it, and with the component its stored values are dropped.
struct Stream {
    source: EventSource,
    /// They must live as long as the source calls them.
    _handlers: [Closure<dyn FnMut(MessageEvent)>; 3],
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}

impl<T: DeserializeOwned + 'static> Listener<T> {
    fn open(self: Rc<Self>) {
        let Ok(source) = EventSource::new(&self.url) else {
            self.open_later();
            return;
        };
        let listener = Rc::clone(&self);
        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let data = event.data().as_string().unwrap_or_default();
            match serde_json::from_str(&data) {
                Ok(message) => listener.tell(Heard::Message(message)),
                Err(error) => leptos::logging::warn!("an event of {} cannot be read: {error}", listener.url),
            }
        });
        // It fails only where the handler is no function.
        let _ = source.add_event_listener_with_callback(self.event, heard.as_ref().unchecked_ref());

        let listener = Rc::clone(&self);
        let opened = Closure::<dyn FnMut(MessageEvent)>::new(move |_| {
            if listener.broken.try_get_value() == Some(true) {
                listener.broken.set_value(false);
                listener.tell(Heard::Again);
            }
        });
        source.set_onopen(Some(opened.as_ref().unchecked_ref()));

        let listener = Rc::clone(&self);
        let failing = source.clone();
        let failed = Closure::<dyn FnMut(MessageEvent)>::new(move |_| {
            let _ = listener.broken.try_set_value(true);
            if failing.ready_state() == EventSource::CLOSED {
                Rc::clone(&listener).open_later();
            }
        });
        source.set_onerror(Some(failed.as_ref().unchecked_ref()));
        // Where the component is gone meanwhile, the stream is dropped, and so closed, at once.
        let _ = self.stream.try_set_value(Some(Stream { source, _handlers: [heard, opened, failed] }));
    }

    fn tell(&self, heard: Heard<T>) {
        if !self.stream.is_disposed() && !(self.hear)(heard) {
            let stream = self.stream;
            // Not at once: the handler that is running belongs to the stream.
            set_timeout(move || drop(stream.try_set_value(None)), Duration::ZERO);
        }
    }

    fn open_later(self: Rc<Self>) {
        let again = async move {
            if self.stream.is_disposed() {
                return;
            }
            auth::ensure_signed_in().await;
            if !self.stream.is_disposed() {
                self.open();
            }
        };
        set_timeout(move || spawn_local(again), REOPEN);
    }
}
