//! The start page: choose files, or a URL.

use leptos::prelude::*;

use super::from_url::FromUrl;
use super::table::ImportList;
use super::upload::{DropZone, FileErrorNotice, Queue, State, UnfinishedUploads, UploadList, UploadPanel, Uploads};
use crate::ui::format::percent;
use crate::ui::{PageHead, page_title};

/// Imports listed below the drop zone.
const MAX_RECENT: u32 = 5;

/// The page where imports start.
#[component]
pub fn StartPage() -> impl IntoView {
    let queue = Uploads::expect().queue();
    let is_busy = Memo::new(move |_| queue.with(|queue| !queue.is_finished()));
    page_title(move || queue.with(title).unwrap_or_else(|| "Import products".to_owned()));
    view! {
        <div class="page">
            <PageHead
                title="Import products"
                lead="Half a million rows are fine. Watch progress live. You can close this tab after the upload."
            />
            <FileErrorNotice />
            <UnfinishedUploads />
            <div class="start">
                <div class="start-files">
                    <Show when=move || is_busy.get() fallback=DropZone>
                        <UploadPanel />
                    </Show>
                    <UploadList />
                    <FromUrl />
                </div>
                <FormatHint />
            </div>
            <section class="section" aria-labelledby="recent">
                <header class="section-head">
                    <h2 id="recent">"Recent imports"</h2>
                    <a href="/imports">"All imports"</a>
                </header>
                <ImportList before=None limit=MAX_RECENT />
            </section>
        </div>
    }
}

/// Title of the tab while a file is uploaded.
fn title(queue: &Queue) -> Option<String> {
    let upload = queue.displayed()?;
    let state = if matches!(upload.state, State::Paused(_)) { "paused" } else { "uploaded" };
    Some(format!("{} {state} · {}", percent(upload.share()), upload.file_name))
}

/// The expected format of a file.
#[component]
fn FormatHint() -> impl IntoView {
    view! {
        <aside class="card format" id="format" aria-labelledby="format-title">
            <h2 id="format-title">"File format"</h2>
            <pre class="format-sample" tabindex="0" aria-label="Sample file"><code>
                <b>"sku,name,description\n"</b>
                "tea-01,Green tea,\"Sencha,\nfirst harvest\"\n"
                "mug-07,Mug,White; 0.3 l"
            </code></pre>
            <ul class="format-rules">
                <li>"A header line with "<code>"sku"</code>" and "<code>"name"</code>"; "<code>"description"</code>" is optional."</li>
                <li>"Other columns become attributes. A blank cell clears its field; columns that are not in the file stay as they are."</li>
                <li>"The SKU identifies a product, regardless of case. If a SKU appears twice, the last row is imported."</li>
                <li>"UTF-8, separated by comma, semicolon, tab or pipe. Quoted fields may contain commas and line breaks."</li>
            </ul>
        </aside>
    }
}
