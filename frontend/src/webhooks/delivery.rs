//! One delivery next to the log: its message and its attempts.

use leptos::{ev, html, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::{
    problem::Problem,
    webhook::{Delivery, DeliveryDetail, DeliveryStatus},
};
use wasm_bindgen_futures::spawn_local;

use super::attempt::AttemptView;
use super::query::LogView;
use super::refresh::Refresh;
use super::{labels, requests};
use crate::ui::{Glyph, Icon, ProblemNotice, Relative, Skeleton, Toasts};

#[component]
pub fn DeliveryPanel(id: Memo<i64>, view: Memo<LogView>, refresh: Refresh) -> impl IntoView {
    let open = Memo::new(move |_| view.with(|view| view.open));
    move || open.get().map(|delivery| view! { <Panel id view delivery refresh /> })
}

#[component]
fn Panel(id: Memo<i64>, view: Memo<LogView>, delivery: i64, refresh: Refresh) -> impl IntoView {
    let navigate = use_navigate();
    let close = move || {
        let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
        navigate(&view.with_untracked(|view| view.opening(None)).href(id.get_untracked()), options);
        focus_log();
    };
    let on_key = {
        let close = close.clone();
        move |event: ev::KeyboardEvent| {
            if event.key() == "Escape" {
                event.prevent_default();
                close();
            }
        }
    };
    let element = NodeRef::<html::Section>::new();
    Effect::new(move |_| {
        if let Some(element) = element.get() {
            let _ = element.focus();
        }
    });
    view! {
        <section
            class="panel delivery-panel"
            role="dialog"
            aria-labelledby="delivery-title"
            tabindex="-1"
            data-testid="delivery-panel"
            node_ref=element
            on:keydown=on_key
        >
            <header class="panel-head">
                <h2 id="delivery-title">{format!("Delivery {delivery}")}</h2>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Close"
                    data-testid="close-delivery"
                    on:click=move |_| close()
                >
                    <Icon glyph=Glyph::Cross />
                </button>
            </header>
            <Content delivery refresh />
        </section>
    }
}

/// Returns the focus to the log.
fn focus_log() {
    request_animation_frame(|| {
        let link = document().query_selector("[data-testid=open-delivery]").ok().flatten();
        if let Some(link) = link.and_then(|link| wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlElement>(link).ok()) {
            let _ = link.focus();
        }
    });
}

#[component]
fn Content(delivery: i64, refresh: Refresh) -> impl IntoView {
    let detail = LocalResource::new(move || {
        refresh.track();
        requests::delivery(delivery)
    });
    // Rendered again only when something changed, so that open sections stay open.
    let known: Memo<Option<Result<DeliveryDetail, Problem>>> = Memo::new(move |_| detail.get());
    move || match known.get() {
        None => view! { <div class="panel-body"><Skeleton rows=6 /></div> }.into_any(),
        Some(Err(problem)) => {
            view! { <div class="panel-body"><ProblemNotice problem retry=move || refresh.now() /></div> }.into_any()
        }
        Some(Ok(detail)) => view! { <Details detail refresh /> }.into_any(),
    }
}

#[component]
fn Details(detail: DeliveryDetail, refresh: Refresh) -> impl IntoView {
    let DeliveryDetail { delivery, url, payload, log } = detail;
    let attempts = log.into_iter().rev().map(|attempt| view! { <AttemptView attempt /> }).collect_view();
    let never = (delivery.attempts == 0).then_some(view! { <p class="exchange-note">"No attempts yet."</p> });
    view! {
        <div class="panel-body">
            <Summary delivery=delivery.clone() url />
            <details class="exchange">
                <summary>"Message"</summary>
                <pre class="exchange-body" tabindex="0" aria-label="Body of the message" data-testid="payload">{pretty(&payload)}</pre>
            </details>
            {never}
            {attempts}
        </div>
        <footer class="panel-foot">
            <Redeliver delivery refresh />
        </footer>
    }
}

/// Formats JSON for display; the body that is signed has no line breaks.
fn pretty(payload: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(payload);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| payload.to_owned())
}

#[component]
fn Summary(delivery: Delivery, url: String) -> impl IntoView {
    let (tone, status) = labels::status(&delivery);
    view! {
        <dl class="record">
            <div>
                <dt>"Status"</dt>
                <dd data-testid="delivery-status">
                    <span class="badge" data-tone=tone.as_str()><span class="badge-dot"></span>{status}</span>
                </dd>
            </div>
            <div><dt>"Event"</dt><dd><code>{delivery.kind.as_str()}</code></dd></div>
            <div><dt>"Created"</dt><dd><Relative at=delivery.created_at /></dd></div>
            <div><dt>"Attempts"</dt><dd>{delivery.attempts}</dd></div>
            <div class="record-wide"><dt>"webhook-id"</dt><dd><code>{delivery.event_id}</code></dd></div>
            <div class="record-wide"><dt>"URL"</dt><dd>{url}</dd></div>
        </dl>
    }
}

#[component]
fn Redeliver(delivery: Delivery, refresh: Refresh) -> impl IntoView {
    let toasts = Toasts::expect();
    let (id, waiting) = (delivery.id, delivery.status == DeliveryStatus::Pending);
    let redeliver = move |_| {
        spawn_local(async move {
            match requests::redeliver(id).await {
                Ok(_) => toasts.say("Delivery queued"),
                Err(problem) => toasts.fail("Couldn't redeliver", &problem),
            }
            refresh.now();
        });
    };
    view! {
        <button type="button" class="button button-primary" data-testid="redeliver" on:click=redeliver>
            {if waiting { "Try now" } else { "Redeliver" }}
        </button>
    }
}
