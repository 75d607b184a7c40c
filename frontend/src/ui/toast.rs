//! Short messages at the edge of the page that go by themselves.

use std::{sync::Arc, time::Duration};

use leptos::prelude::*;
use shared::problem::Problem;

use super::icon::{Glyph, Icon};
use super::notice::Tone;

/// How long a message stays.
const STAY: Duration = Duration::from_secs(6);
/// While the pointer or the focus is on the messages, they are looked at again after this time.
const HOLD: Duration = Duration::from_secs(1);

type Act = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
struct Toast {
    id: u64,
    tone: Tone,
    text: String,
    /// What can be done about it: the text of the button, and what it does.
    action: Option<(&'static str, Act)>,
}

/// The messages of the tab. Found in the context.
#[derive(Clone, Copy)]
pub struct Toasts {
    list: RwSignal<Vec<Toast>>,
    shown: StoredValue<u64>,
    held: RwSignal<bool>,
}

impl Toasts {
    /// Called once, above all that has something to say.
    pub fn provide() {
        provide_context(Self { list: RwSignal::default(), shown: StoredValue::new(0), held: RwSignal::new(false) });
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Something has been done.
    pub fn say(self, text: impl Into<String>) {
        self.show(Tone::Good, text.into(), None, STAY);
    }

    /// Something is other than it was thought to be.
    pub fn warn(self, text: impl Into<String>) {
        self.show(Tone::Warning, text.into(), None, STAY);
    }

    /// Something has failed: `what`, and the reason.
    pub fn refuse(self, what: &str, problem: &Problem) {
        self.show(Tone::Bad, format!("{what}: {}", problem.detail), None, STAY * 2);
    }

    /// Something has been done, and `action` can be done about it for so long.
    pub fn offer(
        self,
        text: impl Into<String>,
        label: &'static str,
        stay: Duration,
        action: impl Fn() + Send + Sync + 'static,
    ) {
        self.show(Tone::Good, text.into(), Some((label, Arc::new(action))), stay);
    }

    /// Does what the newest message offers, if any does.
    pub fn act(self) {
        let newest = self.list.with_untracked(|list| list.iter().rev().find(|toast| toast.action.is_some()).cloned());
        if let Some(Toast { id, action: Some((_, act)), .. }) = newest {
            self.dismiss(id);
            act();
        }
    }

    fn show(self, tone: Tone, text: String, action: Option<(&'static str, Act)>, stay: Duration) {
        let id = self.shown.get_value() + 1;
        self.shown.set_value(id);
        self.list.update(|list| list.push(Toast { id, tone, text, action }));
        self.dismiss_after(id, stay);
    }

    fn dismiss_after(self, id: u64, stay: Duration) {
        let dismiss = move || {
            if self.held.get_untracked() {
                self.dismiss_after(id, HOLD);
            } else {
                self.dismiss(id);
            }
        };
        set_timeout(dismiss, stay);
    }

    fn dismiss(self, id: u64) {
        self.list.update(|list| list.retain(|toast| toast.id != id));
        // The pointer does not leave what is no more there.
        if self.list.with_untracked(Vec::is_empty) {
            self.held.set(false);
        }
    }
}

/// Where the messages are shown.
#[component]
pub fn ToastList() -> impl IntoView {
    let toasts = Toasts::expect();
    let hold = move |held: bool| toasts.held.set(held);
    view! {
        <div
            class="toasts"
            role="status"
            aria-live="polite"
            on:pointerenter=move |_| hold(true)
            on:pointerleave=move |_| hold(false)
            on:focusin=move |_| hold(true)
            on:focusout=move |_| hold(false)
        >
            <For each=move || toasts.list.get() key=|toast| toast.id children=move |toast| view! { <ToastView toast /> } />
        </div>
    }
}

#[component]
fn ToastView(toast: Toast) -> impl IntoView {
    let toasts = Toasts::expect();
    let Toast { id, tone, text, action } = toast;
    let action = action.map(|(label, act)| {
        let act = move |_| {
            toasts.dismiss(id);
            act();
        };
        view! {
            <button type="button" class="toast-action" data-testid="toast-action" on:click=act>
                {label}
            </button>
        }
    });
    view! {
        <div class="toast" data-tone=tone.as_str() data-testid="toast">
            <Icon glyph=tone.glyph() />
            <p class="toast-text">{text}</p>
            {action}
            <button type="button" class="toast-close" aria-label="Dismiss" on:click=move |_| toasts.dismiss(id)>
                <Icon glyph=Glyph::Cross />
            </button>
        </div>
    }
}
