//! The audit log page.

use leptos::{ev, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use shared::auth::{AuditEntry, AuditPage as Page};

use super::audit_query::AuditView;
use super::requests;
use crate::api::encode;
use crate::ui::time::{from_field, to_field};
use crate::ui::{Glyph, Icon, PageHead, ProblemNotice, Relative, Skeleton, page_title};

/// Kinds of objects: prefix of the action, label.
const AREAS: [(&str, &str); 7] = [
    ("", "All actions"),
    ("product.", "Products"),
    ("import.,upload.", "Imports and uploads"),
    ("webhook.", "Webhooks"),
    ("session.", "Sessions"),
    ("user.", "Users"),
    ("key.", "Keys"),
];

#[component]
pub fn AuditPage() -> impl IntoView {
    page_title(|| "Audit log".to_owned());
    let query = use_query_map();
    let view = Memo::new(move |_| AuditView::read(|name| query.read().get(name)));
    let page = LocalResource::new(move || {
        let query = view.with(|view| view.query(encode));
        async move { requests::audit(&query).await }
    });
    let csv = move || view.with(|view| requests::audit_csv_url(&view.csv_query(encode)));
    view! {
        <div class="page">
            <PageHead title="Audit log" lead="Sign-ins and changes, with who and from where.">
                <a class="button" href=csv download rel="external" data-testid="audit-csv">
                    <Icon glyph=Glyph::Download />
                    "Export as CSV"
                </a>
            </PageHead>
            <Filters view />
            <Transition fallback=|| view! { <Skeleton rows=10 /> }>
                {move || Suspend::new(async move {
                    match page.await {
                        Ok(page) if page.items.is_empty() => view! { <NoEntries view /> }.into_any(),
                        Ok(page) => view! { <Entries page view /> }.into_any(),
                        Err(problem) => view! { <ProblemNotice problem retry=move || page.refetch() /> }.into_any(),
                    }
                })}
            </Transition>
        </div>
    }
}

#[component]
fn Filters(view: Memo<AuditView>) -> impl IntoView {
    let navigate = use_navigate();
    // A new filter starts at the newest entry.
    let show = StoredValue::new(move |view: AuditView| {
        let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
        navigate(&view.at(None).href(encode), options);
    });
    let change = move |change: fn(&mut AuditView, String)| {
        move |event: ev::Event| {
            let mut next = view.get_untracked();
            change(&mut next, event_target_value(&event));
            show.with_value(|show| show(next));
        }
    };
    let action = Memo::new(move |_| view.with(|view| view.action.clone()));
    let single = Memo::new(move |_| Some(action.get()).filter(|action| !AREAS.iter().any(|(area, _)| area == action)));
    let area = move |(value, label): (&'static str, &'static str)| {
        view! { <option value=value selected=move || action.with(|action| action == value)>{label}</option> }
    };
    let moment = move |label: &'static str,
                       testid: &'static str,
                       value: Signal<String>,
                       on: fn(&mut AuditView, String)| {
        view! {
            <label class="log-since">
                <span>{label}</span>
                <input class="input" type="datetime-local" data-testid=testid prop:value=value on:change=change(on) />
            </label>
        }
    };
    let since = Signal::derive(move || view.with(|view| view.since.map(to_field).unwrap_or_default()));
    let until = Signal::derive(move || view.with(|view| view.until.map(to_field).unwrap_or_default()));
    view! {
        <form class="log-filters audit-filters" role="search" aria-label="Audit log" on:submit=|event| event.prevent_default()>
            <input
                class="input"
                type="search"
                placeholder="Actor: a user, or key and its name"
                aria-label="Actor: a user, or key and its name"
                data-testid="audit-actor"
                prop:value=move || view.with(|view| view.actor.clone())
                on:change=change(|view, text| view.actor = text)
            />
            <select class="select" aria-label="Action" data-testid="audit-action" on:change=change(|view, text| view.action = text)>
                {AREAS.map(area).collect_view()}
                // A single action, selected by the link in a row.
                {move || single.get().map(|action| view! { <option value=action.clone() selected=true>{action.clone()}</option> })}
            </select>
            {moment("Since", "audit-since", since, |view, text| view.since = from_field(&text))}
            {moment("Until", "audit-until", until, |view, text| view.until = from_field(&text))}
            {move || view.with(AuditView::is_filtered).then(|| view! {
                <a class="link-button" href="/audit" data-noscroll data-testid="audit-clear">"Clear"</a>
            })}
        </form>
    }
}

#[component]
fn Entries(page: Page, view: Memo<AuditView>) -> impl IntoView {
    let at = view.get_untracked();
    let newest = at.before.map(|_| {
        view! { <a class="button" href=at.at(None).href(encode) data-noscroll data-testid="audit-newest">"Newest"</a> }
    });
    let older = page.next.map(|next| {
        let href = at.at(Some(next)).href(encode);
        view! { <a class="button" href=href data-testid="audit-older">"Older" <Icon glyph=Glyph::Next /></a> }
    });
    view! {
        <div class="table-frame" role="group" aria-label="Table of the audit log" tabindex="0">
            <table class="table table-cards audit-table" data-testid="audit-table">
                <caption class="visually-hidden">"Audit log"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Actor"</th>
                        <th scope="col">"Action"</th>
                        <th scope="col">"Target"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col" class="number">"Response"</th>
                    </tr>
                </thead>
                <tbody>{page.items.into_iter().map(|entry| view! { <EntryRow entry view=at.clone() /> }).collect_view()}</tbody>
            </table>
        </div>
        <nav class="pager" aria-label="Pages of the audit log">{newest}{older}</nav>
    }
}

#[component]
fn EntryRow(
    entry: AuditEntry,
    /// The current view, which the links in the row narrow down.
    view: AuditView,
) -> impl IntoView {
    let (tone, response) = response(entry.status);
    let of_actor = AuditView { actor: entry.actor.clone(), before: None, ..view.clone() }.href(encode);
    let of_action = AuditView { action: entry.action.clone(), before: None, ..view }.href(encode);
    view! {
        <tr data-testid="audit-row">
            <td class="audit-time"><Relative at=entry.at /></td>
            <td class="audit-actor"><a href=of_actor data-noscroll title="Show only this actor">{entry.actor}</a></td>
            <td class="audit-action"><a href=of_action data-noscroll title="Show only this action"><code>{entry.action}</code></a></td>
            <td class="audit-target"><code>{entry.target}</code></td>
            <td class="audit-address">{entry.address}</td>
            <td class="number audit-status">
                <span class="badge" data-tone=tone>{response}</span>
            </td>
        </tr>
    }
}

/// Returns tone and text of a response.
fn response(status: Option<i32>) -> (&'static str, String) {
    match status {
        None => ("neutral", "None".to_owned()),
        Some(status @ ..400) => ("good", status.to_string()),
        Some(status @ 400..500) => ("warning", status.to_string()),
        Some(status) => ("bad", status.to_string()),
    }
}

#[component]
fn NoEntries(view: Memo<AuditView>) -> impl IntoView {
    let at = view.get_untracked();
    let text = if at.is_filtered() || at.before.is_some() {
        view! {
            <p class="empty-title">"No matching entries"</p>
            <a class="button" href="/audit" data-noscroll>"Show all entries"</a>
        }
        .into_any()
    } else {
        view! {
            <p class="empty-title">"No entries yet"</p>
            <p>"Sign-ins and changes are listed here."</p>
        }
        .into_any()
    };
    view! {
        <div class="empty" data-testid="no-entries">
            <Icon glyph=Glyph::Clock />
            {text}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_warning_tone() {
        assert_eq!(response(Some(204)), ("good", "204".into()));
        assert_eq!(response(Some(403)).0, "warning");
        assert_eq!(response(Some(500)).0, "bad");
        assert_eq!(response(None), ("neutral", "None".into()));
    }
}
