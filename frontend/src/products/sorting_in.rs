use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::requests;
use crate::ui::every;
use crate::ui::format::thousands;

/// How often the server is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Shows the index lag until it is 0. Until then, some orders and filters are slower.
#[component]
pub fn SortingIn() -> impl IntoView {
    let pending = RwSignal::new(None::<i64>);
    let ask = move || {
        // Nobody waits for zero twice.
        if pending.get_untracked() == Some(0) {
            return;
        }
        spawn_local(async move {
            if let Ok(index) = requests::index().await {
                pending.try_set(Some(index.lag));
            }
        });
    };
    ask();
    every(ASK_EVERY, ask);
    let text = move || {
        let pending = pending.get().filter(|pending| *pending > 0)?;
        Some(format!("Optimizing the list ({} left). You can use it now.", thousands(pending)))
    };
    view! { <span class="sorting-in" data-testid="sorting-in">{text}</span> }
}
