use leptos::prelude::*;

use super::state::Auth;
use crate::ui::{Glyph, Icon};

/// Key in the browser's storage: the banner was dismissed.
const DISMISSED_KEY: &str = "loadify-open-mode-banner";

/// Shown in open mode until it is dismissed.
#[component]
pub fn OpenModeBanner() -> impl IntoView {
    let auth = Auth::expect();
    let storage = || window().local_storage().ok().flatten();
    let stored = storage().and_then(|storage| storage.get_item(DISMISSED_KEY).ok().flatten());
    let dismissed = RwSignal::new(stored.is_some());
    let visible = Memo::new(move |_| auth.is_open() && !dismissed.get());
    let dismiss = move |_| {
        dismissed.set(true);
        if let Some(storage) = storage() {
            // If it cannot be stored, the banner is shown again.
            let _ = storage.set_item(DISMISSED_KEY, "true");
        }
    };
    view! {
        <Show when=move || visible.get()>
            <aside class="open-mode-banner" aria-label="Open mode" data-testid="open-mode-banner">
                <p>
                    <strong>"No accounts yet. "</strong>
                    "Anyone on this computer has full access. Use the setup link in the server log."
                </p>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Dismiss"
                    data-testid="dismiss-open-mode-banner"
                    on:click=dismiss
                >
                    <Icon glyph=Glyph::Cross />
                </button>
            </aside>
        </Show>
    }
}
