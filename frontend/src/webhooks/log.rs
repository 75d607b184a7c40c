//! The deliveries of a webhook: filters and page in the URL, new deliveries live.

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::{
    problem::Problem,
    webhook::{Delivery, DeliveryPage, WebhookEvent},
};

use super::query::{LogView, STATUSES, kind, status};
use super::refresh::Refresh;
use super::{labels, requests};
use crate::ui::time::{from_field, to_field};
use crate::ui::{Glyph, Icon, ListFrame, ListState, Relative, use_now};

#[component]
pub fn Log(id: Memo<i64>, view: Memo<LogView>, refresh: Refresh) -> impl IntoView {
    // The open delivery does not change the list.
    let listed = Memo::new(move |_| view.get().opening(None));
    let page = LocalResource::new(move || {
        refresh.track();
        let (id, view) = (id.get(), listed.get());
        async move { requests::deliveries(id, &view).await }
    });
    view! {
        <section class="card webhook-section" aria-labelledby="log-title">
            <header class="card-head">
                <div>
                    <h2 id="log-title">"Deliveries"</h2>
                    <p class="card-note">"Newest first, updated live."</p>
                </div>
                <Filters id listed />
            </header>
            <Rows id view page refresh />
        </section>
    }
}

#[component]
fn Filters(id: Memo<i64>, listed: Memo<LogView>) -> impl IntoView {
    let navigate = use_navigate();
    // A new filter starts at the newest delivery.
    let show = move |view: LogView| {
        let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
        navigate(&LogView { before: None, ..view }.href(id.get_untracked()), options);
    };
    let by_status = {
        let show = show.clone();
        move |event: ev::Event| show(LogView { status: status(&event_target_value(&event)), ..listed.get_untracked() })
    };
    let by_kind = {
        let show = show.clone();
        move |event: ev::Event| show(LogView { kind: kind(&event_target_value(&event)), ..listed.get_untracked() })
    };
    let by_since = move |event: ev::Event| {
        show(LogView { since: from_field(&event_target_value(&event)), ..listed.get_untracked() });
    };
    view! {
        <div class="log-filters">
            <select class="select" aria-label="Status" data-testid="log-status" on:change=by_status>
                <option value="" selected=move || listed.with(|view| view.status.is_none())>"Any status"</option>
                {STATUSES
                    .map(|status| {
                        let selected = move || listed.with(|view| view.status == Some(status));
                        view! { <option value=status.as_str() selected=selected>{labels::status_choice(status)}</option> }
                    })
                    .collect_view()}
            </select>
            <select class="select" aria-label="Event" data-testid="log-kind" on:change=by_kind>
                <option value="" selected=move || listed.with(|view| view.kind.is_none())>"Any event"</option>
                {WebhookEvent::all()
                    .map(|kind| {
                        let selected = move || listed.with(|view| view.kind == Some(kind));
                        view! { <option value=kind.as_str() selected=selected>{kind.as_str()}</option> }
                    })
                    .collect_view()}
            </select>
            <label class="log-since">
                <span>"Since"</span>
                <input
                    class="input"
                    type="datetime-local"
                    data-testid="log-since"
                    prop:value=move || listed.with(|view| view.since.map(to_field).unwrap_or_default())
                    on:change=by_since
                />
            </label>
        </div>
    }
}

