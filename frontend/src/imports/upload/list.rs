//! The files of the queue, each with its state.

use leptos::prelude::*;

use super::panel::status;
use super::queue::{Queue, State, Upload, UploadError};
use super::{Uploads, focus_next_control};
use crate::ui::format::{bytes, percent};
use crate::ui::{Glyph, Icon};

/// All files, if there is more than one.
#[component]
pub fn UploadList() -> impl IntoView {
    let uploads = Uploads::expect();
    let queue = uploads.queue();
    let shown = Memo::new(move |_| queue.with(needs_list));
    let ids = Memo::new(move |_| queue.with(|queue| queue.uploads().iter().map(|u| u.id).collect::<Vec<_>>()));
    let summary = Memo::new(move |_| queue.with(summary));
    let finished = Memo::new(move |_| queue.with(Queue::is_finished));
    view! {
        <Show when=move || shown.get()>
            <section class="card upload-list" aria-labelledby="upload-list">
                <header class="card-head">
                    <h2 id="upload-list">"Files"</h2>
                    <p class="card-note" role="status" data-testid="upload-summary">
                        {move || summary.get()}
                    </p>
                    <Show when=move || finished.get()>
                        <button
                            type="button"
                            class="button"
                            data-testid="upload-clear"
                            on:click=move |_| uploads.clear()
                        >
                            "Clear list"
                        </button>
                    </Show>
                </header>
                <ol class="upload-rows">
                    <For each=move || ids.get() key=|id| *id children=move |id| view! { <UploadRow id /> } />
                </ol>
            </section>
        </Show>
    }
}

/// A single file has its panel, or the notice of its failure; it needs a row only after it is uploaded.
fn needs_list(queue: &Queue) -> bool {
    queue.uploads().len() > 1 || queue.uploaded() > 0
}

/// For example `2 of 5 uploaded, 1 failed`.
fn summary(queue: &Queue) -> String {
    let failed = queue.uploads().iter().filter(|upload| matches!(upload.state, State::Failed(_))).count();
    let uploaded = format!("{} of {} uploaded", queue.uploaded(), queue.uploads().len());
    if failed > 0 { format!("{uploaded}, {failed} failed") } else { uploaded }
}

#[component]
fn UploadRow(id: u32) -> impl IntoView {
    let uploads = Uploads::expect();
    let queue = uploads.queue();
    let upload = Memo::new(move |_| queue.with(|queue| queue.get(id).cloned()));
    let state = Memo::new(move |_| upload.with(|u| u.as_ref().map(|u| u.state.clone())));
    let Some((name, size)) = upload.with_untracked(|u| u.as_ref().map(|u| (u.file_name.clone(), u.size))) else {
        return ().into_any();
    };
    let remove = format!("Remove {name}");
    let remove_file = move |_| {
        uploads.remove(id);
        focus_next_control();
    };
    let title = name.clone();
    let outcome = move || {
        match state.get() {
        Some(State::Uploaded(import)) => view! {
            <a class="button" href=format!("/imports/{import}") aria-label=format!("Show import of {name}") data-testid="upload-link">
                "Show import"
            </a>
        }
        .into_any(),
        Some(State::Failed(UploadError { retry: true, .. })) => view! {
            <button type="button" class="button" aria-label=format!("Send again: {name}") on:click=move |_| uploads.retry(id)>
                "Send again"
            </button>
        }
        .into_any(),
        _ => ().into_any(),
    }
    };
    let reason = move || match state.get() {
        Some(State::Failed(error)) => Some(view! { <p class="upload-row-reason">{error.detail}</p> }),
        _ => None,
    };
    view! {
        <li
            class="upload-row"
            data-testid="upload-row"
            data-state=move || state.with(|state| state.as_ref().map_or("", State::as_str))
        >
            <span class="upload-row-name" title=title.clone()>{title.clone()}</span>
            <span class="upload-row-size">{bytes(size)}</span>
            <span class="upload-row-state">{move || upload.with(|u| u.as_ref().map(label).unwrap_or_default())}</span>
            <span class="upload-row-actions">
                {outcome}
                <button
                    type="button"
                    class="upload-row-remove"
                    aria-label=remove.clone()
                    title=remove.clone()
                    data-testid="upload-remove"
                    on:click=remove_file
                >
                    <Icon glyph=Glyph::Cross />
                </button>
            </span>
            {reason}
        </li>
    }
    .into_any()
}

/// The state in a word or two; the panel shows more about the file that is sent.
fn label(upload: &Upload) -> String {
    match upload.state {
        State::Sending => format!("Sending, {}", percent(upload.share())),
        State::Interrupted { .. } => format!("Interrupted, {}", percent(upload.share())),
        State::Paused(_) => format!("Paused, {}", percent(upload.share())),
        _ => status(upload, upload.progressed_at),
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::{PauseReason, tests::queue};
    use super::*;

    fn failed() -> State {
        State::Failed(UploadError::new("x", "y"))
    }

    #[test]
    fn a_single_file_has_no_list_before_it_is_uploaded() {
        assert!(!needs_list(&queue(&[State::Sending])));
        assert!(!needs_list(&queue(&[failed()])));
        assert!(needs_list(&queue(&[State::Uploaded(1)])));
        assert!(needs_list(&queue(&[State::Sending, State::Waiting])));
    }

    #[test]
    fn the_summary_counts_finished_files() {
        assert_eq!(summary(&queue(&[State::Uploaded(1), State::Waiting])), "1 of 2 uploaded");
        assert_eq!(summary(&queue(&[State::Uploaded(1), failed()])), "1 of 2 uploaded, 1 failed");
    }

    #[test]
    fn each_state_has_a_label() {
        let states =
            [State::Checking, State::Waiting, State::Sending, State::Paused(PauseReason::ByUser), State::Uploaded(7)];
        let labels: Vec<_> = queue(&states).uploads().iter().map(label).collect();
        assert_eq!(labels, ["Checking the file …", "Waiting", "Sending, 0 %", "Paused, 0 %", "Uploaded"]);
    }
}
