use leptos::prelude::*;
use shared::problem::Problem;
use wasm_bindgen_futures::spawn_local;

use super::requests::cancel_import;
use super::run::Run;
use crate::ui::ConfirmDialog;

/// Cancels an import, after a confirmation.
#[component]
pub fn CancelButton(run: RwSignal<Run>) -> impl IntoView {
    let asking = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let cancelling = Memo::new(move |_| run.with(|run| run.import.cancelling));
    let id = run.with_untracked(|run| run.import.id);
    let cancel = move || {
        problem.set(None);
        spawn_local(async move {
            // On success, the stream delivers the event.
            if let Err(error) = cancel_import(id).await {
                problem.try_set(Some(error));
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
            confirm="Cancel import"
            dismiss="Keep importing"
            testid="confirm-cancel"
            on_confirm=cancel
        >
            <p>"Batches in progress will finish. Products already imported are kept."</p>
        </ConfirmDialog>
    }
}
