//! Import from a URL: the server fetches the file.

use leptos::{ev, html, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use shared::{import::ImportFromUrl, problem::Problem};
use wasm_bindgen_futures::spawn_local;

use super::requests::import_from_url;

/// Form for a URL; opens the page of the import.
#[component]
pub fn FromUrl() -> impl IntoView {
    let url = RwSignal::new(String::new());
    let error = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let field = NodeRef::<html::Input>::new();
    let navigate = use_navigate();
    let fetch = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        let navigate = navigate.clone();
        let file = ImportFromUrl { url: url.get_untracked().trim().to_owned(), file_name: None };
        error.set(String::new());
        busy.set(true);
        spawn_local(async move {
            let answer = import_from_url(&file).await;
            // If the user has left the page, the import is in the history.
            if busy.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(import) => navigate(&format!("/imports/{}", import.id), NavigateOptions::default()),
                Err(problem) => {
                    error.set(reason(&problem));
                    if let Some(field) = field.get_untracked() {
                        // An element that cannot take the focus is not an error.
                        let _ = field.focus();
                    }
                }
            }
        });
    };
    view! {
        <form class="from-url" on:submit=fetch novalidate data-testid="from-url">
            <label class="field-label" for="from-url">"Or import from a URL"</label>
            <div class="from-url-row">
                <input
                    id="from-url"
                    class="input"
                    type="url"
                    inputmode="url"
                    autocomplete="off"
                    placeholder="https://example.com/products.csv"
                    aria-invalid=move || (!error.with(String::is_empty)).to_string()
                    aria-describedby="from-url-error"
                    data-testid="url-input"
                    node_ref=field
                    bind:value=url
                />
                <button type="submit" class="button" data-testid="url-fetch" disabled=move || busy.get()>
                    {move || if busy.get() { "Checking …" } else { "Import" }}
                </button>
            </div>
            <p class="field-error" id="from-url-error" role="alert" data-testid="url-error">{error}</p>
        </form>
    }
}

/// The problem as a sentence.
fn reason(problem: &Problem) -> String {
    match problem.errors.first() {
        Some(error) => format!("The {} {}", error.field.replace('_', " "), error.message),
        None => problem.detail.clone(),
    }
}
