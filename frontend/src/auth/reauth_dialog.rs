use leptos::{ev, html, prelude::*};

use super::sign_in::SignInForm;
use super::state::Auth;

/// Opens above a page whose session has ended. The page keeps its state, and its requests are repeated after the sign-in.
#[component]
pub fn ReauthDialog() -> impl IntoView {
    let auth = Auth::expect();
    let dialog = NodeRef::<html::Dialog>::new();
    let show = move || {
        let Some(dialog) = dialog.get_untracked() else { return };
        match (auth.ended.get_untracked(), dialog.open()) {
            // It fails only for a dialog that is open or not in the page.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    };
    Effect::new(move |_| {
        dialog.track();
        auth.ended.track();
        show();
    });
    // The page cannot be used without a session. Browsers close a dialog at the second Escape despite this, so it is shown again.
    let prevent_close = move |event: ev::Event| event.prevent_default();
    let leave = move |_| Auth::leave();
    let name = move || auth.user().map(|user| user.name).unwrap_or_default();
    let explanation = move || {
        if auth.user().is_some() {
            "Sign in again to continue. Your unsaved changes are kept."
        } else {
            "An account was created. Sign in to continue. Your unsaved changes are kept."
        }
    };
    view! {
        <dialog
            class="dialog"
            node_ref=dialog
            data-testid="sign-in-dialog"
            aria-labelledby="sign-in-again"
            on:cancel=prevent_close
            on:close=move |_| show()
        >
            <h2 id="sign-in-again">{move || if auth.user().is_some() { "Your session has expired" } else { "Sign in" }}</h2>
            <p>{explanation}</p>
            <Show when=move || auth.ended.get()>
                <SignInForm name=untrack(name) />
            </Show>
            <p class="auth-foot">
                <button type="button" class="link-button" data-testid="leave-page" on:click=leave>
                    "Leave this page"
                </button>
            </p>
        </dialog>
    }
}
