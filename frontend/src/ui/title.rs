use leptos::prelude::*;

/// Names the tab: "{title} · Loadify". Follows the signals that `title` reads.
pub fn page_title(title: impl Fn() -> String + 'static) {
    Effect::new(move |_| document().set_title(&format!("{} · Loadify", title())));
}
