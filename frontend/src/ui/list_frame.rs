use leptos::prelude::*;
use shared::problem::Problem;

use super::notice::ProblemNotice;
use super::skeleton::Skeleton;

/// How far a list has come. Kept in a memo, it lets the rows stay when only their figures change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListState {
    Loading,
    Failed(Problem),
    Empty,
    Filled,
}

impl ListState {
    /// What follows from whether the list is empty; there is no answer as long as it loads.
    pub fn of(is_empty: Option<Result<bool, Problem>>) -> Self {
        match is_empty {
            None => Self::Loading,
            Some(Err(problem)) => Self::Failed(problem),
            Some(Ok(true)) => Self::Empty,
            Some(Ok(false)) => Self::Filled,
        }
    }
}

/// A list, or what stands in its place while there is none.
#[component]
pub fn ListFrame(
    state: Memo<ListState>,
    /// Number of grey lines while it loads.
    rows: usize,
    /// Loads it again.
    retry: impl Fn() + Copy + Send + Sync + 'static,
    /// What is shown of an empty list.
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
