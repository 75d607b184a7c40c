use leptos::prelude::*;
use shared::problem::Problem;

use super::icon::{Glyph, Icon};

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Neutral,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// The word that the style sheet knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }

    pub const fn glyph(self) -> Glyph {
        match self {
            Self::Neutral => Glyph::Clock,
            Self::Good => Glyph::Check,
            Self::Warning | Self::Bad => Glyph::Warning,
        }
    }
}

/// A box that says what is the matter, and in its children what to do.
#[component]
pub fn Notice(
    tone: Tone,
    /// One short sentence.
    #[prop(into)]
    title: Signal<String>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// It has no sign.
    #[prop(optional)]
    plain: bool,
    children: Children,
) -> impl IntoView {
    // What is bad interrupts; the rest waits until the screen reader has finished its sentence.
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    view! {
        <div class="notice" data-tone=tone.as_str() role=role data-testid=testid>
            {(!plain).then(|| view! { <Icon glyph=tone.glyph() /> })}
            <div class="notice-body">
                <p class="notice-title">{title}</p>
                {children()}
            </div>
        </div>
    }
}

/// What is shown in the place of something that could not be loaded.
#[component]
pub fn ProblemNotice(
    problem: Problem,
    /// Loads it again.
    retry: impl Fn() + Send + 'static,
) -> impl IntoView {
    view! {
        <Notice tone=Tone::Bad title="This could not be loaded">
            <p>{problem.detail}</p>
            <button type="button" class="button" on:click=move |_| retry()>
                "Try again"
            </button>
        </Notice>
    }
}

/// Why a form was refused, where that is not the matter of a single field.
#[component]
pub fn RefusalNotice(
    problem: RwSignal<Option<Problem>>,
    /// What has not been done.
    title: &'static str,
    testid: &'static str,
    /// It has no sign.
    #[prop(optional)]
    plain: bool,
) -> impl IntoView {
    move || {
        let problem = problem.get().filter(|problem| problem.errors.is_empty())?;
        Some(view! {
            <Notice tone=Tone::Bad title testid plain>
                <p>{problem.detail}</p>
            </Notice>
        })
    }
}
