//! The log of an import.

use leptos::prelude::*;

use super::run::Run;
use crate::ui::Moment;

/// Events, newest first.
#[component]
pub fn EventLog(run: RwSignal<Run>) -> impl IntoView {
    // The log only grows: existing lines are not rendered again.
    let lines = move || run.with(|run| run.log.iter().rev().cloned().collect::<Vec<_>>());
    view! {
        <section class="card log" aria-labelledby="log-title">
            <header class="card-head">
                <h2 id="log-title">"Log"</h2>
            </header>
            <ol class="log-lines" data-testid="event-log" tabindex="0" aria-labelledby="log-title">
                <For each=lines key=|line| line.seq let:line>
                    <li class="log-line" data-tone=line.tone.as_str()>
                        <Moment at=line.at />
                        <span>{line.text}</span>
                    </li>
                </For>
            </ol>
        </section>
    }
}
