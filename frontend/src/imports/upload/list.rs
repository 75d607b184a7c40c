//! The files of the queue, each with its state.

use leptos::prelude::*;

use super::panel::course;
use super::queue::{Queue, Refusal, State, Upload};
use super::{Uploads, focus_first};
use crate::ui::format::{bytes, percent};
use crate::ui::{Glyph, Icon};

/// All files, as soon as they are several.
#[component]
pub fn UploadList() -> impl IntoView {
    let uploads = Uploads::expect();
    let queue = uploads.queue();
    let shown = Memo::new(move |_| queue.with(is_worth_a_list));
    let ids = Memo::new(move |_| queue.with(|queue| queue.uploads().iter().map(|u| u.id).collect::<Vec<_>>()));
    let summary = Memo::new(move |_| queue.with(summary));
    let settled = Memo::new(move |_| queue.with(Queue::is_settled));
    view! {
        <Show when=move || shown.get()>
            <section class="card upload-list" aria-labelledby="upload-list">
                <header class="card-head">
                    <h2 id="upload-list">"Files"</h2>
                    <p class="card-note" role="status" data-testid="upload-summary">
                        {move || summary.get()}
                    </p>
                    <Show when=move || settled.get()>
                        <button
                            type="button"
                            class="button"
                            data-testid="upload-clear"
                            on:click=move |_| uploads.clear()
                        >
                            "Clear the list"
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

/// One file has its panel, and the notice of its failure; only after its arrival it needs a place.
fn is_worth_a_list(queue: &Queue) -> bool {
    queue.uploads().len() > 1 || queue.arrived() > 0
}

/// `2 of 5 have arrived`, and what there is beside.
fn summary(queue: &Queue) -> String {
    let failed = queue.uploads().iter().filter(|upload| matches!(upload.state, State::Failed(_))).count();
    let arrived = format!("{} of {} arrived", queue.arrived(), queue.uploads().len());
    if failed > 0 { format!("{arrived}, {failed} failed") } else { arrived }
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
    let removed = move |_| {
        uploads.remove(id);
        focus_first();
    };
    let title = name.clone();
    let outcome = move || {
        match state.get() {
        Some(State::Arrived(import)) => view! {
            <a class="button" href=format!("/imports/{import}") aria-label=format!("Show import of {name}") data-testid="upload-link">
                "Show import"
            </a>
        }
        .into_any(),
        Some(State::Failed(Refusal { retry: true, .. })) => view! {
            <button type="button" class="button" aria-label=format!("Send again: {name}") on:click=move |_| uploads.retry(id)>
                "Send again"
            </button>
        }
        .into_any(),
        _ => ().into_any(),
    }
    };
    let reason = move || match state.get() {
        Some(State::Failed(refusal)) => Some(view! { <p class="upload-row-reason">{refusal.detail}</p> }),
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
            <span class="upload-row-state">{move || upload.with(|u| u.as_ref().map(word).unwrap_or_default())}</span>
            <span class="upload-row-actions">
                {outcome}
                <button
                    type="button"
                    class="upload-row-remove"
                    aria-label=remove.clone()
                    title=remove.clone()
                    data-testid="upload-remove"
                    on:click=removed
                >
                    <Icon glyph=Glyph::Cross />
                </button>
            </span>
            {reason}
        </li>
    }
    .into_any()
}

/// The state in a word or two; the panel tells more of the file that is sent.
fn word(upload: &Upload) -> String {
    match upload.state {
        State::Sending => format!("Sending, {}", percent(upload.share())),
        State::Broken { .. } => format!("Interrupted, {}", percent(upload.share())),
        State::Paused(_) => format!("Paused, {}", percent(upload.share())),
        _ => course(upload, upload.moved_at),
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::{Pause, tests::queue};
    use super::*;

    fn failed() -> State {
        State::Failed(Refusal::new("x", "y"))
    }

    #[test]
    fn one_file_is_no_list_before_it_has_arrived() {
        assert!(!is_worth_a_list(&queue(&[State::Sending])));
        assert!(!is_worth_a_list(&queue(&[failed()])));
        assert!(is_worth_a_list(&queue(&[State::Arrived(1)])));
        assert!(is_worth_a_list(&queue(&[State::Sending, State::Waiting])));
    }

    #[test]
    fn the_summary_counts_what_ended() {
        assert_eq!(summary(&queue(&[State::Arrived(1), State::Waiting])), "1 of 2 arrived");
        assert_eq!(summary(&queue(&[State::Arrived(1), failed()])), "1 of 2 arrived, 1 failed");
    }

    #[test]
    fn each_state_has_its_word() {
        let states = [State::Checking, State::Waiting, State::Sending, State::Paused(Pause::Asked), State::Arrived(7)];
        let words: Vec<_> = queue(&states).uploads().iter().map(word).collect();
        assert_eq!(words, ["Looking at the file …", "Waiting", "Sending, 0 %", "Paused, 0 %", "Arrived"]);
    }
}
