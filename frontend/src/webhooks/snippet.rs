//! Code with which a receiver verifies messages.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;

use crate::ui::{Glyph, Icon, Toasts, write_to_clipboard};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
    Rust,
}

impl Language {
    const ALL: [Self; 3] = [Self::Python, Self::JavaScript, Self::Rust];

    const fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::Rust => "Rust",
        }
    }

    /// Returns how to install the library and how to use it.
    const fn code(self) -> &'static str {
        match self {
            Self::Python => include_str!("snippets/verify.py"),
            Self::JavaScript => include_str!("snippets/verify.js"),
            Self::Rust => include_str!("snippets/verify.rs.txt"),
        }
    }

    /// Returns the language `steps` tabs to the right.
    fn neighbor(self, steps: usize) -> Self {
        let place = Self::ALL.iter().position(|language| *language == self).unwrap_or(0);
        Self::ALL[(place + steps) % Self::ALL.len()]
    }
}

#[component]
pub fn Snippet() -> impl IntoView {
    let chosen = RwSignal::new(Language::Python);
    let tab = move |language: Language| {
        let is_chosen = move || chosen.get() == language;
        view! {
            <button
                type="button"
                role="tab"
                class="tab"
                id=format!("tab-{}", language.name())
                aria-controls="snippet"
                aria-selected=move || is_chosen().to_string()
                tabindex=move || if is_chosen() { "0" } else { "-1" }
                data-testid=format!("snippet-{}", language.name())
                on:click=move |_| chosen.set(language)
            >
                {language.name()}
            </button>
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let steps = match event.key().as_str() {
            "ArrowRight" => 1,
            "ArrowLeft" => Language::ALL.len() - 1,
            _ => return,
        };
        event.prevent_default();
        let next = chosen.get_untracked().neighbor(steps);
        chosen.set(next);
        let tab = document().get_element_by_id(&format!("tab-{}", next.name()));
        if let Some(tab) = tab.and_then(|tab| tab.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = tab.focus();
        }
    };
    view! {
        <section class="card webhook-section" aria-labelledby="snippet-title">
            <header class="card-head">
                <div>
                    <h2 id="snippet-title">"Verify a message"</h2>
                    <p class="card-note">
                        "Messages follow "
                        <a href="https://www.standardwebhooks.com" rel="external">"Standard Webhooks"</a>
                        ". Check the raw body, before it is parsed."
                    </p>
                </div>
                <CopyCode chosen />
            </header>
            <div class="tabs" role="tablist" aria-label="Language" on:keydown=on_key>
                {Language::ALL.map(tab).collect_view()}
            </div>
            <pre
                class="exchange-body"
                id="snippet"
                role="tabpanel"
                tabindex="0"
                aria-labelledby=move || format!("tab-{}", chosen.get().name())
                data-testid="snippet"
            >
                {move || chosen.get().code()}
            </pre>
        </section>
    }
}

#[component]
fn CopyCode(chosen: RwSignal<Language>) -> impl IntoView {
    let toasts = Toasts::expect();
    let copy = move |_| {
        let code = chosen.get_untracked().code();
        spawn_local(async move {
            if write_to_clipboard(code).await {
                toasts.say("Copied");
            } else {
                toasts.warn("The browser blocked copying");
            }
        });
    };
    view! {
        <button type="button" class="button" data-testid="copy-snippet" on:click=copy>
            <Icon glyph=Glyph::Copy />
            "Copy"
        </button>
    }
}
