use leptos::prelude::*;
use shared::{
    problem::Problem,
    webhook::{Webhook, WebhookList},
};

use super::card::WebhookCard;
use super::form::{Saved, WebhookDialog};
use super::refresh::Refresh;
use super::requests;
use super::secret::{NewSecret, SecretDialog};
use crate::ui::{AddButton, Glyph, Icon, ListFrame, ListState, PageHead, page_title};

/// All webhooks with their health.
#[component]
pub fn WebhooksPage() -> impl IntoView {
    page_title(|| "Webhooks".to_owned());
    let refresh = Refresh::on_deliveries(|_| true);
    let list = LocalResource::new(move || {
        refresh.track();
        requests::list()
    });
    let adding = RwSignal::new(false);
    let nothing = Signal::stored(None::<Webhook>);
    let secret = RwSignal::new(None);
    let on_saved = move |saved| {
        if let Saved::New(value) = saved {
            secret.set(Some(NewSecret { secret: value, note: "Add it to the settings of the receiver." }));
        }
        refresh.now();
    };
    view! {
        <div class="page webhooks-page">
            <PageHead
                title="Webhooks"
                lead="Signed messages to other systems when a person or the API changes a product, or when an import ends."
            >
                <AddButton open=adding label="Add webhook" testid="new-webhook" />
            </PageHead>
            <Webhooks list refresh adding />
            <WebhookDialog open=adding webhook=nothing on_saved />
            <SecretDialog shown=secret />
        </div>
    }
}

#[component]
fn Webhooks(
    list: LocalResource<Result<WebhookList, Problem>>,
    refresh: Refresh,
    adding: RwSignal<bool>,
) -> impl IntoView {
    let state = Memo::new(move |_| ListState::of(list.get().map(|got| got.map(|list| list.items.is_empty()))));
    let webhooks = Memo::new(move |_| list.get().and_then(Result::ok).map(|list| list.items).unwrap_or_default());
    // A card stays in place when its figures change, since it may have the focus.
    let card = move |first: Webhook| {
        let webhook = Memo::new(move |before: Option<&Webhook>| {
            let found = webhooks.with(|all| all.iter().find(|webhook| webhook.id == first.id).cloned());
            found.unwrap_or_else(|| before.unwrap_or(&first).clone())
        });
        view! { <WebhookCard webhook refresh /> }
    };
    view! {
        <ListFrame state rows=5 retry=move || refresh.now() nothing=move || view! { <NoWebhooks adding /> }>
            <ul class="webhook-list" data-testid="webhooks">
                <For each=move || webhooks.get() key=|webhook| webhook.id children=card />
            </ul>
        </ListFrame>
    }
}

#[component]
fn NoWebhooks(adding: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="empty" data-testid="no-webhooks">
            <Icon glyph=Glyph::External />
            <p class="empty-title">"No webhooks yet"</p>
            <p>"Add a URL of your system to get a signed message for each change."</p>
            <button type="button" class="button button-primary" on:click=move |_| adding.set(true)>
                "Add the first webhook"
            </button>
        </div>
    }
}
