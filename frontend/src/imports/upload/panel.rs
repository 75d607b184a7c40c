//! The progress of the file that is being sent: a panel in the place of the drop zone, a pill in the top bar on other pages.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::drop_zone::FilePicker;
use super::queue::{PauseReason, State, Upload};
use super::{Queue, Uploads, focus_next_control};
use crate::ui::format::{bytes, percent, time_left};
use crate::ui::{BarState, Glyph, Icon, ProgressBar, use_now};

/// Seconds without a byte after which the connection counts as stalled.
const STALLED_AFTER_SECONDS: i64 = 5;

/// The current file, with its progress.
#[component]
pub fn UploadPanel() -> impl IntoView {
    let uploads = Uploads::expect();
    let queue = uploads.queue();
    let shown = Memo::new(move |_| queue.with(|queue| queue.displayed().cloned()));
    let now = use_now();
    // The panel stays for one moment longer than the upload.
    let read = move |read: fn(&Upload) -> String| move || shown.with(|s| s.as_ref().map(read).unwrap_or_default());
    let share = Signal::derive(move || shown.with(|s| s.as_ref().and_then(bar_share)));
    let id = Memo::new(move |_| shown.with(|s| s.as_ref().map(|s| s.id)));
    let bar = Signal::derive(move || shown.with(|s| s.as_ref().map_or(BarState::Moving, bar_state)));
    let status = move || shown.with(|s| s.as_ref().map(|s| status(s, now.get())).unwrap_or_default());
    let state = move || shown.with(|s| s.as_ref().map_or("", |s| s.state.as_str()));
    let control =
        Memo::new(move |_| shown.with(|s| s.as_ref().map_or(Control::PauseReason, |s| Control::of(&s.state))));
    let cancel = move |_| {
        if let Some(id) = shown.with_untracked(|s| s.as_ref().map(|s| s.id)) {
            uploads.remove(id);
            focus_next_control();
        }
    };
    view! {
        <section class="card upload" aria-label="Upload" data-testid="upload-progress" data-state=state>
            <div class="upload-head">
                <Icon glyph=Glyph::File />
                <strong class="upload-name">{read(|s| s.file_name.clone())}</strong>
                <span class="upload-percent" data-testid="upload-percent">{read(|s| percent(s.share()))}</span>
            </div>
            // A bar for each file, so that the next one does not run back from where the last one ended.
            <For each=move || id.get() key=|id| *id children=move |_| view! { <ProgressBar share label="Bytes sent" state=bar /> } />
            <div class="upload-foot">
                <span>{read(|s| format!("{} of {}", bytes(s.sent), bytes(s.size)))}</span>
                <span class="upload-status" data-testid="upload-status">{status}</span>
            </div>
            <div class="upload-actions">
                <button
                    type="button"
                    class="button"
                    data-testid="upload-control"
                    on:click=move |_| control.get_untracked().apply(uploads)
                >
                    {move || control.get().label()}
                </button>
                <button type="button" class="button" data-testid="upload-cancel" on:click=cancel>
                    "Cancel upload"
                </button>
                <label class="button upload-add">
                    <Icon glyph=Glyph::Plus />
                    "Add files"
                    <FilePicker label="Add files of products" testid="file-input" />
                </label>
            </div>
            <p class="upload-hint">
                {read(|s| if s.is_resumable { HINT.to_owned() } else { String::new() })}
            </p>
            <p class="visually-hidden" role="status">
                {read(announcement)}
            </p>
        </section>
    }
}

const HINT: &str = "If you close this page, choose the same file again to resume.";

/// The action of the first button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    PauseReason,
    Resume,
    TryNow,
}

impl Control {
    const fn of(state: &State) -> Self {
        match state {
            State::Paused(_) => Self::Resume,
            State::Interrupted { .. } => Self::TryNow,
            _ => Self::PauseReason,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::PauseReason => "PauseReason",
            Self::Resume => "Resume",
            Self::TryNow => "Try now",
        }
    }

    fn apply(self, uploads: Uploads) {
        match self {
            Self::PauseReason => uploads.pause(),
            Self::Resume => uploads.resume(),
            Self::TryNow => uploads.try_now(),
        }
    }
}

/// How full the bar is; indeterminate while the server completes the file.
fn bar_share(upload: &Upload) -> Option<f64> {
    let finishing = upload.is_sent() && upload.state == State::Sending;
    (!finishing).then(|| upload.share())
}

const fn bar_state(upload: &Upload) -> BarState {
    match upload.state {
        State::Paused(_) | State::Interrupted { .. } => BarState::Resting,
        _ => BarState::Moving,
    }
}

/// Speed and time left, or why there are none.
pub fn status(upload: &Upload, now: DateTime<Utc>) -> String {
    match &upload.state {
        State::Checking => "Checking the file …".to_owned(),
        State::Waiting => "Waiting".to_owned(),
        State::Connecting => "Connecting …".to_owned(),
        State::Sending => throughput(upload, now),
        State::Interrupted { why, retry_at } => match (*retry_at - now).num_milliseconds() {
            wait @ 1.. => format!("{why}, retrying in {} s", (wait + 999) / 1_000),
            _ => format!("{why}, retrying …"),
        },
        State::Paused(PauseReason::ByUser) => "Paused".to_owned(),
        State::Paused(PauseReason::SignedOut) => "Your session has ended. Sign in again to resume.".to_owned(),
        State::Failed(_) => "Not imported".to_owned(),
        State::Uploaded(_) => "Uploaded".to_owned(),
    }
}

