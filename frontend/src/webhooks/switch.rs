use leptos::prelude::*;
use shared::webhook::{Webhook, WebhookChange};
use wasm_bindgen_futures::spawn_local;

use super::refresh::Refresh;
use super::{labels, requests};
use crate::ui::{Notice, Toasts};

/// Enables or disables a webhook.
fn set_enabled(webhook: &Webhook, enabled: bool, refresh: Refresh, toasts: Toasts) {
    let id = webhook.id;
    spawn_local(async move {
        let change = WebhookChange { enabled: Some(enabled), ..WebhookChange::default() };
        match requests::change(id, &change).await {
            Ok(_) => toasts.say(if enabled { "Webhook enabled" } else { "Webhook disabled" }),
            Err(problem) => toasts.fail("Couldn't change the webhook", &problem),
        }
        refresh.now();
    });
}

#[component]
pub fn EnabledSwitch(webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let toasts = Toasts::expect();
    let enabled = Memo::new(move |_| webhook.with(|webhook| webhook.enabled));
    view! {
        <button
            type="button"
            class="switch"
            role="switch"
            aria-checked=move || enabled.get().to_string()
            aria-label=move || webhook.with(|webhook| format!("Enabled: {}", webhook.url))
            data-testid="enabled"
            on:click=move |_| webhook.with_untracked(|w| set_enabled(w, !w.enabled, refresh, toasts))
        >
            <span class="switch-track"></span>
            {move || if enabled.get() { "Enabled" } else { "Disabled" }}
        </button>
    }
}

/// Why the webhook is disabled; nothing while it is enabled.
#[component]
pub fn DisabledNotice(webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let toasts = Toasts::expect();
    let said = Memo::new(move |_| webhook.with(|w| labels::disabled(w).map(|(_, title, text)| (title, text))));
    move || {
        let (title, text) = said.get()?;
        let tone = webhook.with_untracked(labels::disabled)?.0;
        Some(view! {
            <div data-testid="disabled-notice">
                <Notice tone title>
                    <p>{text}</p>
                    <button
                        type="button"
                        class="button"
                        data-testid="enable-again"
                        on:click=move |_| webhook.with_untracked(|w| set_enabled(w, true, refresh, toasts))
                    >
                        "Enable"
                    </button>
                </Notice>
            </div>
        })
    }
}
