//! What a person should know beside the figures: above all, why nothing moves.

use leptos::prelude::*;
use shared::{
    auth::Permission,
    import::{Import, ImportStatus},
};

use super::run::Run;
use crate::auth::Access;
use crate::live::Connection;
use crate::ui::format::{counted, whole_seconds};
use crate::ui::{Notice, Tone, use_now};

#[component]
pub fn Notices(run: RwSignal<Run>, connection: Signal<Connection>) -> impl IntoView {
    let now = use_now();
    let lost = Memo::new(move |_| connection.get() == Connection::Lost);
    // Without a connection nobody can tell whether the worker is silent.
    let silence = Memo::new(move |_| if lost.get() { None } else { run.with(|run| run.silence(now.get())) });
    let is_silent = Memo::new(move |_| silence.get().is_some());
    let status = Memo::new(move |_| run.with(|run| run.import.status));
    view! {
        <Show when=move || lost.get()>
            <Notice tone=Tone::Warning title="The connection is lost; trying again">
                <p>"The import goes on without this page. The figures are caught up as soon as the server answers."</p>
            </Notice>
        </Show>
        <Show when=move || is_silent.get()>
            <Silence run silence />
        </Show>
        {move || run.with_untracked(|run| ending(status.get(), &run.import))}
    }
}

/// No worker has said anything for a while.
#[component]
fn Silence(run: RwSignal<Run>, silence: Memo<Option<i64>>) -> impl IntoView {
    let waiting = Memo::new(move |_| run.with(|run| run.import.status == ImportStatus::Queued));
    let reason = Memo::new(move |_| run.with(|run| run.import.error.clone()));
    let title = if waiting.get_untracked() { "Waiting for a worker" } else { "The worker is silent" };
    let advice = move || match (reason.get(), waiting.get()) {
        (Some(reason), _) => reason,
        (None, true) => "The file is safe. It is taken as soon as a worker is free.".to_owned(),
        (None, false) => {
            "It may have been stopped. Another one goes on from the last rows that were stored; nothing is lost."
                .to_owned()
        }
    };
    // Not read aloud: it changes each second.
    let since = move || silence.get().map(|seconds| since(waiting.get(), seconds));
    view! {
        <div data-testid="silent-worker" data-value=move || silence.get()>
            <Notice tone=Tone::Warning title>
                <p>{advice} <span class="silence" aria-hidden="true">{since}</span></p>
            </Notice>
        </div>
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of silence are few")]
fn since(waiting: bool, seconds: i64) -> String {
    let time = whole_seconds(seconds as f64);
    if waiting { format!(" It has waited for {time}.") } else { format!(" Its last sign came {time} ago.") }
}

/// What to do, and the way there for who may go it.
#[component]
fn ImportAgain() -> impl IntoView {
    let access = Access::expect();
    let text = "import the file again";
    move || {
        if access.may(Permission::WriteImports) { view! { <a href="/">{text}</a> }.into_any() } else { text.into_any() }
    }
}

/// Why it ended before its time, and what to do now.
fn ending(status: ImportStatus, import: &Import) -> Option<AnyView> {
    let rows = counted(import.counts.read, "row");
    match status {
        ImportStatus::Failed => {
            let reason = import.error.clone().unwrap_or_else(|| "The server gives no reason.".to_owned());
            let view = view! {
                <Notice tone=Tone::Bad title="The import failed">
                    <p class="notice-reason">{reason}</p>
                    <p>
                        {rows}
                        " had been dealt with; their products stay. Once the cause is mended, "
                        <ImportAgain /> ": rows that are in already are left unchanged."
                    </p>
                </Notice>
            };
            Some(view.into_any())
        }
        ImportStatus::Cancelled => {
            let view = view! {
                <Notice tone=Tone::Warning title="The import was cancelled">
                    <p>
                        {rows} " had been dealt with; their products stay. To have the rest as well, "
                        <ImportAgain /> "."
                    </p>
                </Notice>
            };
            Some(view.into_any())
        }
        _ => None,
    }
}
