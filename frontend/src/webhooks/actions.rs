//! Actions on one webhook.

use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use shared::webhook::Webhook;
use wasm_bindgen_futures::spawn_local;

use super::form::WebhookDialog;
use super::refresh::Refresh;
use super::replay::ReplayDialog;
use super::requests;
use super::secret::{NewSecret, SecretDialog};
use crate::ui::{ConfirmDialog, Glyph, Icon, Toasts};

#[component]
pub fn Actions(webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let [editing, rotating, replaying, deleting] = [(); 4].map(|()| RwSignal::new(false));
    let opener = |open: RwSignal<bool>, label: &'static str, testid: &'static str| {
        view! {
            <button type="button" class="button" data-testid=testid on:click=move |_| open.set(true)>
                {label}
            </button>
        }
    };
    view! {
        <div class="webhook-actions">
            {opener(editing, "Edit", "edit-webhook")}
            {opener(rotating, "Rotate secret", "rotate-secret")}
            {opener(replaying, "Replay failed …", "replay")}
            <button
                type="button"
                class="button button-quiet-danger"
                data-testid="delete-webhook"
                on:click=move |_| deleting.set(true)
            >
                <Icon glyph=Glyph::Trash />
                "Delete"
            </button>
        </div>
        <WebhookDialog
            open=editing
            webhook=Signal::derive(move || Some(webhook.get()))
            on_saved=move |_| refresh.now()
        />
        <RotateDialog open=rotating webhook refresh />
        <ReplayDialog open=replaying webhook refresh />
        <DeleteDialog open=deleting webhook />
    }
}

#[component]
fn RotateDialog(open: RwSignal<bool>, webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let toasts = Toasts::expect();
    let secret = RwSignal::new(None);
    let rotate = move || {
        let id = webhook.with_untracked(|webhook| webhook.id);
        spawn_local(async move {
            match requests::rotate(id).await {
                Ok(rotated) => {
                    let note = "For 24 hours messages are signed with the previous secret as well.";
                    secret.try_set(Some(NewSecret { secret: rotated.secret, note }));
                    refresh.now();
                }
                Err(problem) => toasts.fail("Couldn't rotate the secret", &problem),
            }
        });
    };
    view! {
        <ConfirmDialog
            open
            title="Rotate the secret?"
            confirm="Rotate"
            dismiss="Cancel"
            testid="confirm-rotate"
            on_confirm=rotate
        >
            <p>"A new secret is created and shown once. For 24 hours each message has two signatures, one with each secret,
                so that the receiver can switch to the new secret without losing messages."</p>
        </ConfirmDialog>
        <SecretDialog shown=secret />
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, webhook: Memo<Webhook>) -> impl IntoView {
    let toasts = Toasts::expect();
    let navigate = use_navigate();
    let delete = move || {
        let navigate = navigate.clone();
        let id = webhook.with_untracked(|webhook| webhook.id);
        spawn_local(async move {
            match requests::delete(id).await {
                Ok(()) => {
                    toasts.say("Webhook deleted");
                    // Unless the user has left the page.
                    if webhook.try_get_untracked().is_some() {
                        navigate("/webhooks", leptos_router::NavigateOptions::default());
                    }
                }
                Err(problem) => toasts.fail("Couldn't delete the webhook", &problem),
            }
        });
    };
    view! {
        <ConfirmDialog
            open
            title="Delete this webhook?"
            confirm="Delete"
            dismiss="Cancel"
            testid="confirm-delete"
            on_confirm=delete
        >
            <p class="webhook-url">{move || webhook.with(|webhook| webhook.url.clone())}</p>
            <p>"Its log and its pending deliveries are deleted, too. To stop it for a while, disable it instead."</p>
        </ConfirmDialog>
    }
}
