//! Progress of an import: its steps, the bar, and the changing figures.

use leptos::prelude::*;
use shared::{
    import::{Import, ImportPhase},
    job::JobStatus,
};

use super::run::Run;
use super::status::is_waiting;
use crate::ui::format::{bytes, duration, percent, rate, thousands, time_left, whole_seconds};
use crate::ui::time::time_of_day;
use crate::ui::{BarState, Glyph, Icon, ProgressBar, Sparkline, use_now};

/// Points of the curve: more would be narrower than its stroke.
const CURVE_POINTS: u16 = 60;

#[component]
pub fn ProgressCard(run: RwSignal<Run>) -> impl IntoView {
    let status = Memo::new(move |_| run.with(|run| run.import.status));
    let share = Memo::new(move |_| run.with(Run::share));
    let phase = Memo::new(move |_| run.with(|run| run.import.phase));
    let label = move || run.with(|run| task(&run.import));
    // A new bar for each phase: the old one would move backwards.
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
                <span class="progress-percent">{move || share.get().map_or_else(|| "–".to_owned(), percent)}</span>
                <span class="progress-task">{label}</span>
                <span class="progress-amount">{move || run.with(|run| amount(&run.import))}</span>
            </div>
            {bar}
            <Figures run />
        </section>
    }
}

fn bar_state(status: JobStatus) -> BarState {
    match status {
        JobStatus::Queued | JobStatus::Running | JobStatus::Unknown => BarState::Moving,
        JobStatus::Completed => BarState::Done,
        JobStatus::Failed | JobStatus::Cancelled => BarState::Stopped,
    }
}

/// The current activity.
fn task(import: &Import) -> String {
    match (import.status, import.phase) {
        _ if import.cancelling && !import.status.is_final() => "Cancelling: finishing the batches in progress",
        (JobStatus::Queued, _) => "Waiting for a worker",
        (JobStatus::Running, _) if is_waiting(import) => "Waiting for the next attempt",
        (JobStatus::Running, Some(ImportPhase::Fetch)) => "Fetching the file",
        (JobStatus::Running, Some(ImportPhase::Scan)) => "Reading the file",
        (JobStatus::Running, _) => "Loading products",
        (JobStatus::Completed, _) => "All rows processed",
        (JobStatus::Failed, _) => "Stopped by an error",
        (JobStatus::Cancelled, _) => "Cancelled",
        (JobStatus::Unknown, _) => "Unknown status",
    }
    .to_owned()
}

/// Amount of the file that was fetched or scanned. The load shows its rows elsewhere.
fn amount(import: &Import) -> String {
    match import.phase {
        Some(ImportPhase::Fetch) => amount_of(import.bytes_fetched, import.size_bytes),
        Some(ImportPhase::Scan) => amount_of(import.bytes_scanned, import.size_bytes),
        _ => String::new(),
    }
}

fn amount_of(done: i64, all: Option<i64>) -> String {
    match all {
        Some(all) => format!("{} of {}", bytes(done), bytes(all)),
        None => bytes(done),
    }
}

/// State of a step.
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

/// Whether the file still has to be fetched from its URL.
fn is_awaited(import: &Import) -> bool {
    import.source_url.is_some() && import.size_bytes.is_none_or(|size| import.bytes_fetched < size)
}

/// The first step: an upload is finished when its import exists; a file at a URL has to be fetched.
fn arrival(import: &Import) -> (&'static str, Step) {
    if import.source_url.is_none() {
        return ("Uploaded", Step::Done);
    }
    let step = match import.status {
        _ if !is_awaited(import) => Step::Done,
        JobStatus::Queued => Step::Ahead,
        JobStatus::Running | JobStatus::Unknown => Step::Current,
        JobStatus::Completed => Step::Done,
        JobStatus::Failed | JobStatus::Cancelled => Step::Broken,
    };
    ("Fetched", step)
}

