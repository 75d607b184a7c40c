use leptos::prelude::*;

use crate::ui::Logo;

/// A page for who is not inside yet: one card, and nothing around it.
#[component]
pub fn Entrance(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <main id="main" class="entrance" tabindex="-1">
            <div class="entrance-head">
                <Logo />
                <h1>{title}</h1>
            </div>
            <section class="card entrance-card">{children()}</section>
        </main>
    }
}
