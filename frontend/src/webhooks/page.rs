use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use shared::{
    problem::{ErrorCode, Problem},
    webhook::Webhook,
};

use super::actions::Actions;
use super::card::{EventTags, FailingSince};
use super::delivery::DeliveryPanel;
use super::health_chart::HealthStrip;
use super::log::Log;
use super::query::LogView;
use super::refresh::Refresh;
use super::requests;
use super::snippet::Snippet;
use super::switch::{DisabledNotice, EnabledSwitch};
use super::test_delivery::TestDelivery;
use crate::ui::time::absolute;
use crate::ui::{Notice, ProblemNotice, Skeleton, Tone, page_title, use_now};

/// One webhook: health, test, deliveries, and how its receiver verifies messages.
#[component]
pub fn WebhookPage() -> impl IntoView {
    let params = use_params_map();
    // An invalid id is treated as one that does not exist.
    let id = Memo::new(move |_| params.read().get("id").and_then(|id| id.parse::<i64>().ok()).unwrap_or(0));
    page_title(move || format!("Webhook {}", id.get()));
    let refresh = Refresh::on_deliveries(move |delivery| id.try_get_untracked() == Some(delivery.webhook_id));
    let webhook = LocalResource::new(move || {
        refresh.track();
        requests::webhook(id.get())
    });
    let problem = Memo::new(move |_| webhook.get().and_then(Result::err));
    let known = Memo::new(move |_| webhook.get().and_then(Result::ok));
    let there = Memo::new(move |_| known.with(Option::is_some));
    view! {
        <div class="page webhooks-page">
            <p class="back-link"><a href="/webhooks">"All webhooks"</a></p>
            {move || match (problem.get(), there.get()) {
                (Some(problem), _) => view! { <Absent problem refresh /> }.into_any(),
                (None, false) => view! { <h1>"Webhook"</h1> <Skeleton rows=8 /> }.into_any(),
                (None, true) => known.get_untracked().map(|first| view! { <Content id known first refresh /> }).into_any(),
            }}
        </div>
    }
}

#[component]
fn Absent(problem: Problem, refresh: Refresh) -> impl IntoView {
    if problem.code != ErrorCode::NotFound {
        return view! { <h1>"Webhook"</h1> <ProblemNotice problem retry=move || refresh.now() /> }.into_any();
    }
    view! {
        <section class="empty" data-testid="no-such-webhook">
            <h1>"Webhook not found"</h1>
            <p>"It may have been deleted."</p>
            <a class="button button-primary" href="/webhooks">"All webhooks"</a>
        </section>
    }
    .into_any()
}

#[component]
fn Content(id: Memo<i64>, known: Memo<Option<Webhook>>, first: Webhook, refresh: Refresh) -> impl IntoView {
    let webhook =
        Memo::new(move |before: Option<&Webhook>| known.get().unwrap_or_else(|| before.unwrap_or(&first).clone()));
    let query = use_query_map();
    let view = Memo::new(move |_| LogView::read(|name| query.read().get(name)));
    view! {
        <header class="page-head">
            <div class="webhook-name">
                <h1 class="webhook-url" data-testid="webhook-url">{move || webhook.with(|webhook| webhook.url.clone())}</h1>
                <p class="page-lead">{move || webhook.with(|webhook| webhook.description.clone())}</p>
            </div>
            <EnabledSwitch webhook refresh />
        </header>
        <Actions webhook refresh />
        <DisabledNotice webhook refresh />
        <OldSecret webhook />
        <section class="card webhook-section" aria-label="Health">
            <EventTags events=Signal::derive(move || webhook.with(|webhook| webhook.events.clone())) />
            <HealthStrip webhook />
            <FailingSince webhook />
        </section>
        <TestDelivery webhook refresh />
        <Log id view refresh />
        <Snippet />
        <DeliveryPanel id view refresh />
    }
}

/// Shown while two secrets are valid.
#[component]
fn OldSecret(webhook: Memo<Webhook>) -> impl IntoView {
    let now = use_now();
    let until = Memo::new(move |_| webhook.with(|webhook| webhook.old_secret_until.filter(|until| *until > now.get())));
    move || {
        let until = until.get()?;
        Some(view! {
            <div data-testid="old-secret">
                <Notice tone=Tone::Neutral title="Two secrets are valid">
                    <p>{format!("Both secrets are valid until {}.", absolute(until))}</p>
                </Notice>
            </div>
        })
    }
}
