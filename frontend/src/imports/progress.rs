//! How far an import is: its steps, the bar, and the figures that move.

use leptos::prelude::*;
use shared::import::{Import, ImportPhase, ImportStatus};

use super::run::Run;
use crate::ui::format::{bytes, duration, percent, rate, thousands, time_left, whole_seconds};
use crate::ui::time::time_of_day;
use crate::ui::{BarState, Glyph, Icon, ProgressBar, Sparkline, use_now};

/// Points of the curve: more would be narrower than its stroke.
const SLICES: u16 = 60;

#[component]
pub fn ProgressCard(run: RwSignal<Run>) -> impl IntoView {
    let status = Memo::new(move |_| run.with(|run| run.import.status));
    let share = Memo::new(move |_| run.with(Run::share));
    let phase = Memo::new(move |_| run.with(|run| run.import.phase));
    let label = move || run.with(|run| task(&run.import));
    // A new bar for each phase: the old one would run backwards.
    let bar = move || {
        phase.track();
        let label = Signal::derive(label);
        let state = Signal::derive(move || bar_state(status.get()));
        view! { <ProgressBar share label state {..} data-testid="progress-bar" /> }
    };
    view! {
        <section class="card progress-card" aria-label="Progress">
            <Steps run />
            <div class="progress-line">
                <span class="progress-percent">{move || share.get().map_or_else(|| "0 %".to_owned(), percent)}</span>
                <span class="progress-task">{label}</span>
                <span class="progress-amount">{move || run.with(|run| amount(&run.import))}</span>
            </div>
            {bar}
            <Figures run />
        </section>
    }
}

fn bar_state(status: ImportStatus) -> BarState {
    match status {
        ImportStatus::Queued | ImportStatus::Running => BarState::Moving,
        ImportStatus::Completed => BarState::Done,
        ImportStatus::Failed | ImportStatus::Cancelled => BarState::Stopped,
    }
}

/// What is being done, in words.
fn task(import: &Import) -> String {
    match (import.status, import.phase) {
        (ImportStatus::Queued, _) => "Waiting for a worker",
        (ImportStatus::Running, Some(ImportPhase::Fetch)) => "Fetching the file",
        (ImportStatus::Running, Some(ImportPhase::Survey)) => "Reading the file",
        (ImportStatus::Running, _) => "Loading products",
        (ImportStatus::Completed, _) => "All rows are dealt with",
        (ImportStatus::Failed, _) => "Stopped by a failure",
        (ImportStatus::Cancelled, _) => "Stopped on request",
    }
    .to_owned()
}

/// How much of the file has come, or the survey has read; of the load the rows are told elsewhere.
fn amount(import: &Import) -> String {
    match import.phase {
        Some(ImportPhase::Fetch) if import.size_bytes == 0 => bytes(import.bytes_fetched),
        Some(ImportPhase::Fetch) => format!("{} of {}", bytes(import.bytes_fetched), bytes(import.size_bytes)),
        Some(ImportPhase::Survey) => format!("{} of {}", bytes(import.bytes_surveyed), bytes(import.size_bytes)),
        _ => String::new(),
    }
}

/// Where a step of the way stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ahead,
    Current,
    Done,
    Broken,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Current => "current",
            Self::Done => "done",
            Self::Broken => "broken",
        }
    }
}

/// Whether the file is still to come from its URL.
fn is_awaited(import: &Import) -> bool {
    import.source_url.is_some() && (import.size_bytes == 0 || import.bytes_fetched < import.size_bytes)
}

/// The first step: an upload is behind every import that there is, a file that is fetched has to come first.
fn arrival(import: &Import) -> (&'static str, Step) {
    if import.source_url.is_none() {
        return ("Uploaded", Step::Done);
    }
    let step = match import.status {
        _ if !is_awaited(import) => Step::Done,
        ImportStatus::Queued => Step::Ahead,
        ImportStatus::Running => Step::Current,
        ImportStatus::Completed => Step::Done,
        ImportStatus::Failed | ImportStatus::Cancelled => Step::Broken,
    };
    ("Fetched", step)
}

/// The steps read, load and end.
fn steps(import: &Import) -> [Step; 3] {
    use Step::{Ahead, Broken, Current, Done};
    let surveyed = import.rows_total.is_some();
    match import.status {
        ImportStatus::Queued if surveyed => [Done, Current, Ahead],
        ImportStatus::Queued => [Ahead, Ahead, Ahead],
        _ if is_awaited(import) => [Ahead, Ahead, Ahead],
        ImportStatus::Running if import.phase == Some(ImportPhase::Survey) => [Current, Ahead, Ahead],
        ImportStatus::Running => [Done, Current, Ahead],
        ImportStatus::Completed => [Done, Done, Done],
        ImportStatus::Failed | ImportStatus::Cancelled if surveyed => [Done, Broken, Ahead],
        ImportStatus::Failed | ImportStatus::Cancelled => [Broken, Ahead, Ahead],
    }
}

