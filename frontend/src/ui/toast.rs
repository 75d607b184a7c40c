//! Short messages at the edge of the page that disappear by themselves.

use std::{sync::Arc, time::Duration};

use leptos::prelude::*;
use shared::problem::Problem;

use super::icon::{Glyph, Icon};
use super::notice::Tone;

/// How long a message is shown.
const TOAST_TIMEOUT: Duration = Duration::from_secs(6);
/// While the pointer or the focus is on the messages, their timeout is extended by this.
const HOLD_EXTENSION: Duration = Duration::from_secs(1);

type Act = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
struct Toast {
    id: u64,
    tone: Tone,
    text: String,
    /// Label of a button, and its action.
    action: Option<(&'static str, Act)>,
}

/// The messages of the tab, provided as context.
#[derive(Clone, Copy)]
pub struct Toasts {
    list: RwSignal<Vec<Toast>>,
    shown: StoredValue<u64>,
    held: RwSignal<bool>,
}

impl Toasts {
    /// Called once, above all components that show messages.
    pub fn provide() {
        provide_context(Self { list: RwSignal::default(), shown: StoredValue::new(0), held: RwSignal::new(false) });
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Reports a success.
    pub fn say(self, text: impl Into<String>) {
        self.show(Tone::Good, text.into(), None, TOAST_TIMEOUT);
    }

    /// Reports something unexpected.
    pub fn warn(self, text: impl Into<String>) {
        self.show(Tone::Warning, text.into(), None, TOAST_TIMEOUT);
    }

    /// Reports a failure: `what`, and the reason.
    pub fn fail(self, what: &str, problem: &Problem) {
        self.show(Tone::Bad, format!("{what}: {}", problem.detail), None, TOAST_TIMEOUT * 2);
    }

    /// Reports a success, with a button for `action` that is shown for `timeout`.
    pub fn offer(
        self,
        text: impl Into<String>,
        label: &'static str,
        timeout: Duration,
        action: impl Fn() + Send + Sync + 'static,
    ) {
        self.show(Tone::Good, text.into(), Some((label, Arc::new(action))), timeout);
    }

    /// Runs the action of the newest message that has one.
    pub fn act(self) {
        let newest = self.list.with_untracked(|list| list.iter().rev().find(|toast| toast.action.is_some()).cloned());
        if let Some(Toast { id, action: Some((_, act)), .. }) = newest {
            self.dismiss(id);
            act();
        }
    }

    fn show(self, tone: Tone, text: String, action: Option<(&'static str, Act)>, timeout: Duration) {
        let id = self.shown.get_value() + 1;
        self.shown.set_value(id);
        self.list.update(|list| list.push(Toast { id, tone, text, action }));
        self.dismiss_after(id, timeout);
    }

    fn dismiss_after(self, id: u64, timeout: Duration) {
        let dismiss = move || {
            if self.held.get_untracked() {
                self.dismiss_after(id, HOLD_EXTENSION);
            } else {
                self.dismiss(id);
            }
        };
        set_timeout(dismiss, timeout);
    }

    fn dismiss(self, id: u64) {
        self.list.update(|list| list.retain(|toast| toast.id != id));
        // The pointer does not leave a message that was removed.
        if self.list.with_untracked(Vec::is_empty) {
            self.held.set(false);
        }
    }
}

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
            <p class="toast-text" dir="auto">{text}</p>
            {action}
            <button type="button" class="toast-close" aria-label="Dismiss" on:click=move |_| toasts.dismiss(id)>
                <Icon glyph=Glyph::Cross />
            </button>
        </div>
    }
}
