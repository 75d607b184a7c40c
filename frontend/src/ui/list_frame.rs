//! A list with its loading, empty and failed states.

use leptos::prelude::*;
use shared::problem::Problem;

use super::notice::ProblemNotice;
use super::skeleton::Skeleton;

/// The state of a list. In a memo, it keeps the rows when only their contents change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListState {
    Loading,
    Failed(Problem),
    Empty,
    Filled,
}

impl ListState {
    /// Returns the state for whether the list is empty; `None` while it loads.
    pub fn of(is_empty: Option<Result<bool, Problem>>) -> Self {
        match is_empty {
            None => Self::Loading,
            Some(Err(problem)) => Self::Failed(problem),
            Some(Ok(true)) => Self::Empty,
            Some(Ok(false)) => Self::Filled,
        }
    }
}

/// A list, or a placeholder if there is none to show.
#[component]
pub fn ListFrame(
    state: Memo<ListState>,
    /// Number of placeholder rows while the list loads.
    rows: usize,
    /// Loads the list again.
    retry: impl Fn() + Copy + Send + Sync + 'static,
    /// Shown if the list is empty.
    #[prop(into)]
    nothing: ViewFn,
    /// The list.
    children: ChildrenFn,
) -> impl IntoView {
    move || match state.get() {
        ListState::Loading => view! { <Skeleton rows /> }.into_any(),
        ListState::Failed(problem) => view! { <ProblemNotice problem retry /> }.into_any(),
        ListState::Empty => nothing.run(),
        ListState::Filled => children(),
    }
}
