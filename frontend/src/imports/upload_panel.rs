//! What is seen of an upload: a panel in the place of the drop zone, a pill in the top bar on other pages.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::upload::{Sending, Uploads};
use crate::ui::format::{bytes, percent, time_left};
use crate::ui::{Glyph, Icon, ProgressBar, use_now};

/// Seconds without a byte after which the person is told.
const STALLED: i64 = 5;

/// The file that is being sent, with its progress.
#[component]
pub fn UploadPanel() -> impl IntoView {
    let uploads = Uploads::expect();
    let sending = uploads.sending();
    let now = use_now();
    // The panel stays for one moment longer than the upload.
    let read = move |read: fn(&Sending) -> String| move || sending.with(|s| s.as_ref().map(read).unwrap_or_default());
    let share = Signal::derive(move || sending.with(|s| s.as_ref().filter(|s| !s.is_sent()).map(Sending::share)));
    let pace = move || sending.with(|s| s.as_ref().map(|s| pace(s, now.get())).unwrap_or_default());
    view! {
        <section class="card upload" aria-label="Upload" data-testid="upload-progress">
            <div class="upload-head">
                <Icon glyph=Glyph::File />
                <strong class="upload-name">{read(|s| s.file_name.clone())}</strong>
                <span class="upload-percent">{read(|s| percent(s.share()))}</span>
            </div>
            <ProgressBar share label="Bytes sent" />
            <div class="upload-foot">
                <span>{read(|s| format!("{} of {}", bytes(s.sent), bytes(s.size)))}</span>
                <span>{pace}</span>
                <button type="button" class="button" on:click=move |_| uploads.cancel()>
                    "Cancel upload"
                </button>
            </div>
            <p class="visually-hidden" role="status">
                {read(|s| if s.is_sent() { "The file is sent".to_owned() } else { format!("Sending {}", s.file_name) })}
            </p>
        </section>
    }
}

/// Speed and time left, or why there are none.
fn pace(sending: &Sending, now: chrono::DateTime<chrono::Utc>) -> String {
    if sending.is_sent() {
        return "Sent. The server is putting it away …".to_owned();
    }
    let still = (now - sending.moved_at).num_seconds();
    if still >= STALLED {
        return format!("No byte has left for {still} s; waiting for the network");
    }
    let speed = sending.pace.current(now).map(per_second);
    let left = sending.pace.time_left(sending.size - sending.sent, now).map(time_left);
    match (speed, left) {
        (Some(speed), Some(left)) => format!("{speed} · {left} left"),
        (Some(speed), None) => speed,
        (None, _) => "Starting …".to_owned(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "speeds are far below the limit")]
fn per_second(speed: f64) -> String {
    format!("{}/s", bytes(speed as i64))
}

/// Leads back to an upload from every other page.
#[component]
pub fn UploadPill() -> impl IntoView {
    let sending = Uploads::expect().sending();
    let path = use_location().pathname;
    let shown = Memo::new(move |_| sending.with(Option::is_some) && path.get() != "/");
    let text = move || sending.with(|s| s.as_ref().map(|s| percent(s.share())).unwrap_or_default());
    view! {
        <Show when=move || shown.get()>
            <a class="upload-pill" href="/" aria-label="An upload is under way; show it">
                <Icon glyph=Glyph::Upload />
                <span>{text}</span>
            </a>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_have_a_unit() {
        assert_eq!(per_second(12_340_000.0), "12.3 MB/s");
    }
}
