//! Boxes with a message.

use std::{sync::Arc, time::Duration};

use leptos::prelude::*;
use shared::problem::{ErrorCode, Problem};

use super::clock::every;
use super::icon::{Glyph, Icon};

/// The severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Neutral,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// The name in the style sheet.
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

/// A box with a message, and what to do about it.
#[component]
pub fn Notice(
    tone: Tone,
    /// A short sentence.
    #[prop(into)]
    title: Signal<String>,
    /// Test id.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Without an icon.
    #[prop(optional)]
    plain: bool,
    children: Children,
) -> impl IntoView {
    // Errors interrupt the screen reader; other messages wait.
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

/// How often a load is retried while the server is unavailable.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Shown in place of something that could not be loaded. Retries by itself while the server is unavailable.
#[component]
pub fn ProblemNotice(
    problem: Problem,
    /// Loads it again.
    retry: impl Fn() + Send + Sync + 'static,
) -> impl IntoView {
    let retry = Arc::new(retry);
    let is_unavailable = problem.code == ErrorCode::Unavailable;
    if is_unavailable {
        let retry = Arc::clone(&retry);
        every(RETRY_INTERVAL, move || retry());
    }
    view! {
        <Notice tone=Tone::Bad title="Couldn't load this page" testid="load-problem">
            <p>{problem.detail} {is_unavailable.then_some(" Retrying automatically.")}</p>
            <button type="button" class="button" on:click=move |_| retry()>
                "Try again"
            </button>
        </Notice>
    }
}

/// Why a form was rejected, unless the reason is shown at a field.
#[component]
pub fn FormErrorNotice(
    problem: RwSignal<Option<Problem>>,
    /// What failed.
    title: &'static str,
    testid: &'static str,
    /// Without an icon.
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
