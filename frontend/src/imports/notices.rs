//! Notices next to the figures: above all, why nothing moves.

use leptos::prelude::*;
use shared::{auth::Permission, import::Import, job::JobStatus};

use super::retry::is_retryable;
use super::run::Run;
use super::status::is_waiting;
use super::stream::Connection;
use crate::auth::Auth;
use crate::ui::format::{counted, whole_seconds};
use crate::ui::time::seconds_between;
use crate::ui::{Notice, Tone, use_now};

#[component]
pub fn Notices(run: RwSignal<Run>, connection: Signal<Connection>) -> impl IntoView {
    let now = use_now();
    let lost = Memo::new(move |_| connection.get() == Connection::Lost);
    // Without a connection, silence of the worker cannot be known.
    let silence = Memo::new(move |_| if lost.get() { None } else { run.with(|run| run.silence(now.get())) });
    let is_silent = Memo::new(move |_| silence.get().is_some());
    let waits = Memo::new(move |_| run.with(|run| is_waiting(&run.import)));
    let status = Memo::new(move |_| run.with(|run| run.import.status));
    view! {
        <Show when=move || lost.get()>
            <Notice tone=Tone::Warning title="Connection lost; reconnecting">
                <p>"The import continues without this page. The figures are updated as soon as the server responds."</p>
            </Notice>
        </Show>
        <Show when=move || waits.get()>
            <Waiting run />
        </Show>
        <Show when=move || is_silent.get()>
            <Silence run silence />
        </Show>
        {move || run.with_untracked(|run| ending(status.get(), &run.import))}
    }
}

/// The import was interrupted and is retried.
#[component]
fn Waiting(run: RwSignal<Run>) -> impl IntoView {
    let now = use_now();
    let reason = Memo::new(move |_| run.with(|run| run.import.error.clone().unwrap_or_default()));
    // Not read aloud: it changes every second.
    let next = move || {
        run.with(|run| {
            let seconds = seconds_between(run.server_time(now.get()), run.import.next_attempt_at?);
            let when = if seconds < 1.0 { "now".to_owned() } else { format!("in {}", whole_seconds(seconds)) };
            Some(format!(" Next attempt {when}."))
        })
    };
    view! {
        <div data-testid="waiting-import">
            <Notice tone=Tone::Warning title="Interrupted; it will be retried">
                <p class="notice-reason">{reason}</p>
                <p>
                    "It is retried until it succeeds, or until you cancel it. Rows imported so far are kept."
                    <span aria-hidden="true">{next}</span>
                </p>
            </Notice>
        </div>
    }
}

/// No report from a worker for a while.
#[component]
fn Silence(run: RwSignal<Run>, silence: Memo<Option<i64>>) -> impl IntoView {
    let queued = Memo::new(move |_| run.with(|run| run.import.status == JobStatus::Queued));
    let title = if queued.get_untracked() { "Waiting for a worker" } else { "No response from the worker" };
    let advice = move || {
        if queued.get() {
            "The file is stored. The import starts as soon as a worker is free."
        } else {
            "Another worker will resume from the last saved rows."
        }
    };
    // Not read aloud: it changes every second.
    let since = move || silence.get().map(|seconds| since(queued.get(), seconds));
    view! {
        <div data-testid="silent-worker" data-value=move || silence.get()>
            <Notice tone=Tone::Warning title>
                <p>{advice} <span class="silence" aria-hidden="true">{since}</span></p>
            </Notice>
        </div>
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of silence are few")]
fn since(queued: bool, seconds: i64) -> String {
    let time = whole_seconds(seconds as f64);
    if queued { format!(" Waiting for {time}.") } else { format!(" No response for {time}.") }
}

/// What to do, with a link for users who are allowed to.
#[component]
fn ImportAgain() -> impl IntoView {
    let auth = Auth::expect();
    let text = "import the file again";
    move || {
        if auth.can(Permission::WriteImports) { view! { <a href="/">{text}</a> }.into_any() } else { text.into_any() }
    }
}

/// Why the import ended early, and what to do.
fn ending(status: JobStatus, import: &Import) -> Option<AnyView> {
    let rows = counted(import.counts.read, "row");
    match status {
        JobStatus::Failed => {
            let reason = import.error.clone().unwrap_or_else(|| "The server gave no reason.".to_owned());
            let advice = if is_retryable(import) {
                view! { <p>{rows} " processed; imported products are kept. Retry continues after them."</p> }.into_any()
            } else {
                view! {
                    <p>
                        {rows} " processed; imported products are kept. Once the cause is fixed, " <ImportAgain />
                        ": rows that were imported are left unchanged."
                    </p>
                }
                .into_any()
            };
            let view = view! {
                <Notice tone=Tone::Bad title="The import failed">
                    <p class="notice-reason">{reason}</p>
                    {advice}
                </Notice>
            };
            Some(view.into_any())
        }
        JobStatus::Cancelled => {
            let view = view! {
                <Notice tone=Tone::Warning title="The import was cancelled">
                    <p>{rows} " processed; imported products are kept. To import the rest, " <ImportAgain /> "."</p>
                </Notice>
            };
            Some(view.into_any())
        }
        _ => None,
    }
}
