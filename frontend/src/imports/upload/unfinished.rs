//! Uploads that were begun before this page was loaded.

use leptos::prelude::*;

use super::Uploads;
use super::drop_zone::FilePicker;
use super::kept::Kept;
use crate::ui::format::percent;
use crate::ui::{Notice, Tone};

/// One notice for each: it goes on when its file is chosen again, and only then, for a page may not open files by itself.
#[component]
pub fn UnfinishedUploads() -> impl IntoView {
    let unfinished = Uploads::expect().unfinished();
    view! {
        <For each=move || unfinished.get() key=|kept| kept.url.clone() children=|kept| view! { <Unfinished kept /> } />
    }
}

#[component]
fn Unfinished(kept: Kept) -> impl IntoView {
    let uploads = Uploads::expect();
    let unfinished = uploads.unfinished();
    let Kept { url, file_name, .. } = kept.clone();
    let title = Signal::derive({
        let url = url.clone();
        // The server's answer may come later than what was known here.
        move || unfinished.with(|list| title(list.iter().find(|other| other.url == url).unwrap_or(&kept)))
    });
    let (choose, discard) =
        (format!("Choose the file {file_name} again"), format!("Discard what is here of {file_name}"));
    view! {
        <div class="unfinished" data-testid="unfinished">
            <Notice tone=Tone::Neutral title>
                <p>"Choose the same file again to go on."</p>
                <div class="unfinished-actions">
                    <label class="button button-primary">
                        "Choose the file" <FilePicker label=choose testid="unfinished-input" />
                    </label>
                    <button
                        type="button"
                        class="button"
                        aria-label=discard
                        data-testid="unfinished-dismiss"
                        on:click=move |_| uploads.dismiss(url.clone())
                    >
                        "Discard"
                    </button>
                </div>
            </Notice>
        </div>
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
fn title(kept: &Kept) -> String {
    let share = if kept.size > 0 { kept.offset as f64 / kept.size as f64 } else { 0.0 };
    format!("{}: {} is already here", kept.file_name, percent(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_much_is_there() {
        let kept = Kept {
            fingerprint: String::new(),
            url: "/a".to_owned(),
            file_name: "products.csv".to_owned(),
            size: 200,
            offset: 91,
        };
        assert_eq!(title(&kept), "products.csv: 45 % is already here");
    }
}
