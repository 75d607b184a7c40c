//! A text with a button that copies it.

use leptos::{html, prelude::*};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::icon::{Glyph, Icon};
use super::toast::Toasts;

#[component]
pub fn CopyField(
    text: String,
    /// The name of the text, for screen readers.
    label: &'static str,
    /// Test id of the field; that of the button begins with `copy-`.
    testid: &'static str,
) -> impl IntoView {
    let toasts = Toasts::expect();
    let field = NodeRef::<html::Input>::new();
    let copied = RwSignal::new(false);
    let value = text.clone();
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            if write_to_clipboard(&text).await {
                copied.try_set(true);
                return;
            }
            if let Some(field) = field.try_get_untracked().flatten() {
                field.select();
            }
            toasts.warn("The browser blocked copying. The text is selected: press Ctrl+C.");
        });
    };
    view! {
        <div class="secret">
            <input class="input secret-input" node_ref=field readonly aria-label=label data-testid=testid value=value />
            <button type="button" class="button" data-testid=format!("copy-{testid}") on:click=copy>
                <Icon glyph=Glyph::Copy />
                {move || if copied.get() { "Copied" } else { "Copy" }}
            </button>
        </div>
        <p class="visually-hidden" role="status">{move || copied.get().then_some("Copied to the clipboard")}</p>
    }
}

/// Copies a text; returns whether that was possible. Pages without TLS have no clipboard.
pub async fn write_to_clipboard(text: &str) -> bool {
    let navigator = window().navigator();
    let exists = js_sys::Reflect::get(&navigator, &JsValue::from_str("clipboard")).is_ok_and(|it| !it.is_undefined());
    exists && JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}
