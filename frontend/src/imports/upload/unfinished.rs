//! Uploads that were created before this page was loaded.

use leptos::prelude::*;

use super::Uploads;
use super::drop_zone::FilePicker;
use super::resumable::Resumable;
use crate::ui::format::percent;
use crate::ui::{Notice, Tone};

/// One notice for each: it resumes when its file is chosen again, and only then, because a page may not open files by itself.
#[component]
pub fn UnfinishedUploads() -> impl IntoView {
    let unfinished = Uploads::expect().unfinished();
    view! {
        <For each=move || unfinished.get() key=|stored| stored.url.clone() children=|stored| view! { <Unfinished stored /> } />
    }
}

#[component]
fn Unfinished(stored: Resumable) -> impl IntoView {
    let uploads = Uploads::expect();
    let unfinished = uploads.unfinished();
    let Resumable { url, file_name, .. } = stored.clone();
    let title = Signal::derive({
        let url = url.clone();
        // The response of the server may arrive after the stored offset was shown.
        move || unfinished.with(|list| title(list.iter().find(|other| other.url == url).unwrap_or(&stored)))
    });
    let (choose, discard) = (format!("Choose {file_name} again"), format!("Discard the upload of {file_name}"));
    view! {
        <div class="unfinished" data-testid="unfinished">
            <Notice tone=Tone::Neutral title>
                <p>"Choose the same file again to resume."</p>
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
fn title(stored: &Resumable) -> String {
    let share = if stored.size > 0 { stored.offset as f64 / stored.size as f64 } else { 0.0 };
    format!("{}: {} uploaded", stored.file_name, percent(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_has_the_share_that_is_uploaded() {
        let stored = Resumable {
            fingerprint: String::new(),
            url: "/a".to_owned(),
            file_name: "products.csv".to_owned(),
            size: 200,
            offset: 91,
        };
        assert_eq!(title(&stored), "products.csv: 45 % uploaded");
    }
}
