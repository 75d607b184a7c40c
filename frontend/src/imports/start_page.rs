use leptos::prelude::*;

use super::from_url::FromUrl;
use super::table::ImportList;
use super::upload::{DropZone, FileProblem, Queue, State, UnfinishedUploads, UploadList, UploadPanel, Uploads};
use crate::ui::format::percent;
use crate::ui::{PageHead, page_title};

/// Number of imports that are shown below the drop zone.
const RECENT: u32 = 5;

/// The page where an import begins.
#[component]
pub fn StartPage() -> impl IntoView {
    let queue = Uploads::expect().queue();
    let is_busy = Memo::new(move |_| queue.with(|queue| !queue.is_settled()));
    page_title(move || queue.with(title).unwrap_or_else(|| "Import products".to_owned()));
    view! {
        <div class="page">
            <PageHead
                title="Import products"
                lead="Half a million rows are fine. You can watch them go in, and close this tab once the files are sent."
            />
            <FileProblem />
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
                <ImportList before=None limit=RECENT />
            </section>
        </div>
    }
}

/// What the tab says while a file is sent.
fn title(queue: &Queue) -> Option<String> {
    let upload = queue.shown()?;
    let state = if matches!(upload.state, State::Paused(_)) { "paused" } else { "sent" };
    Some(format!("{} {state} · {}", percent(upload.share()), upload.file_name))
}

/// What a file must look like.
#[component]
fn FormatHint() -> impl IntoView {
    view! {
        <aside class="card format" id="format" aria-labelledby="format-title">
            <h2 id="format-title">"What the file looks like"</h2>
            <pre class="format-sample" tabindex="0" aria-label="Sample of a file"><code>
                <b>"sku,name,description\n"</b>
                "tea-01,Green tea,\"Sencha,\nfirst harvest\"\n"
                "mug-07,Mug,White; 0.3 l"
            </code></pre>
            <ul class="format-rules">
                <li>"A header line with "<code>"sku"</code>" and "<code>"name"</code>"; "<code>"description"</code>" if you have it."</li>
                <li>"Other columns are kept as attributes."</li>
                <li>"The SKU identifies a product, in upper or lower case. Where it is repeated, the last row counts."</li>
                <li>"Quoted fields may contain commas and newlines. UTF-8; comma, semicolon, tab or bar between fields."</li>
            </ul>
        </aside>
    }
}
