//! The title of the tab.

use leptos::prelude::*;

/// A text before every title. Provided as context.
#[derive(Clone, Copy)]
struct TitlePrefix(Signal<Option<String>>);

/// Shows a text before every title while it has a value. Called once, above all pages.
pub fn provide_title_prefix(prefix: Signal<Option<String>>) {
    provide_context(TitlePrefix(prefix));
}

/// Sets the title of the tab to "{title} · Loadify", and follows the signals that `title` reads.
pub fn page_title(title: impl Fn() -> String + 'static) {
    let prefix = use_context::<TitlePrefix>();
    Effect::new(move |_| {
        let prefix = prefix.and_then(|prefix| prefix.0.get()).map(|prefix| format!("{prefix} · ")).unwrap_or_default();
        document().set_title(&format!("{prefix}{} · Loadify", title()));
    });
}
