//! What becomes of a form that is sent.

use leptos::prelude::*;
use shared::problem::{FieldError, Problem};
use wasm_bindgen::JsCast;

/// Where a form stands: whether somebody wanted to send it, and what the server said.
#[derive(Clone, Copy, Default)]
pub struct Submission {
    /// Somebody wanted to send it: what is wrong is an error from now on.
    pub submitted: RwSignal<bool>,
    /// It is on its way.
    pub busy: RwSignal<bool>,
    /// What the server found wrong, until the form changes.
    pub refused: RwSignal<Option<Problem>>,
}

impl Submission {
    /// What the server said is no more true once `typed` has changed.
    pub fn forgets(self, typed: impl Fn() + 'static) -> Self {
        Effect::new(move |_| {
            typed();
            self.refused.set(None);
        });
        self
    }

    /// Whether it may be sent: nothing is wrong, and it is not on its way.
    pub fn begin(self, wrong: &[FieldError]) -> bool {
        self.submitted.set(true);
        if !wrong.is_empty() {
            focus_first_error();
            return false;
        }
        if self.busy.get_untracked() {
            return false;
        }
        self.busy.set(true);
        self.refused.set(None);
        true
    }

    /// The server does not take it.
    pub fn refuse(self, problem: Problem) {
        self.busy.try_set(false);
        self.refused.try_set(Some(problem));
        focus_first_error();
    }

    /// What the server found wrong with a field.
    pub fn of(self, field: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || self.refused.with(|problem| of_field(&problem.as_ref()?.errors, field)))
    }
}

/// What is said of a field, if anything is.
pub fn of_field(errors: &[FieldError], field: &str) -> Option<String> {
    errors.iter().find(|error| error.field == field).map(|error| error.message.clone())
}

/// Moves the focus to the first field of a form that has an error.
pub fn focus_first_error() {
    // After the errors are drawn.
    request_animation_frame(|| {
        let field = document().query_selector("form [aria-invalid=true]").ok().flatten();
        if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = field.focus();
        }
    });
}
