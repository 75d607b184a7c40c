//! Retry of a failed import.

use leptos::prelude::*;
use shared::{import::Import, job::JobStatus, problem::Problem};
use wasm_bindgen_futures::spawn_local;

use super::requests::retry_import;
use super::run::Run;

/// Whether a retry can continue the import: it failed before its last row, and its file is still stored.
pub fn is_retryable(import: &Import) -> bool {
    import.status == JobStatus::Failed
        && import.rows_total != Some(import.counts.read)
        && import.file_removed_at.is_none()
        && import.details_removed_at.is_none()
}

/// Retries a failed import from where it stopped.
#[component]
pub fn RetryButton(
    run: RwSignal<Run>,
    /// Called once it is queued again.
    on_retry: Callback<()>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let id = run.with_untracked(|run| run.import.id);
    let retry = move |_| {
        problem.set(None);
        busy.set(true);
        spawn_local(async move {
            match retry_import(id).await {
                Ok(_) => on_retry.run(()),
                Err(error) => {
                    problem.try_set(Some(error));
                    busy.try_set(false);
                }
            }
        });
    };
    view! {
        <button
            type="button"
            class="button button-primary"
            data-testid="retry-import"
            disabled=move || busy.get()
            on:click=retry
        >
            {move || if busy.get() { "Retrying …" } else { "Retry" }}
        </button>
        {move || problem.get().map(|problem| view! { <p class="field-problem" role="alert">{problem.detail}</p> })}
    }
}

#[cfg(test)]
mod tests {
    use shared::import::Counts;

    use super::super::run::tests::import;
    use super::*;

    #[test]
    fn only_an_import_with_rows_left_can_be_retried() {
        let mut import = Import { status: JobStatus::Failed, ..import() };
        assert!(is_retryable(&import), "it failed before its rows were counted");
        import.rows_total = Some(10);
        import.counts = Counts { read: 4, created: 4, ..Counts::default() };
        assert!(is_retryable(&import));
        import.counts = Counts { read: 10, rejected: 10, ..Counts::default() };
        assert!(!is_retryable(&import), "every row was rejected");
        import.rows_total = None;
        import.file_removed_at = Some(import.created_at);
        assert!(!is_retryable(&import));
    }
}