/// The steps reading, loading and done.
fn steps(import: &Import) -> [Step; 3] {
    use Step::{Ahead, Broken, Current, Done};
    let scanned = import.rows_total.is_some();
    match import.status {
        JobStatus::Queued if scanned => [Done, Current, Ahead],
        JobStatus::Queued => [Ahead, Ahead, Ahead],
        _ if is_awaited(import) => [Ahead, Ahead, Ahead],
        JobStatus::Running if import.phase == Some(ImportPhase::Scan) => [Current, Ahead, Ahead],
        JobStatus::Running | JobStatus::Unknown => [Done, Current, Ahead],
        JobStatus::Completed => [Done, Done, Done],
        JobStatus::Failed | JobStatus::Cancelled if scanned => [Done, Broken, Ahead],
        JobStatus::Failed | JobStatus::Cancelled => [Broken, Ahead, Ahead],
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

/// Rows, rate and times. Each has its place from the start, so that nothing moves.
#[component]
fn Figures(run: RwSignal<Run>) -> impl IntoView {
    let now = use_now();
    let done = Memo::new(move |_| run.with(|run| run.import.counts.read));
    let total = Memo::new(move |_| run.with(|run| run.import.rows_total));
    let ended = Memo::new(move |_| run.with(|run| run.import.status.is_final()));
    let finished = Memo::new(move |_| run.with(|run| run.import.finished_at));
    let speed = Memo::new(move |_| run.with(|run| run.rows_per_second(now.get())));
    let left = Memo::new(move |_| run.with(|run| run.time_left(now.get()).map(time_left)));
    let peak = Memo::new(move |_| run.with(|run| run.peak));
    let curve = Memo::new(move |_| run.with(|run| run.rows.curve(CURVE_POINTS)));
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
                // A tiny import has no meaningful average.
                <div class="figure" hidden=move || ended.get() && speed.get().is_none()>
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
            // A tiny import has no curve either.
            <div class="curve" hidden=move || ended.get() && peak.get().is_none()>
                <span class="curve-peak">{move || peak_text(peak.get())}</span>
                <Sparkline values=curve label="Rows per second over time" />
            </div>
        </div>
    }
}

/// The highest rate so far, next to the curve; absent as long as there is no curve.
fn peak_text(peak: Option<f64>) -> Option<String> {
    peak.map(|peak| format!("peak {} rows/s", rate(peak)))
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
        (import.status, import.phase) = (JobStatus::Running, Some(ImportPhase::Scan));
        assert_eq!(steps(&import), [Current, Ahead, Ahead]);
        (import.phase, import.rows_total) = (Some(ImportPhase::Load), Some(9));
        assert_eq!(steps(&import), [Done, Current, Ahead]);
        import.status = JobStatus::Failed;
        assert_eq!(steps(&import), [Done, Broken, Ahead]);
        import.status = JobStatus::Completed;
        assert_eq!(steps(&import), [Done, Done, Done]);
    }

    #[test]
    fn only_a_curve_has_a_peak() {
        assert_eq!(peak_text(None), None);
        assert_eq!(peak_text(Some(52_349.0)).as_deref(), Some("peak 52,300 rows/s"));
    }

    #[test]
    fn a_file_at_a_url_is_fetched_first() {
        use Step::{Ahead, Broken, Current, Done};
        let mut import = import();
        assert_eq!(arrival(&import), ("Uploaded", Done));
        (import.source_url, import.size_bytes) = (Some("https://example.com/products.csv".to_owned()), None);
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Ahead), [Ahead, Ahead, Ahead]));
        (import.status, import.phase, import.bytes_fetched) = (JobStatus::Running, Some(ImportPhase::Fetch), 500);
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Current), [Ahead, Ahead, Ahead]));
        assert_eq!(amount(&import), "500 B");
        (import.status, import.size_bytes) = (JobStatus::Failed, Some(900));
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Broken), [Ahead, Ahead, Ahead]));
        (import.status, import.phase) = (JobStatus::Running, Some(ImportPhase::Scan));
        import.bytes_fetched = 900;
        assert_eq!((arrival(&import), steps(&import)), (("Fetched", Done), [Current, Ahead, Ahead]));
    }
}
