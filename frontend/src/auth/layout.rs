use leptos::prelude::*;

use crate::ui::Logo;

/// The layout of the sign-in and setup pages: one card, without navigation.
#[component]
pub fn AuthLayout(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <main id="main" class="auth-layout" tabindex="-1">
            <div class="auth-head">
                <Logo />
                <h1>{title}</h1>
            </div>
            <section class="card auth-card">{children()}</section>
        </main>
    }
}
