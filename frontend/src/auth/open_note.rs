use leptos::prelude::*;

use super::state::Access;
use crate::ui::{Glyph, Icon};

/// Remembers in this browser that the note has been read.
const KEY: &str = "loadify-open-note";

/// Says that nobody has to sign in, until somebody has read it.
#[component]
pub fn OpenNote() -> impl IntoView {
    let access = Access::expect();
    let storage = || window().local_storage().ok().flatten();
    let read = RwSignal::new(storage().and_then(|storage| storage.get_item(KEY).ok().flatten()).is_some());
    let shown = Memo::new(move |_| access.is_open() && !read.get());
    let dismiss = move |_| {
        read.set(true);
        if let Some(storage) = storage() {
            // Where it cannot be stored, the note comes again.
            let _ = storage.set_item(KEY, "read");
        }
    };
    view! {
        <Show when=move || shown.get()>
            <aside class="open-note" aria-label="Who may come in" data-testid="open-note">
                <p>
                    <strong>"Open: "</strong>
                    "no account has been made; everybody on this machine may do everything. Make the first account by the
                    link that the server printed."
                </p>
                <button type="button" class="icon-button" aria-label="Dismiss" data-testid="dismiss-open-note" on:click=dismiss>
                    <Icon glyph=Glyph::Cross />
                </button>
            </aside>
        </Show>
    }
}
