//! Choosing files: by the file picker, or dropped anywhere in the window.

use leptos::{ev, html, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use wasm_bindgen::JsValue;
use web_sys::DragEvent;

use super::{State, UploadError, Uploads};
use crate::ui::{Glyph, Icon, Notice, Tone};

/// The large field with the file picker. A drop on it is a drop on the window.
#[component]
pub fn DropZone() -> impl IntoView {
    view! {
        <label class="drop-zone" data-testid="drop-zone">
            <span class="drop-zone-sign">
                <Icon glyph=Glyph::Upload />
            </span>
            <span class="drop-zone-title">"Drop CSV files here"</span>
            <span class="drop-zone-text">"or "<span class="drop-zone-link">"choose them"</span>" from your computer"</span>
            <FilePicker label="Choose CSV files of products" testid="file-input" />
        </label>
    }
}

/// The input behind each label that opens the file picker. All chosen files go into one queue.
#[component]
pub fn FilePicker(
    /// For screen readers.
    #[prop(into)]
    label: String,
    testid: &'static str,
) -> impl IntoView {
    let uploads = Uploads::expect();
    let input = NodeRef::<html::Input>::new();
    let chosen = move |_| {
        let Some(input) = input.get_untracked() else { return };
        uploads.add(input.files());
        // So that the same file can be chosen again once it is fixed.
        input.set_value("");
    };
    view! {
        <input
            class="visually-hidden"
            type="file"
            multiple
            accept=".csv,.tsv,.txt,text/csv"
            aria-label=label
            aria-describedby="format"
            data-testid=testid
            node_ref=input
            on:change=chosen
        />
    }
}

/// Why the only file was rejected. If there are several, the list shows it.
#[component]
pub fn FileErrorNotice() -> impl IntoView {
    let uploads = Uploads::expect();
    let queue = uploads.queue();
    let failed = Memo::new(move |_| {
        queue.with(|queue| match queue.only() {
            Some(upload) => match &upload.state {
                State::Failed(error) => Some((upload.id, error.clone())),
                _ => None,
            },
            None => None,
        })
    });
    let problem = move |(id, UploadError { title, detail, retry })| {
        view! {
            <Notice tone=Tone::Bad title testid="file-problem">
                <p>{detail}</p>
                {retry.then(|| {
                    view! {
                        <button type="button" class="button" data-testid="send-again" on:click=move |_| uploads.retry(id)>
                            "Send again"
                        </button>
                    }
                })}
            </Notice>
        }
    };
    move || failed.get().map(problem)
}

/// Accepts a drop anywhere in the window, on every page, and shows that while a file is dragged over it.
#[component]
pub fn DropOverlay() -> impl IntoView {
    let uploads = Uploads::expect();
    let (navigate, path) = (use_navigate(), use_location().pathname);
    let dragging = RwSignal::new(false);
    let entered = window_event_listener(ev::dragenter, move |event| {
        if carries_files(&event) {
            dragging.set(true);
        }
    });
    let over = window_event_listener(ev::dragover, move |event| {
        if carries_files(&event) {
            // Without this the browser would open the file.
            event.prevent_default();
        }
    });
    let left = window_event_listener(ev::dragleave, move |event| {
        if event.related_target().is_none() {
            dragging.set(false);
        }
    });
    let dropped = window_event_listener(ev::drop, move |event| {
        dragging.set(false);
        if carries_files(&event) {
            event.prevent_default();
            if path.get_untracked() != "/" {
                navigate("/", NavigateOptions::default());
            }
            uploads.add(event.data_transfer().and_then(|data| data.files()));
        }
    });
    on_cleanup(move || {
        for listener in [entered, over, left, dropped] {
            listener.remove();
        }
    });
    view! {
        <div class="drop-overlay" class:drop-overlay-shown=move || dragging.get() aria-hidden="true">
            <div class="drop-overlay-text">
                <Icon glyph=Glyph::Upload />
                "Drop files to import them"
            </div>
        </div>
    }
}

/// Text and images of the page can be dragged, too.
fn carries_files(event: &DragEvent) -> bool {
    event.data_transfer().is_some_and(|data| data.types().includes(&JsValue::from_str("Files"), 0))
}
