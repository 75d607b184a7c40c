//! The page of API keys.

use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;
use shared::{
    auth::{ApiKey, KeyList, NewKey, Scope},
    problem::Problem,
};
use wasm_bindgen_futures::spawn_local;

use super::key_dialogs::{CreateKeyDialog, NewKeyDialog};
use super::requests;
use crate::ui::time::absolute;
use crate::ui::{
    AddButton, ConfirmDialog, Glyph, Icon, ListFrame, ListState, PageHead, Relative, Toasts, page_title,
    question_about, use_now,
};

/// How long before its end a key is marked as expiring.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(14);

#[derive(Clone, Copy)]
struct Keys {
    list: LocalResource<Result<KeyList, Problem>>,
    /// The key that the user is asked about.
    asked: RwSignal<Option<ApiKey>>,
    toasts: Toasts,
}

impl Keys {
    fn load(self) {
        if !self.list.is_disposed() {
            self.list.refetch();
        }
    }

    fn revoke(self, key: ApiKey) {
        spawn_local(async move {
            match requests::revoke_key(key.id).await {
                Ok(()) => self.toasts.say(format!("{} was revoked", key.name)),
                Err(problem) => self.toasts.fail(&format!("Couldn't revoke {}", key.name), &problem),
            }
            self.load();
        });
    }
}

#[component]
pub fn KeysPage() -> impl IntoView {
    page_title(|| "API keys".to_owned());
    let creating = RwSignal::new(false);
    let created = RwSignal::new(None::<NewKey>);
    let keys = Keys { list: LocalResource::new(requests::keys), asked: RwSignal::new(None), toasts: Toasts::expect() };
    let on_created = move |key| {
        created.set(Some(key));
        keys.load();
    };
    view! {
        <div class="page">
            <PageHead title="API keys" lead="For programs. A key has the permissions of its scopes, at most those of its owner, and ends with its owner.">
                <AddButton open=creating label="Create key" testid="create-key" />
            </PageHead>
            <Table keys creating />
            <CreateKeyDialog open=creating on_created />
            <NewKeyDialog created />
            <RevokeDialog keys />
        </div>
    }
}

#[component]
fn Table(keys: Keys, creating: RwSignal<bool>) -> impl IntoView {
    let list = keys.list;
    let state = Memo::new(move |_| ListState::of(list.get().map(|got| got.map(|list| list.items.is_empty()))));
    let known = Memo::new(move |_| list.get().and_then(Result::ok).map(|list| list.items).unwrap_or_default());
    view! {
        <ListFrame state rows=4 retry=move || keys.load() nothing=move || view! { <NoKeys creating /> }>
            <div class="table-frame">
                <table class="table table-cards keys-table" data-testid="keys-table">
                    <caption class="visually-hidden">"API keys"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Prefix"</th>
                            <th scope="col">"Scopes"</th>
                            <th scope="col">"Expires"</th>
                            <th scope="col">"Last used"</th>
                            <th scope="col">"Owner"</th>
                            <th scope="col">"Created"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        <For
                            each=move || known.get()
                            key=|key| (key.id, key.last_used_at, key.active)
                            children=move |key| view! { <KeyRow key_=key keys /> }
                        />
                    </tbody>
                </table>
            </div>
        </ListFrame>
    }
}

