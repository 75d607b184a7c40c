//! What is seen of the file that is sent: a panel in the place of the drop zone, a pill in the top bar on other pages.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::drop_zone::FilePicker;
use super::queue::{Pause, State, Upload};
use super::{Queue, Uploads, focus_first};
use crate::ui::format::{bytes, percent, time_left};
use crate::ui::{BarState, Glyph, Icon, ProgressBar, use_now};

/// Seconds without a byte after which the person is told.
const STALLED: i64 = 5;

/// The file whose turn it is, with its progress.
#[component]
pub fn UploadPanel() -> impl IntoView {
    let uploads = Uploads::expect();
    let queue = uploads.queue();
    let shown = Memo::new(move |_| queue.with(|queue| queue.shown().cloned()));
    let now = use_now();
    // The panel stays for one moment longer than the upload.
    let read = move |read: fn(&Upload) -> String| move || shown.with(|s| s.as_ref().map(read).unwrap_or_default());
    let share = Signal::derive(move || shown.with(|s| s.as_ref().and_then(bar_share)));
    let id = Memo::new(move |_| shown.with(|s| s.as_ref().map(|s| s.id)));
    let bar = Signal::derive(move || shown.with(|s| s.as_ref().map_or(BarState::Moving, bar_state)));
    let course = move || shown.with(|s| s.as_ref().map(|s| course(s, now.get())).unwrap_or_default());
    let state = move || shown.with(|s| s.as_ref().map_or("", |s| s.state.as_str()));
    let control = Memo::new(move |_| shown.with(|s| s.as_ref().map_or(Control::Pause, |s| Control::of(&s.state))));
    let cancel = move |_| {
        if let Some(id) = shown.with_untracked(|s| s.as_ref().map(|s| s.id)) {
            uploads.remove(id);
            focus_first();
        }
    };
    view! {
        <section class="card upload" aria-label="Upload" data-testid="upload-progress" data-state=state>
            <div class="upload-head">
                <Icon glyph=Glyph::File />
                <strong class="upload-name">{read(|s| s.file_name.clone())}</strong>
                <span class="upload-percent" data-testid="upload-percent">{read(|s| percent(s.share()))}</span>
            </div>
            // A bar for each file: that of the next one shall not run back from where the last one ended.
            <For each=move || id.get() key=|id| *id children=move |_| view! { <ProgressBar share label="Bytes sent" state=bar /> } />
            <div class="upload-foot">
                <span>{read(|s| format!("{} of {}", bytes(s.sent), bytes(s.size)))}</span>
                <span class="upload-course" data-testid="upload-course">{course}</span>
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
                {read(|s| if s.is_kept { HINT.to_owned() } else { String::new() })}
            </p>
            <p class="visually-hidden" role="status">
                {read(announcement)}
            </p>
        </section>
    }
}

const HINT: &str = "What has been sent is kept. Should this page be closed, choose the same file again and it goes on.";

/// What the first button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Pause,
    Resume,
    TryNow,
}

impl Control {
    const fn of(state: &State) -> Self {
        match state {
            State::Paused(_) => Self::Resume,
            State::Broken { .. } => Self::TryNow,
            _ => Self::Pause,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Pause => "Pause",
            Self::Resume => "Go on",
            Self::TryNow => "Try now",
        }
    }

    fn apply(self, uploads: Uploads) {
        match self {
            Self::Pause => uploads.pause(),
            Self::Resume => uploads.resume(),
            Self::TryNow => uploads.try_now(),
        }
    }
}

/// How full the bar is; to and fro while the server puts the file together.
fn bar_share(upload: &Upload) -> Option<f64> {
    let finishing = upload.is_sent() && upload.state == State::Sending;
    (!finishing).then(|| upload.share())
}

const fn bar_state(upload: &Upload) -> BarState {
    match upload.state {
        State::Paused(_) | State::Broken { .. } => BarState::Resting,
        _ => BarState::Moving,
    }
}

/// Speed and time left, or why there are none.
pub fn course(upload: &Upload, now: DateTime<Utc>) -> String {
    match &upload.state {
        State::Checking => "Looking at the file …".to_owned(),
        State::Waiting => "Waiting".to_owned(),
        State::Connecting => "Connecting …".to_owned(),
        State::Sending => pace(upload, now),
        State::Broken { why, again_at } => match (*again_at - now).num_milliseconds() {
            wait @ 1.. => format!("{why}, trying again in {} s", (wait + 999) / 1_000),
            _ => format!("{why}, trying again …"),
        },
        State::Paused(Pause::Asked) => "Paused".to_owned(),
        State::Paused(Pause::SignedOut) => "Your session has ended. Sign in again, then go on.".to_owned(),
        State::Failed(_) => "Not imported".to_owned(),
        State::Arrived(_) => "Arrived".to_owned(),
    }
}

