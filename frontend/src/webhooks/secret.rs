//! The secret of a webhook, the one time that it is shown.

use leptos::{html, prelude::*};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::ui::{Glyph, Icon, Modal, Toasts};

/// A secret that is to be shown now.
#[derive(Debug, Clone)]
pub struct Shown {
    pub secret: String,
    /// What is to be known about it beside that it is not shown again.
    pub note: &'static str,
}

#[component]
pub fn SecretDialog(
    /// Set to show it; forgotten when the dialog is closed.
    shown: RwSignal<Option<Shown>>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(shown.with(Option::is_some)));
    Effect::new(move |before: Option<bool>| {
        let open = open.get();
        if before == Some(true) && !open {
            shown.set(None);
        }
        open
    });
    let content = move || shown.get().map(|shown| view! { <Secret shown /> });
    view! {
        <Modal open title="Signing secret" id="secret-dialog">
            {content}
            <div class="dialog-actions">
                <button
                    type="button"
                    class="button button-primary"
                    data-testid="secret-done"
                    on:click=move |_| open.set(false)
                >
                    "I have stored it"
                </button>
            </div>
        </Modal>
    }
}

#[component]
fn Secret(shown: Shown) -> impl IntoView {
    let toasts = Toasts::expect();
    let field = NodeRef::<html::Input>::new();
    let copied = RwSignal::new(false);
    let secret = shown.secret.clone();
    let copy = move |_| {
        let secret = secret.clone();
        spawn_local(async move {
            if write_to_clipboard(&secret).await {
                copied.try_set(true);
                return;
            }
            if let Some(field) = field.try_get_untracked().flatten() {
                field.select();
            }
            toasts.warn("The browser does not let the page copy it. It is selected: press Ctrl+C.");
        });
    };
    view! {
        <p>"The receiver checks with it that a message comes from here. It is shown only now."</p>
        <p>{shown.note}</p>
        <div class="secret">
            <input
                class="input secret-input"
                node_ref=field
                readonly
                aria-label="Signing secret"
                data-testid="secret"
                value=shown.secret
            />
            <button type="button" class="button" data-testid="copy-secret" on:click=copy>
                <Icon glyph=Glyph::Copy />
                {move || if copied.get() { "Copied" } else { "Copy" }}
            </button>
        </div>
        <p class="visually-hidden" role="status">{move || copied.get().then_some("The secret was copied")}</p>
    }
}

/// Whether it could: pages without TLS have no clipboard.
pub async fn write_to_clipboard(text: &str) -> bool {
    let navigator = window().navigator();
    let there = js_sys::Reflect::get(&navigator, &JsValue::from_str("clipboard")).is_ok_and(|it| !it.is_undefined());
    there && JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}