#[component]
fn Steps(run: RwSignal<Run>) -> impl IntoView {
    let steps = Memo::new(move |_| run.with(|run| steps(&run.import)));
    let arrival = Memo::new(move |_| run.with(|run| arrival(&run.import)));
    let phase = move || run.with(|run| run.import.phase.map_or("", ImportPhase::as_str));
    let item = move |name: &'static str, step: Signal<Step>| {
        let sign = move || match step.get() {
            Step::Done => Some(view! { <Icon glyph=Glyph::Check /> }),
            Step::Broken => Some(view! { <Icon glyph=Glyph::Cross /> }),
            Step::Ahead | Step::Current => None,
        };
        view! {
            <li
                class="step"
                data-step=move || step.get().as_str()
                aria-current=move || (step.get() == Step::Current).then_some("step")
            >
                <span class="step-sign">{sign}</span>
                {name}
            </li>
        }
    };
    view! {
        <ol class="steps" data-testid="import-phase" data-value=phase>
            {move || item(arrival.get().0, Signal::derive(move || arrival.get().1))}
            {item("Reading", Signal::derive(move || steps.get()[0]))}
            {item("Loading", Signal::derive(move || steps.get()[1]))}
            {item("Done", Signal::derive(move || steps.get()[2]))}
        </ol>
    }
}

/// Rows, rate and times. Each has its place from the beginning, so that nothing jumps.
#[component]
fn Figures(run: RwSignal<Run>) -> impl IntoView {
    let now = use_now();
    let done = Memo::new(move |_| run.with(|run| run.import.counts.read));
    let total = Memo::new(move |_| run.with(|run| run.import.rows_total));
    let ended = Memo::new(move |_| run.with(|run| run.import.status.is_final()));
    let finished = Memo::new(move |_| run.with(|run| run.import.finished_at));
    let speed = Memo::new(move |_| run.with(|run| run.rows_per_second(now.get())));
    let left = Memo::new(move |_| run.with(|run| run.time_left(now.get()).map(time_left)));
    let curve = Memo::new(move |_| run.with(|run| run.rows.curve(SLICES)));
    let elapsed = move || {
        let seconds = run.with(|run| run.elapsed(now.get()))?;
        Some(if ended.get() { duration(seconds) } else { whole_seconds(seconds) })
    };
    let dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    view! {
        <div class="figures">
            <dl class="figures-list">
                <div class="figure figure-rows">
                    <dt>"Rows"</dt>
                    <dd>
                        <span data-testid="rows-done" data-value=move || done.get()>{move || thousands(done.get())}</span>
                        <span class="figure-of">
                            " of "
                            <span data-testid="rows-total" data-value=move || total.get()>
                                {move || dash(total.get().map(thousands))}
                            </span>
                        </span>
                    </dd>
                </div>
                <div class="figure">
                    <dt>{move || if ended.get() { "Average rows/s" } else { "Rows/s" }}</dt>
                    <dd data-testid="rows-per-second" data-value=move || speed.get().map(f64::round)>
                        {move || dash(speed.get().map(rate))}
                    </dd>
                </div>
                <div class="figure">
                    <dt>{move || if ended.get() { "Ended" } else { "Time left" }}</dt>
                    <dd>{move || dash(left.get().or_else(|| finished.get().map(time_of_day)))}</dd>
                </div>
                <div class="figure">
                    <dt>{move || if ended.get() { "Took" } else { "Elapsed" }}</dt>
                    <dd>{move || dash(elapsed())}</dd>
                </div>
            </dl>
            <div class="curve">
                <span class="curve-peak">{move || curve.with(|curve| peak(curve))}</span>
                <Sparkline values=curve label="Rows per second from the start until now" />
            </div>
        </div>
    }
}

fn peak(curve: &[f64]) -> String {
    let highest = curve.iter().copied().fold(0.0, f64::max);
    if highest > 0.0 { format!("peak {} rows/s", rate(highest)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::import;
    use super::*;

    #[test]
    fn the_steps_follow_the_phase() {
        use Step::{Ahead, Broken, Current, Done};
        let mut import = import();
        assert_eq!(steps(&import), [Ahead, Ahead, Ahead]);
        (import.status, import.phase) = (ImportStatus::Running, Some(ImportPhase::Survey));
        assert_eq!(steps(&import), [Current, Ahead, Ahead]);
        (import.phase, import.rows_total) = (Some(ImportPhase::Load), Some(9));
        assert_eq!(steps(&import), [Done, Current, Ahead]);
        import.status = ImportStatus::Failed;
        assert_eq!(steps(&import), [Done, Broken, Ahead]);
        import.status = ImportStatus::Completed;
        assert_eq!(steps(&import), [Done, Done, Done]);
    }

    #[test]
    fn a_file_that_is_fetched_has_to_come_first() {
        use Step::{Ahead, Broken, Current, Done};
        let mut import = import();
        assert_eq!(arrival(&import), ("Uploaded", Done));
        (import.source_url, import.size_bytes) = (Some("https://example.com/products.csv".to_owned()), 0);
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Ahead), [Ahead, Ahead, Ahead]));
        (import.status, import.phase, import.bytes_fetched) = (ImportStatus::Running, Some(ImportPhase::Fetch), 500);
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Current), [Ahead, Ahead, Ahead]));
        assert_eq!(amount(&import), "500 B");
        (import.status, import.size_bytes) = (ImportStatus::Failed, 900);
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Broken), [Ahead, Ahead, Ahead]));
        (import.status, import.phase) = (ImportStatus::Running, Some(ImportPhase::Survey));
        import.bytes_fetched = 900;
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Done), [Current, Ahead, Ahead]));
    }

    #[test]
    fn only_a_curve_has_a_peak() {
        assert_eq!(peak(&[]), "");
        assert_eq!(peak(&[1.0, 52_349.0]), "peak 52,300 rows/s");
    }
}
