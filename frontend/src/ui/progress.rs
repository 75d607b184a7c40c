//! A progress bar.

use leptos::prelude::*;

use super::format::whole_percent;

/// How the bar looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarState {
    Moving,
    Done,
    /// Paused; it will continue.
    Resting,
    /// Ended before completion.
    Stopped,
}

impl BarState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Done => "done",
            Self::Resting => "resting",
            Self::Stopped => "stopped",
        }
    }
}

#[component]
pub fn ProgressBar(
    /// Completed fraction, clamped to `0.0..=1.0`; `None` if it is unknown.
    #[prop(into)]
    share: Signal<Option<f64>>,
    /// What is in progress, for screen readers.
    #[prop(into)]
    label: Signal<String>,
    #[prop(into, default = BarState::Moving.into())] state: Signal<BarState>,
) -> impl IntoView {
    let width = move || format!("{:.2}%", share.get().unwrap_or(1.0).clamp(0.0, 1.0) * 100.0);
    view! {
        <div
            class="progress"
            class:progress-unknown=move || share.get().is_none()
            data-state=move || state.get().as_str()
            role="progressbar"
            aria-label=label
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || share.get().map(whole_percent)
        >
            <div class="progress-fill" style:width=width></div>
        </div>
    }
}
