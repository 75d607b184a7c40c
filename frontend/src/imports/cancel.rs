use leptos::prelude::*;
use shared::problem::Problem;
use wasm_bindgen_futures::spawn_local;

use super::run::Run;
use crate::api;
use crate::ui::ConfirmDialog;

/// Stops an import, after a question.
#[component]
pub fn CancelButton(run: RwSignal<Run>) -> impl IntoView {
    let asking = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let cancelling = Memo::new(move |_| run.with(|run| run.import.cancelling));
    let id = run.with_untracked(|run| run.import.id);
    let cancel = move || {
        problem.set(None);
        spawn_local(async move {
            // Success shows itself: the stream brings the event.
            if let Err(refused) = api::cancel_import(id).await {
                problem.try_set(Some(refused));
            }
        });
    };
    view! {
        <button
            type="button"
            class="button"
            data-testid="cancel-import"
            disabled=move || cancelling.get()
            on:click=move |_| asking.set(true)
        >
            {move || if cancelling.get() { "Cancelling …" } else { "Cancel import" }}
        </button>
        {move || problem.get().map(|problem| view! { <p class="field-problem" role="alert">{problem.detail}</p> })}
        <ConfirmDialog
            open=asking
            title="Cancel this import?"
            confirm="Cancel the import"
            dismiss="Go on importing"
            testid="confirm-cancel"
            on_confirm=cancel
        >
            <p>"The batches in hand are finished, then it stops. Products that are in stay in."</p>
        </ConfirmDialog>
    }
}
