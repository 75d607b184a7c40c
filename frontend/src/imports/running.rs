//! Running imports, as they are shown on every page: in the menu and in the title of the tab.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use leptos::{ev, prelude::*};
use leptos_router::hooks::use_location;
use shared::{
    event::{EventKind, ImportEvent},
    import::{Import, ImportPage},
};
use wasm_bindgen_futures::spawn_local;

use super::requests::events_url;
use crate::api;
use crate::stream::{self, Incoming, Topic};
use crate::ui::every;
use crate::ui::format::percent;

/// How often new imports are looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Without input for this time the tab does not poll: a session must expire when its user is gone.
const ACTIVE_FOR_MS: f64 = 60_000.0;
/// Number of imports whose streams are followed at once.
const MAX_FOLLOWED: usize = 2;

/// The running imports by id, each with its completed fraction once that is known. Provided as context.
#[derive(Clone, Copy)]
pub struct RunningImports(RwSignal<BTreeMap<i64, Option<f64>>>);

impl RunningImports {
    /// Looks for running imports after each navigation and, while the user is active, regularly. Called once, inside the
    /// router.
    pub fn provide() -> Self {
        let running = Self(RwSignal::default());
        let path = use_location().pathname;
        Effect::new(move |_| {
            path.track();
            running.find();
        });
        let last_input = StoredValue::new(js_sys::Date::now());
        for listener in [
            window_event_listener(ev::pointermove, move |_| last_input.set_value(js_sys::Date::now())),
            window_event_listener(ev::keydown, move |_| last_input.set_value(js_sys::Date::now())),
            window_event_listener(ev::visibilitychange, move |_| running.find()),
        ] {
            on_cleanup(move || listener.remove());
        }
        every(POLL_INTERVAL, move || {
            if !document().hidden() && js_sys::Date::now() - last_input.get_value() < ACTIVE_FOR_MS {
                running.find();
            }
        });
        provide_context(running);
        running
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Says how far the running imports are; `None` if there are none.
    pub fn text(self) -> Option<String> {
        self.0.with(text)
    }

    fn find(self) {
        if document().hidden() {
            return;
        }
        spawn_local(async move {
            // Not `api::get`, which would ask the user to sign in.
            let url = format!("{}/imports?limit=20", api::BASE);
            let Ok(response) = api::ask("GET", &url, &api::Request::default()).await else { return };
            let Ok(page) = api::parse::<ImportPage>(response.status, &response.body) else { return };
            let running = page.items.iter().filter(|import| !import.status.is_final());
            let running: BTreeMap<_, _> = running.map(|import| (import.id, fraction_of(import))).collect();
            if self.0.try_with_untracked(|known| *known != running) == Some(true) {
                self.0.set(running);
            }
        });
    }

    fn accept(self, id: i64, event: &ImportEvent) -> ControlFlow<()> {
        if event.status.is_final() {
            self.0.update(|running| {
                running.remove(&id);
            });
            return ControlFlow::Break(());
        }
        let fraction = fraction(event.counts.read, event.rows_total);
        self.0.update(|running| {
            running.insert(id, fraction);
        });
        ControlFlow::Continue(())
    }
}

fn text(running: &BTreeMap<i64, Option<f64>>) -> Option<String> {
    match (running.len(), running.values().next()?) {
        (1, Some(fraction)) => Some(percent(*fraction)),
        (count, _) => Some(count.to_string()),
    }
}

fn fraction_of(import: &Import) -> Option<f64> {
    fraction(import.counts.read, import.rows_total)
}

#[expect(clippy::cast_precision_loss, reason = "the fraction is only displayed")]
fn fraction(read: i64, total: Option<i64>) -> Option<f64> {
    total.filter(|total| *total > 0).map(|total| read as f64 / total as f64)
}

/// The badge in the menu. Follows the newest running imports for as long as they run.
#[component]
pub fn RunningBadge() -> impl IntoView {
    let running = RunningImports::expect();
    let followed = Memo::new(move |_| {
        running.0.with(|running| running.keys().rev().take(MAX_FOLLOWED).copied().collect::<Vec<_>>())
    });
    view! {
        <For each=move || followed.get() key=|id| *id children=move |id| follow(running, id) />
        <Show when=move || running.text().is_some()>
            <span class="nav-badge" data-testid="running-imports">
                {move || running.text()}
                <span class="visually-hidden">" running"</span>
            </span>
        </Show>
    }
}

fn follow(running: RunningImports, id: i64) {
    let events = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    // In the background, too: the title of the tab shows the progress.
    let topic = Topic { url: events_url(id), events, replays: true, in_background: true };
    stream::follow(topic, move |update| match update {
        Incoming::Reconnected => ControlFlow::Continue(()),
        // The newest event has the whole state.
        Incoming::Received(events) => match events.last().map(stream::RawEvent::parse::<ImportEvent>) {
            Some(Ok(event)) => running.accept(id, &event),
            _ => ControlFlow::Continue(()),
        },
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_import_shows_its_progress_and_several_their_number() {
        assert_eq!(text(&[].into()), None);
        assert_eq!(text(&[(7, fraction(450, Some(1_000)))].into()).as_deref(), Some("45 %"));
        assert_eq!(text(&[(7, fraction(0, None))].into()).as_deref(), Some("1"));
        assert_eq!(text(&[(7, Some(0.5)), (8, None)].into()).as_deref(), Some("2"));
    }
}