fn pace(upload: &Upload, now: DateTime<Utc>) -> String {
    if upload.is_sent() {
        return "Sent. The server is putting it away …".to_owned();
    }
    let still = (now - upload.moved_at).num_seconds();
    if still >= STALLED {
        return format!("No byte has left for {still} s; waiting for the network");
    }
    let speed = upload.pace.current(now).map(per_second);
    let left = upload.pace.time_left(upload.size - upload.sent, now).map(time_left);
    match (speed, left) {
        (Some(speed), Some(left)) => format!("{speed} · {left} left"),
        (Some(speed), None) => speed,
        (None, _) => "Starting …".to_owned(),
    }
}

/// What is said aloud: each change once, without the figures that would never let it end.
fn announcement(upload: &Upload) -> String {
    let name = &upload.file_name;
    match &upload.state {
        State::Sending if upload.is_sent() => format!("{name} is sent"),
        State::Connecting | State::Sending => format!("Sending {name}"),
        State::Broken { why, .. } => format!("{why}. {name} goes on by itself"),
        State::Paused(Pause::Asked) => format!("{name} is paused"),
        State::Paused(Pause::SignedOut) => format!("Your session has ended. {name} is paused"),
        _ => String::new(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "speeds are far below the limit")]
fn per_second(speed: f64) -> String {
    format!("{}/s", bytes(speed as i64))
}

/// Leads back to an upload from every other page.
#[component]
pub fn UploadPill() -> impl IntoView {
    let queue = Uploads::expect().queue();
    let path = use_location().pathname;
    let text = Memo::new(move |_| queue.with(pill));
    let shown = Memo::new(move |_| text.with(Option::is_some) && path.get() != "/");
    view! {
        <Show when=move || shown.get()>
            <a class="upload-pill" href="/" aria-label="An upload is under way; show it" data-testid="upload-pill">
                <Icon glyph=Glyph::Upload />
                <span>{move || text.get()}</span>
            </a>
        </Show>
    }
}

/// The upload in a few letters: `45 %`, `2/5 · 45 %`, `45 %, paused`.
fn pill(queue: &Queue) -> Option<String> {
    let upload = queue.shown()?;
    let share = percent(upload.share());
    let text = match upload.state {
        State::Paused(_) => format!("{share}, paused"),
        State::Broken { .. } => format!("{share}, no line"),
        _ => share,
    };
    let place = queue.uploads().iter().position(|other| other.id == upload.id).unwrap_or(0) + 1;
    Some(if queue.only().is_some() { text } else { format!("{place}/{} · {text}", queue.uploads().len()) })
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
    fn speeds_have_a_unit() {
        assert_eq!(per_second(12_340_000.0), "12.3 MB/s");
    }

    #[test]
    fn a_lost_line_is_told_with_the_seconds_until_the_next_try() {
        let again_at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(3_400);
        let upload = in_state(State::Broken { why: "Connection lost".to_owned(), again_at });
        assert_eq!(course(&upload, DateTime::UNIX_EPOCH), "Connection lost, trying again in 4 s");
        assert_eq!(course(&upload, again_at), "Connection lost, trying again …");
        assert_eq!(announcement(&upload), "Connection lost. 1.csv goes on by itself");
    }

    #[test]
    fn a_line_on_which_nothing_moves_is_told() {
        let upload = in_state(State::Sending);
        assert_eq!(course(&upload, DateTime::UNIX_EPOCH), "Starting …");
        let later = DateTime::UNIX_EPOCH + TimeDelta::seconds(7);
        assert_eq!(course(&upload, later), "No byte has left for 7 s; waiting for the network");
    }

    #[test]
    fn the_pill_tells_the_place_in_the_queue_and_what_is_the_matter() {
        let half = |states: &[State]| {
            let mut queue = queue(states);
            let id = queue.shown().expect("one").id;
            queue.get_mut(id).expect("there").sent = 90;
            pill(&queue)
        };
        assert_eq!(half(&[State::Sending]).as_deref(), Some("45 %"));
        assert_eq!(half(&[State::Arrived(1), State::Sending, State::Waiting]).as_deref(), Some("2/3 · 45 %"));
        assert_eq!(half(&[State::Paused(Pause::Asked)]).as_deref(), Some("45 %, paused"));
        assert_eq!(pill(&queue(&[State::Arrived(1)])), None);
    }
}
