use leptos::prelude::*;
use shared::webhook::{Webhook, WebhookEvent};

use super::health_chart::HealthStrip;
use super::refresh::Refresh;
use super::switch::{DisabledNotice, EnabledSwitch};
use crate::ui::Relative;

/// One webhook of the list.
#[component]
pub fn WebhookCard(webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let href = move || webhook.with(|webhook| format!("/webhooks/{}", webhook.id));
    view! {
        <li class="card webhook-card" data-testid="webhook-card">
            <div class="webhook-main">
                <div class="webhook-name">
                    <h2>
                        <a class="webhook-link" href=href data-testid="webhook-link">
                            {move || webhook.with(|webhook| webhook.url.clone())}
                        </a>
                    </h2>
                    <p class="card-note">{move || webhook.with(|webhook| webhook.description.clone())}</p>
                </div>
                <EnabledSwitch webhook refresh />
            </div>
            <EventTags events=Signal::derive(move || webhook.with(|webhook| webhook.events.clone())) />
            <HealthStrip webhook />
            <FailingSince webhook />
            <DisabledNotice webhook refresh />
        </li>
    }
}

/// The events that a webhook subscribes to.
#[component]
pub fn EventTags(events: Signal<Vec<WebhookEvent>>) -> impl IntoView {
    view! {
        <ul class="event-tags" aria-label="Events">
            <For each=move || events.get() key=|event| *event children=|event| view! { <li><code>{event.as_str()}</code></li> } />
        </ul>
    }
}

/// Time of the first failure since the last success; nothing where the last attempt succeeded, or while it is disabled.
#[component]
pub fn FailingSince(webhook: Memo<Webhook>) -> impl IntoView {
    let since = Memo::new(move |_| webhook.with(|w| w.health.failing_since.filter(|_| w.enabled)));
    move || {
        let at = since.get()?;
        Some(view! {
            <p class="failing" data-testid="failing-since">
                "Failing since "
                <Relative at />
                ". After five days of failures the webhook is disabled."
            </p>
        })
    }
}