#[component]
fn Rows(
    id: Memo<i64>,
    view: Memo<LogView>,
    page: LocalResource<Result<DeliveryPage, Problem>>,
    refresh: Refresh,
) -> impl IntoView {
    let rows = Memo::new(move |_| page.get().and_then(Result::ok).map(|page| page.items).unwrap_or_default());
    let next = Memo::new(move |_| page.get().and_then(Result::ok).and_then(|page| page.next));
    let state = Memo::new(move |_| ListState::of(page.get().map(|got| got.map(|page| page.items.is_empty()))));
    view! {
        <ListFrame state rows=6 retry=move || refresh.now() nothing=move || view! { <NoDeliveries id view /> }>
            <div class="table-frame table-frame-flush" role="group" aria-label="Table of deliveries" tabindex="0">
                <table class="table table-cards log-table" data-testid="log-table">
                    <thead>
                        <tr>
                            <th scope="col">"Status"</th>
                            <th scope="col">"Event"</th>
                            <th scope="col">"Response"</th>
                            <th scope="col" class="number">"Attempts"</th>
                            <th scope="col" class="number">"Duration"</th>
                            <th scope="col">"Created"</th>
                        </tr>
                    </thead>
                    <tbody>
                        // An unchanged row stays in place, since it may have the focus.
                        <For
                            each=move || rows.get()
                            key=|d| (d.id, d.status, d.attempts, d.next_attempt_at, d.paused)
                            children=move |delivery| view! { <Row id view delivery /> }
                        />
                    </tbody>
                </table>
            </div>
            <Pager id view next />
        </ListFrame>
    }
}

#[component]
fn Row(id: Memo<i64>, view: Memo<LogView>, delivery: Delivery) -> impl IntoView {
    let (tone, status) = labels::status(&delivery);
    let own = delivery.id;
    let href = move || view.with(|view| view.opening(Some(own)).href(id.get()));
    let opened = move || view.with(|view| view.open == Some(own)).then_some("true");
    let now = use_now();
    let pending = delivery.clone();
    let next = move || {
        let next = labels::next_attempt(&pending, now.get());
        next.map(|next| view! { <span class="cell-note">{next}</span> })
    };
    view! {
        <tr data-testid="delivery-row" data-status=delivery.status.as_str()>
            <td class="log-status">
                <span class="badge" data-tone=tone.as_str()><span class="badge-dot"></span>{status}</span>
            </td>
            <td class="log-event">
                <a href=href data-noscroll aria-current=opened data-testid="open-delivery">
                    <code>{delivery.kind.as_str()}</code>
                </a>
                {delivery.test.then_some(view! { <span class="cell-note">"test"</span> })}
            </td>
            <td class="log-answer">{labels::outcome(delivery.last_code, delivery.last_error)} " " {next}</td>
            <td class="number log-attempts">{delivery.attempts}</td>
            <td class="number log-duration">
                {delivery.last_duration_ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"))}
            </td>
            <td class="log-made"><Relative at=delivery.created_at /></td>
        </tr>
    }
}

#[component]
fn Pager(id: Memo<i64>, view: Memo<LogView>, next: Memo<Option<i64>>) -> impl IntoView {
    let link = move |target: Option<Option<i64>>, testid: &'static str, label: &'static str| {
        target.map(|before| {
            let href = view.with(|view| view.at(before).href(id.get()));
            view! { <a class="button" href=href data-noscroll data-testid=testid>{label}</a> }
        })
    };
    view! {
        <nav class="pager webhook-pager" aria-label="Pages of deliveries">
            {move || link(view.with(|view| view.before.is_some()).then_some(None), "log-newest", "Newest")}
            {move || link(next.get().map(Some), "log-older", "Older")}
        </nav>
    }
}

#[component]
fn NoDeliveries(id: Memo<i64>, view: Memo<LogView>) -> impl IntoView {
    let filtered = move || view.with(|view| view.is_filtered() || view.before.is_some());
    let clear = move || LogView::default().href(id.get());
    view! {
        <div class="empty" data-testid="no-deliveries">
            <Icon glyph=Glyph::Clock />
            {move || if filtered() {
                view! {
                    <p class="empty-title">"No matching deliveries"</p>
                    <a class="button" href=clear data-noscroll>"Show all deliveries"</a>
                }.into_any()
            } else {
                view! {
                    <p class="empty-title">"Nothing has been sent yet"</p>
                    <p>"Send a test, or change a product."</p>
                }.into_any()
            }}
        </div>
    }
}
