use chrono::{TimeDelta, Utc};
use leptos::{ev, prelude::*};
use shared::webhook::Webhook;
use wasm_bindgen_futures::spawn_local;

use super::refresh::Refresh;
use super::requests;
use crate::ui::time::{from_field, to_field};
use crate::ui::{FormButtons, Modal, Toasts};

/// Asks from which time on failed deliveries are sent again.
#[component]
pub fn ReplayDialog(open: RwSignal<bool>, webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    view! {
        <Modal open title="Replay failed deliveries" id="replay-dialog">
            // Created each time, since the default is a day before now.
            <Show when=move || open.get()>
                <Question open webhook refresh />
            </Show>
        </Modal>
    }
}

#[component]
fn Question(open: RwSignal<bool>, webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let toasts = Toasts::expect();
    let since = RwSignal::new(to_field(Utc::now() - TimeDelta::days(1)));
    let moment = Memo::new(move |_| since.with(|text| from_field(text)));
    let replay = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(moment) = moment.get_untracked() else { return };
        let id = webhook.with_untracked(|webhook| webhook.id);
        open.set(false);
        spawn_local(async move {
            match requests::replay(id, moment).await {
                Ok(outcome) if outcome.deliveries == 0 => toasts.warn("No failed deliveries since then"),
                Ok(outcome) if outcome.deliveries == 1 => toasts.say("1 delivery queued"),
                Ok(outcome) => toasts.say(format!("{} deliveries queued", outcome.deliveries)),
                Err(problem) => toasts.fail("Couldn't replay", &problem),
            }
            refresh.now();
        });
    };
    view! {
        <form novalidate on:submit=replay>
            <p>"Sends every failed delivery since then again, with the same message and the same webhook-id, so that a
                receiver that has already accepted it can ignore it."</p>
            <div class="field dialog-field">
                <label class="field-label" for="replay-since">"Failed since"</label>
                <input
                    class="input"
                    id="replay-since"
                    type="datetime-local"
                    data-testid="replay-since"
                    aria-invalid=move || moment.get().is_none().then_some("true")
                    aria-describedby="replay-since-error"
                    prop:value=since
                    on:input=move |event| since.set(event_target_value(&event))
                />
                <p class="field-error" id="replay-since-error" role="alert">
                    {move || moment.get().is_none().then_some("Enter a date and a time")}
                </p>
            </div>
            <FormButtons open label="Replay" testid="confirm-replay" />
        </form>
    }
}