fn throughput(upload: &Upload, now: DateTime<Utc>) -> String {
    if upload.is_sent() {
        return "Sent. The server is processing the file …".to_owned();
    }
    let stalled = (now - upload.progressed_at).num_seconds();
    if stalled >= STALLED_AFTER_SECONDS {
        return format!("Nothing sent for {stalled} s; waiting for the network");
    }
    let speed = upload.throughput.current(now).map(per_second);
    let left = upload.throughput.time_left(upload.size - upload.sent, now).map(time_left);
    match (speed, left) {
        (Some(speed), Some(left)) => format!("{speed} · {left} left"),
        (Some(speed), None) => speed,
        (None, _) => "Starting …".to_owned(),
    }
}

/// What screen readers announce: each change once, without the figures that change all the time.
fn announcement(upload: &Upload) -> String {
    let name = &upload.file_name;
    match &upload.state {
        State::Sending if upload.is_sent() => format!("{name} is sent"),
        State::Connecting | State::Sending => format!("Sending {name}"),
        State::Interrupted { why, .. } => format!("{why}. {name} resumes automatically"),
        State::Paused(PauseReason::ByUser) => format!("{name} is paused"),
        State::Paused(PauseReason::SignedOut) => format!("Your session has ended. {name} is paused"),
        _ => String::new(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "throughput is far below the limit")]
fn per_second(throughput: f64) -> String {
    format!("{}/s", bytes(throughput as i64))
}

/// The link back to the upload on every other page.
#[component]
pub fn UploadPill() -> impl IntoView {
    let queue = Uploads::expect().queue();
    let path = use_location().pathname;
    let text = Memo::new(move |_| queue.with(pill));
    let shown = Memo::new(move |_| text.with(Option::is_some) && path.get() != "/");
    view! {
        <Show when=move || shown.get()>
            <a class="upload-pill" href="/" aria-label="Show the upload in progress" data-testid="upload-pill">
                <Icon glyph=Glyph::Upload />
                <span>{move || text.get()}</span>
            </a>
        </Show>
    }
}

/// The upload in a few characters: `45 %`, `2/5 · 45 %`, `45 %, paused`.
fn pill(queue: &Queue) -> Option<String> {
    let upload = queue.displayed()?;
    let share = percent(upload.share());
    let text = match upload.state {
        State::Paused(_) => format!("{share}, paused"),
        State::Interrupted { .. } => format!("{share}, offline"),
        _ => share,
    };
    let position = queue.uploads().iter().position(|other| other.id == upload.id).unwrap_or(0) + 1;
    Some(if queue.only().is_some() { text } else { format!("{position}/{} · {text}", queue.uploads().len()) })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::queue::tests::queue;
    use super::*;

    fn in_state(state: State) -> Upload {
        let mut upload = queue(&[State::Sending]).uploads()[0].clone();
        upload.state = state;
        upload
    }

    #[test]
    fn throughput_has_a_unit() {
        assert_eq!(per_second(12_340_000.0), "12.3 MB/s");
    }

    #[test]
    fn a_lost_connection_is_shown_with_the_seconds_until_the_next_attempt() {
        let retry_at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(3_400);
        let upload = in_state(State::Interrupted { why: "Connection lost".to_owned(), retry_at });
        assert_eq!(status(&upload, DateTime::UNIX_EPOCH), "Connection lost, retrying in 4 s");
        assert_eq!(status(&upload, retry_at), "Connection lost, retrying …");
        assert_eq!(announcement(&upload), "Connection lost. 1.csv resumes automatically");
    }

    #[test]
    fn a_stalled_connection_is_shown() {
        let upload = in_state(State::Sending);
        assert_eq!(status(&upload, DateTime::UNIX_EPOCH), "Starting …");
        let later = DateTime::UNIX_EPOCH + TimeDelta::seconds(7);
        assert_eq!(status(&upload, later), "Nothing sent for 7 s; waiting for the network");
    }

    #[test]
    fn the_pill_shows_the_position_in_the_queue_and_the_state() {
        let half = |states: &[State]| {
            let mut queue = queue(states);
            let id = queue.displayed().expect("one").id;
            queue.get_mut(id).expect("there").sent = 90;
            pill(&queue)
        };
        assert_eq!(half(&[State::Sending]).as_deref(), Some("45 %"));
        assert_eq!(half(&[State::Uploaded(1), State::Sending, State::Waiting]).as_deref(), Some("2/3 · 45 %"));
        assert_eq!(half(&[State::Paused(PauseReason::ByUser)]).as_deref(), Some("45 %, paused"));
        assert_eq!(pill(&queue(&[State::Uploaded(1)])), None);
    }
}