#[component]
fn KeyRow(key_: ApiKey, keys: Keys) -> impl IntoView {
    let key = key_.clone();
    let scopes = |scope: &Scope| view! { <li><code>{scope.as_str()}</code></li> };
    let is_expired = key.expires_at.is_some_and(|at| at <= Utc::now());
    let inactive = (!key.active && !is_expired).then(|| {
        view! { " " <span class="badge" data-tone="bad" data-testid="key-inactive">"Owner disabled"</span> }
    });
    let last_used = match key.last_used_at {
        Some(at) => view! { <Relative at /> }.into_any(),
        None => "Never".into_any(),
    };
    view! {
        <tr data-testid="key-row">
            <td class="cell-title">{key.name.clone()}</td>
            <td class="key-prefix" data-label="Prefix"><code>{key.prefix.clone()}</code></td>
            <td class="key-scopes">
                <ul class="event-tags" aria-label="Scopes">{key.scopes.iter().map(scopes).collect_view()}</ul>
            </td>
            <td data-label="Expires"><Expiry at=key.expires_at /></td>
            <td data-label="Last used">{last_used}</td>
            <td data-label="Owner">{key.owner.clone()}{inactive}</td>
            <td data-label="Created"><Relative at=key.created_at /></td>
            <td class="key-actions">
                <button
                    type="button"
                    class="button button-quiet-danger"
                    data-testid="revoke-key"
                    aria-label=format!("Revoke {}", key.name)
                    on:click=move |_| keys.asked.set(Some(key_.clone()))
                >
                    "Revoke"
                </button>
            </td>
        </tr>
    }
}

/// When a key expires.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lifetime {
    Unlimited,
    Until(String),
    Soon(String),
    Expired(String),
}

fn lifetime(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Lifetime {
    let Some(at) = expires_at else { return Lifetime::Unlimited };
    let date = at.with_timezone(&chrono::Local).format("%-d %b %Y").to_string();
    match at - now {
        left if left <= TimeDelta::zero() => Lifetime::Expired(date),
        left if left < EXPIRES_SOON => Lifetime::Soon(match left.num_days() {
            0 => "within a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        }),
        _ => Lifetime::Until(date),
    }
}

#[component]
fn Expiry(at: Option<DateTime<Utc>>) -> impl IntoView {
    let now = use_now();
    let lifetime = Memo::new(move |_| lifetime(at, now.get()));
    let title = at.map(absolute);
    move || match lifetime.get() {
        Lifetime::Unlimited => view! { <span>"Never"</span> }.into_any(),
        Lifetime::Until(date) => view! { <span title=title.clone()>{date}</span> }.into_any(),
        Lifetime::Soon(left) => {
            view! { <span class="badge" data-tone="warning" title=title.clone()>{left}</span> }.into_any()
        }
        Lifetime::Expired(date) => view! {
            <span class="badge" data-tone="bad" data-testid="key-expired" title=title.clone()>"Expired " {date}</span>
        }
        .into_any(),
    }
}

#[component]
fn NoKeys(creating: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="empty" data-testid="no-keys">
            <Icon glyph=Glyph::Key />
            <p class="empty-title">"No keys yet"</p>
            <p>"Scripts that import or export products authenticate with a key."</p>
            <button type="button" class="button button-primary" on:click=move |_| creating.set(true)>
                "Create a key"
            </button>
        </div>
    }
}

#[component]
fn RevokeDialog(keys: Keys) -> impl IntoView {
    let (open, shown) = question_about(keys.asked);
    let title = Signal::derive(move || {
        shown.with(|key| key.as_ref().map(|key| format!("Revoke {}?", key.name)).unwrap_or_default())
    });
    let confirmed = move || {
        if let Some(key) = shown.get_untracked() {
            keys.revoke(key);
        }
    };
    view! {
        <ConfirmDialog
            open
            title
            confirm="Revoke key"
            dismiss="Cancel"
            testid="confirm-revoke"
            on_confirm=confirmed
        >
            <p>"Programs that use it lose access immediately. This can't be undone."</p>
        </ConfirmDialog>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_marked_before_and_after_it_expires() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let after = |left: TimeDelta| lifetime(Some(now + left), now);
        assert_eq!(lifetime(None, now), Lifetime::Unlimited);
        assert!(matches!(after(TimeDelta::days(30)), Lifetime::Until(_)));
        assert_eq!(after(TimeDelta::days(13)), Lifetime::Soon("in 13 days".into()));
        assert_eq!(after(TimeDelta::hours(3)), Lifetime::Soon("within a day".into()));
        assert!(matches!(after(TimeDelta::zero()), Lifetime::Expired(_)));
    }
}
