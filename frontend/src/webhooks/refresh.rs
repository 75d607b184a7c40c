use std::time::Duration;

use leptos::prelude::*;
use shared::webhook::Delivery;

use super::requests;
use crate::stream::{self, Heard};

/// News within this time are answered by one request.
const GATHER: Duration = Duration::from_millis(300);

/// Makes what tracks it load anew.
#[derive(Clone, Copy)]
pub struct Refresh {
    tick: RwSignal<u32>,
    waiting: StoredValue<bool>,
}

impl Refresh {
    /// One that listens to deliveries, as long as the component is there; `concerns` tells which ones matter.
    pub fn on_deliveries(concerns: impl Fn(&Delivery) -> bool + 'static) -> Self {
        let refresh = Self { tick: RwSignal::new(0), waiting: StoredValue::new(false) };
        stream::listen(requests::events_url(), "delivery", move |heard: Heard<Delivery>| {
            match heard {
                Heard::Message(delivery) if !concerns(&delivery) => {}
                Heard::Message(_) | Heard::Again => refresh.soon(),
            }
            true
        });
        refresh
    }

    pub fn track(self) {
        self.tick.track();
    }

    pub fn now(self) {
        // The page may have been left meanwhile.
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
            GATHER,
        );
    }
}
