use std::{ops::ControlFlow, time::Duration};

use leptos::prelude::*;
use shared::webhook::Delivery;

use super::requests;
use crate::stream::{self, Incoming};

/// Deliveries within this time cause one request.
const DEBOUNCE_TIME: Duration = Duration::from_millis(300);

/// Reloads the resources that track it.
#[derive(Clone, Copy)]
pub struct Refresh {
    tick: RwSignal<u32>,
    waiting: StoredValue<bool>,
}

impl Refresh {
    /// Returns one that reloads after each delivery for which `concerns` is true, until the component is removed.
    pub fn on_deliveries(concerns: impl Fn(&Delivery) -> bool + 'static) -> Self {
        let refresh = Self { tick: RwSignal::new(0), waiting: StoredValue::new(false) };
        stream::listen(requests::events_url(), "delivery", move |update: Incoming<Delivery>| {
            match update {
                Incoming::Received(delivery) if !concerns(&delivery) => {}
                Incoming::Received(_) | Incoming::Reconnected => refresh.soon(),
            }
            ControlFlow::Continue(())
        });
        refresh
    }

    pub fn track(self) {
        self.tick.track();
    }

    pub fn now(self) {
        // The user may have left the page.
        let _ = self.tick.try_update(|tick| *tick = tick.wrapping_add(1));
    }

    fn soon(self) {
        if self.waiting.get_value() {
            return;
        }
        self.waiting.set_value(true);
        set_timeout(
            move || {
                let _ = self.waiting.try_set_value(false);
                self.now();
            },
            DEBOUNCE_TIME,
        );
    }
}
