//! The note that products of an import are still being indexed.

use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::products::requests;
use crate::ui::every;
use crate::ui::format::thousands;

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Shows how many products are not indexed yet, until none is left: until then some orders and filters are slower.
#[component]
pub fn IndexingNote() -> impl IntoView {
    let lag = RwSignal::new(None::<i64>);
    let poll = move || {
        if lag.get_untracked() == Some(0) {
            return;
        }
        spawn_local(async move {
            if let Ok(index) = requests::index().await {
                lag.try_set(Some(index.lag));
            }
        });
    };
    poll();
    every(POLL_INTERVAL, poll);
    let text = move || {
        let lag = lag.get().filter(|lag| *lag > 0)?;
        Some(format!("Optimizing the list ({} left). You can use it now.", thousands(lag)))
    };
    view! { <span class="indexing" data-testid="indexing">{text}</span> }
}
