//! One clock for all relative times.

use std::time::Duration;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

const TICK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Clock(Signal<DateTime<Utc>>);

/// Starts the clock. Called once, at the root.
pub fn provide_clock() {
    let now = RwSignal::new(Utc::now());
    every(TICK_INTERVAL, move || now.set(Utc::now()));
    provide_context(Clock(now.into()));
}

/// Returns the time of the browser, updated once a second.
pub fn use_now() -> Signal<DateTime<Utc>> {
    expect_context::<Clock>().0
}

/// Calls `action` at each `interval` until the calling component is gone.
pub fn every(interval: Duration, action: impl Fn() + 'static) {
    if let Ok(handle) = set_interval_with_handle(action, interval) {
        on_cleanup(move || handle.clear());
    }
}
